"""Stories judged live: the edited one and its scenario at once, all of them once it settles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.compute.activations.store import Store
from engine.compute.live import judge as judge_module
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.evidence import tuning
from engine.compute.statistics.evidence.judging import State, judge
from engine.compute.statistics.evidence.stories import UNPAIRED, Stories
from engine.compute.statistics.steps import run
from engine.corpus import text_id
from engine.evidence import Evidence
from engine.results import Results
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests.engine.compute.live.comparing import assert_same
from tests.engine.compute.live.lookup import lookup_model

CONCEPTS = ("angry", "calm", "sad")
SCENARIOS = ("rain", "sun", "war", None)

TABLE = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) * 3 + 1
"""An activation for each text: row 3 for the text "3"."""

Texts = dict[tuple[str, str | None], str]
"""By concept and scenario."""

TEXTS: Texts = {
    (concept, scenario): str(4 * c + s) for c, concept in enumerate(CONCEPTS) for s, scenario in enumerate(SCENARIOS)
}


def placements(texts: Texts) -> list[Placement]:
    stories = [Placement(text_id(text), concept, scenario) for (concept, scenario), text in texts.items()]
    return [*stories, Placement(text_id("40"), None)]  # a baseline is no story


def by_id(texts: Texts) -> dict[str, str]:
    return {text_id(text): text for text in [*texts.values(), "40"]}


@pytest.fixture
def live(tmp_path: Path) -> LiveCorpus:
    return LiveCorpus(
        lookup_model(TABLE), Settings(model="lookup", pooling="mean"), Store(tmp_path), [0, 1], with_evidence=True
    )


def change(live: LiveCorpus, texts: Texts) -> Results:
    return run(live.change(placements(texts), by_id(texts)))


def settle(live: LiveCorpus) -> Results:
    results = run(live.settle())
    assert results is not None
    return results


def judged(live: LiveCorpus, texts: Texts) -> dict[tuple[str, str | None], tuple[float, float, str | None]]:
    """What the rule says of these stories, from the means that the state holds."""
    slots = sorted(texts, key=lambda slot: (slot[0], slot[1] or "", text_id(texts[slot])))
    state: State = judge(
        Stories(
            rows=live._state.means.take([text_id(texts[slot]) for slot in slots]),
            concepts=torch.tensor([CONCEPTS.index(concept) for concept, _ in slots]),
            scenarios=torch.tensor([UNPAIRED if name is None else SCENARIOS.index(name) for _, name in slots]),
            n_concepts=len(CONCEPTS),
        )
    )
    verdicts = state.judgement
    return {
        slot: (float(verdicts.misfit[i]), float(verdicts.strange[i]), CONCEPTS[int(verdicts.reads_as[i])])
        for i, slot in enumerate(slots)
    }


def told(evidence: list[Evidence]) -> dict[tuple[str, str | None], tuple[float, float, str | None]]:
    return {(each.concept, each.scenario): (each.misfit, each.strange, each.reads_as) for each in evidence}


def test_once_settled_every_story_is_judged_as_the_rule_says(live: LiveCorpus) -> None:
    assert change(live, TEXTS).evidence == []
    results = settle(live)
    assert results.stories_are_settled
    expected = judged(live, TEXTS)
    assert told(results.evidence).keys() == expected.keys()
    for slot, (misfit, strange, reads_as) in told(results.evidence).items():
        assert (misfit, strange) == pytest.approx(expected[slot][:2], abs=1e-9)
        assert reads_as == expected[slot][2]


def test_shares_are_those_of_other_concepts(live: LiveCorpus) -> None:
    change(live, TEXTS)
    for each in settle(live).evidence:
        assert each.concept not in dict(each.shares)
        assert sum(dict(each.shares).values()) == pytest.approx(each.misfiled, abs=1e-9)


def test_an_edited_story_and_its_scenario_are_judged_at_once_and_the_rest_follows(live: LiveCorpus) -> None:
    change(live, TEXTS)
    settle(live)
    edited = TEXTS | {("sad", "rain"): "20"}
    results = change(live, edited)
    assert not results.stories_are_settled
    assert set(told(results.evidence)) == {(concept, "rain") for concept in CONCEPTS}
    assert {each.text_id for each in results.evidence} == {text_id(edited[concept, "rain"]) for concept in CONCEPTS}
    settled, expected = told(settle(live).evidence), judged(live, edited)
    assert {slot: numbers[:2] for slot, numbers in settled.items()} == {
        slot: pytest.approx(numbers[:2], abs=1e-9) for slot, numbers in expected.items()
    }


def test_the_next_edit_judges_its_own_scenario_alone_and_leaves_the_last_ones_verdict(live: LiveCorpus) -> None:
    change(live, TEXTS)
    settle(live)
    first = TEXTS | {("sad", "rain"): "20"}
    told_first = told(change(live, first).evidence)
    assert set(told(change(live, first | {("calm", "war"): "21"}).evidence)) == {(name, "war") for name in CONCEPTS}
    verdicts = {(story.concept, story.scenario): each for story, each in live._verdicts.of.items()}
    assert verdicts["sad", "rain"].misfit == told_first["sad", "rain"][0]
    assert len(verdicts) == len(TEXTS)


def test_edits_of_one_scenario_one_after_the_other_are_judged_as_if_they_came_at_once(
    live: LiveCorpus, tmp_path: Path
) -> None:
    change(live, TEXTS)
    settle(live)
    first = TEXTS | {("sad", "rain"): "20"}
    both = first | {("calm", "rain"): "21"}
    alone = told(change(live, first).evidence)
    settings = Settings(model="lookup", pooling="mean")
    other = LiveCorpus(lookup_model(TABLE), settings, Store(tmp_path / "other"), [0, 1], with_evidence=True)
    change(other, TEXTS)
    settle(other)
    after_both = told(change(live, both).evidence)
    assert after_both == told(change(other, both).evidence)
    assert set(after_both) == {(concept, "rain") for concept in CONCEPTS}
    assert after_both["sad", "rain"] != alone["sad", "rain"]
    assert told(change(live, first).evidence) == alone, "an edit that is taken back leaves no trace"


def test_stories_come_and_go(live: LiveCorpus) -> None:
    change(live, TEXTS)
    settle(live)
    fewer = {slot: text for slot, text in TEXTS.items() if slot not in (("angry", None), ("calm", "sun"))}
    results = change(live, fewer)
    assert set(told(results.evidence)) == {("angry", "sun"), ("sad", "sun")}
    assert set(told(settle(live).evidence)) == set(fewer)
    assert set(told(change(live, TEXTS).evidence)) == {("angry", None), *((concept, "sun") for concept in CONCEPTS)}
    assert set(told(settle(live).evidence)) == set(TEXTS)


def test_a_story_of_a_new_concept_is_judged_when_it_settles(live: LiveCorpus) -> None:
    without = {slot: text for slot, text in TEXTS.items() if slot[0] != "sad"}
    change(live, without)
    settle(live)
    results = change(live, TEXTS)
    assert "sad" not in {each.concept for each in results.evidence}
    assert set(told(settle(live).evidence)) == set(TEXTS)


def test_of_numbers_that_are_not_finite_nothing_is_said(live: LiveCorpus) -> None:
    change(live, TEXTS)
    settle(live)
    judged_stories = live._judge._judged
    assert judged_stories is not None
    judgement = judged_stories.state.judgement
    strange = judgement.strange.clone()
    strange[0] = torch.nan
    evidence = [each for _, each in judged_stories.told(judged_stories.stories, replace(judgement, strange=strange))]
    assert (evidence[0].strange, evidence[0].strength, evidence[0].shares) == (0.0, "too few to tell", [])
    assert all(each.shares for each in evidence[1:])


def test_without_stories_nothing_is_judged(live: LiveCorpus) -> None:
    change(live, TEXTS)
    settle(live)
    assert change(live, {}).evidence == []
    assert (settle(live) if not live.is_settled else live.results()).evidence == []


def test_a_draft_is_judged_as_its_save_is_and_leaves_no_trace(tmp_path: Path, llama: LoadedModel) -> None:
    texts = {
        (concept, scenario): f"A {concept} {scenario} of {text} days." for (concept, scenario), text in TEXTS.items()
    }
    settings = Settings(model="llama", pooling="last")  # stories are judged by the mean of their tokens all the same
    live = LiveCorpus(llama, settings, Store(tmp_path), [1, 3], with_evidence=True)
    change(live, texts)
    before = settle(live)
    written = "Nobody came, and the soup went cold."
    draft = run(live.score(written, text_id(written), text_id(texts["sad", "rain"]), "sad", CONCEPTS))
    assert draft.evidence is not None
    assert (draft.evidence.concept, draft.evidence.scenario) == ("sad", "rain")
    assert live.results() == before
    saved = change(live, texts | {("sad", "rain"): written})
    (at_once,) = [each for each in saved.evidence if each.concept == "sad"]
    assert draft.evidence.misfit == pytest.approx(at_once.misfit, abs=1e-4)
    assert draft.evidence.reads_as == at_once.reads_as


def test_what_is_said_of_concepts_stays_until_it_settles_and_is_then_that_of_a_run_from_nothing(
    live: LiveCorpus, tmp_path: Path
) -> None:
    change(live, TEXTS)
    first = settle(live).concept_evidence
    assert [each.concept for each in first] == list(CONCEPTS)
    edited = TEXTS | {(concept, scenario): str(30 + i) for i, (concept, scenario) in enumerate(list(TEXTS)[:5])}
    results = change(live, edited)
    assert not results.are_settled
    assert results.concept_evidence == first
    settled = settle(live).concept_evidence
    settings = Settings(model="lookup", pooling="mean")
    anew = LiveCorpus(lookup_model(TABLE), settings, Store(tmp_path / "anew"), [0, 1], with_evidence=True)
    change(anew, edited)
    assert settled == settle(anew).concept_evidence
    assert settled != first


def for_files(live: LiveCorpus) -> Results:
    results = run(live.for_files(with_evidence=True))
    assert results is not None
    return results


def test_files_say_what_a_run_from_nothing_says_whatever_edits_came_before(
    live: LiveCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "CHANGED_AT_MOST", 1.0)  # settings stand, however few stories there are
    change(live, TEXTS)
    settle(live)
    edited = TEXTS | {("sad", "rain"): "20"}
    change(live, edited)
    anew = LiveCorpus(
        lookup_model(TABLE), Settings(model="lookup", pooling="mean"), Store(tmp_path), [0, 1], with_evidence=True
    )
    change(anew, edited)
    expected, written = for_files(anew), for_files(live)
    assert not live.is_settled, "an export leaves the stories to those who look at them"
    assert_same(written, expected)
    standing = settle(live)
    assert told(standing.evidence) != told(written.evidence)
    assert_same(for_files(live), expected)
    assert live.results() == standing


def test_files_tell_more_of_a_story_than_a_screen_does(live: LiveCorpus) -> None:
    change(live, TEXTS)
    shown = settle(live).evidence
    places = {(each.text_id, each.concept, each.scenario) for each in shown}
    for brief, full in zip(shown, for_files(live).evidence, strict=True):
        assert full.shares[: len(brief.shares)] == brief.shares
        assert brief.neighbours == []
        assert len(full.neighbours) == 3
        assert {(text_id, concept, scenario) for text_id, concept, scenario, _ in full.neighbours} < places
        assert full.margin is not None


def test_files_for_which_nobody_asks_for_evidence_cost_no_judgement(
    live: LiveCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(live, TEXTS)
    monkeypatch.setattr(judge_module, "_judge", None)
    results = run(live.for_files(with_evidence=False))
    assert results is not None
    assert results.evidence == []
    assert all(quality.settled for quality in results.concepts)


def test_files_of_stories_that_change_meanwhile_are_asked_for_again(live: LiveCorpus) -> None:
    change(live, TEXTS)
    steps = live.for_files(with_evidence=True)
    next(steps)
    change(live, TEXTS | {("sad", "rain"): "20"})
    assert run(steps) is None
