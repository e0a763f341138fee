"""What is said of concepts live: once all stories are judged, by name, as the rule says it by number."""

from __future__ import annotations

import msgspec
import pytest
import torch

from engine.compute.live.concept_judge import OfConcepts, of_concepts
from engine.compute.live.rows import Rows
from engine.compute.statistics.evidence.influence import influence
from engine.compute.statistics.evidence.judging import State, judge
from engine.compute.statistics.evidence.pairs import Pooled
from engine.compute.statistics.evidence.readouts import concept_readouts, left_out
from engine.compute.statistics.evidence.stories import Stories
from engine.compute.statistics.steps import run
from engine.evidence import ConceptEvidence
from engine.wire.jobs import Placement
from tests.engine.compute.statistics.evidence import made


def asked(stories: Stories, state: State) -> OfConcepts:
    """Of concepts c0, c1, …, of texts t00, t01, …; the last two texts are baselines."""
    n = len(stories)
    means = Rows(stories.rows.shape[0], stories.rows.shape[2], torch.device("cpu"))
    baselines = torch.zeros_like(stories.rows[:, :2])
    for i, row in enumerate(torch.cat([stories.rows, baselines], 1).unbind(1)):
        means.set(f"t{i:02}", row)
    placements = [
        Placement(
            f"t{i:02}", f"c{stories.concepts[i]}", None if stories.scenarios[i] < 0 else f"s{stories.scenarios[i]}"
        )
        for i in range(n)
    ]
    names = [f"c{c}" for c in range(stories.n_concepts)]
    return run(of_concepts(placements, names, state, means))


@pytest.mark.parametrize("n_scenarios", [0, 12])
def test_numbers_are_those_of_the_rule_under_the_names_of_concepts_and_texts(n_scenarios: int) -> None:
    stories = made.stories(60, 9, 4, seed=3, n_scenarios=n_scenarios)
    state = judge(stories)
    of_all = left_out(state)
    assert of_all is not None
    rows = torch.cat([stories.rows[1], torch.zeros(2, 9)])
    members = torch.zeros(62, 4, dtype=torch.bool)
    members[torch.arange(60), stories.concepts] = True
    scenarios = [None if scenario < 0 else f"s{scenario}" for scenario in stories.scenarios.tolist()]
    filed = {f"t{i:02}": (f"c{stories.concepts[i]}", scenarios[i]) for i in range(60)}
    evidence, effects_told = asked(stories, state)
    assert [each.concept for each in effects_told] == sorted(each.concept for each in effects_told)
    assert [each.concept for each in evidence] == ["c0", "c1", "c2", "c3"]
    for c, (told, readout) in enumerate(zip(evidence, concept_readouts(state), strict=True)):
        assert told.auroc is not None
        assert readout.auroc is not None
        assert (told.auroc.value, told.auroc.low) == (readout.auroc.value, readout.auroc.low)
        assert told.rival == f"c{readout.rival}"
        effects = influence(of_all, c)
        assert effects is not None
        expected = {f"t{i:02}": v for i, v in zip(effects.stories.tolist(), effects.auroc.tolist(), strict=True)}
        of_concept = [each for each in effects_told if each.concept == told.concept]
        assert {each.text_id: each.auroc for each in of_concept} == expected
        assert [each.auroc for each in of_concept] == sorted(expected.values(), reverse=True)
        assert readout.rival is not None
        both = torch.isin(stories.concepts, torch.tensor([c, readout.rival])).nonzero()[:, 0]
        pulls = Pooled(rows, members).pulls(c, readout.rival, both)
        strongest = [
            (f"t{int(both[i]):02}", float(pulls[i])) for i in pulls.argsort(descending=True)[:3] if pulls[i] > 0
        ]
        assert [name for name, *_ in told.pulls] == [name for name, _ in strongest]
        assert [pull for *_, pull in told.pulls] == pytest.approx([pull for _, pull in strongest])
        assert [(concept, scenario) for _, concept, scenario, _ in told.pulls] == [filed[i] for i, *_ in told.pulls]
        assert {name for name, _ in told.without_own} <= expected.keys()
        assert [scenario for _, scenario in told.without_own] == [filed[i][1] for i, _ in told.without_own]


def test_camps_name_the_stories_of_the_smaller_one() -> None:
    g = torch.Generator().manual_seed(0)
    concepts = torch.arange(14).repeat_interleave(20)
    true = concepts.clone()
    true[:8] = 14
    means = 1.2 * torch.randn(1, 15, 40, generator=g)
    rows = means[:, true] + torch.randn(1, 280, 40, generator=g)
    stories = Stories(rows=rows, concepts=concepts, scenarios=torch.full_like(concepts, -1), n_concepts=14)
    camps = asked_many(stories).evidence[0].camps
    assert camps is not None
    assert camps.p_value < 0.01
    assert {name for name, _ in camps.smaller} >= {f"t{i:02}" for i in range(2, 7)}


def asked_many(stories: Stories) -> OfConcepts:
    return asked(stories, judge(stories))


def test_where_nothing_can_be_told_nothing_is_said_and_what_is_said_is_json() -> None:
    (alone,), effects = asked_many(made.stories(9, 5, 1))
    assert (alone.auroc, alone.rival, alone.own_share, effects) == (None, None, None, ())
    few = made.stories(7, 5, 5, seed=1)  # some concepts have one story, or none
    told = asked_many(few).evidence
    assert msgspec.json.decode(msgspec.json.encode(told), type=list[ConceptEvidence]) == told
