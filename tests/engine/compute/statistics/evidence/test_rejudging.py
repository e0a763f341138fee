"""An edit's consequences at once are those of a model that really lacks the scenario; settled, those of a whole run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.compute.statistics.evidence.judging import State, judge
from engine.compute.statistics.evidence.stories import UNPAIRED, Stories
from tests.engine.compute.statistics.evidence import made, oracle
from tests.engine.compute.statistics.evidence.editing import Edited, added, group_of, removed, replaced
from tests.engine.compute.statistics.evidence.editing import edited as edited_group

SHAPES: dict[str, dict[str, int]] = {
    "more dimensions than stories": {"n": 40, "hidden": 60, "n_concepts": 4, "n_scenarios": 9},
    "more stories than dimensions": {"n": 60, "hidden": 12, "n_concepts": 4, "n_scenarios": 12},
}


def new_row(stories: Stories, seed: int = 9) -> torch.Tensor:
    """Activations `[L, H]` of a text that is not among the stories."""
    g = torch.Generator().manual_seed(seed)
    mix = torch.rand(len(stories), generator=g)
    rows = torch.einsum("n,lnh->lh", mix / mix.sum(), stories.rows)
    return rows + stories.rows.std(1) * torch.randn(rows.shape, generator=g)


def in_scenario(stories: Stories) -> int:
    """A story whose scenario has others."""
    paired = stories.scenarios[stories.scenarios != UNPAIRED]
    return int((stories.scenarios == paired.mode().values).nonzero()[1])


def alone(stories: Stories) -> int:
    return int((stories.scenarios == UNPAIRED).nonzero()[0])


def naive_scores(state: State, group: list[int], rows: np.ndarray, own: list[int]) -> np.ndarray:
    """Log scores of rows `[L, q, H]`, which form one scenario, by a model computed anew without the group."""
    assert state.reading is not None
    corpus, total = made.corpus(state.stories), np.zeros((len(own), state.stories.n_concepts))
    weights = state.reading.tuning.weights.numpy()
    for layer, old, new in zip(state.reading.layers, corpus.rows, rows, strict=True):
        rest = oracle.less_scenarios(corpus, old)
        metric = oracle.Metric.of(corpus, rest, weights, layer.tuning.shrinkage)
        scale = layer.placed.space.scale.numpy()
        placed = new / scale - (old / scale).mean(0)
        if len(placed) > 1:
            placed = placed - placed.sum(0) / (len(placed) + 2)
        kept = np.delete(np.arange(len(rest)), group)
        model = oracle.Model.of(metric.x[kept], corpus.concepts[kept], weights[kept], corpus.n_concepts)
        inverse = np.linalg.inv(model.scatter + metric.ridge * np.eye(old.shape[1]))
        x = placed - np.average(rest, axis=0, weights=weights)
        a = layer.tuning.prior
        for i, row in enumerate(x):
            for c in range(corpus.n_concepts):
                away, width = row - model.means[c] * model.counts[c] / (model.counts[c] + a), 1 / (model.counts[c] + a)
                squares = away @ inverse @ away * max(weights.sum() - corpus.n_concepts, 1) / (1 + width)
                score = -(squares + metric.used * np.log1p(width)) / 2
                is_small = model.counts[c] < layer.metric.smallest and c != own[i]
                gone = model.counts[c] <= 1e-6
                total[i, c] += layer.tuning.temperature * (oracle.NEVER if is_small or gone else score)
    return state.reading.tuning.temperature * total


def edited(stories: Stories, kept: list[int], row: torch.Tensor | None, concept: int, scenario: int) -> Stories:
    """The stories that are kept, and at the end one more."""
    left = replace(
        stories, rows=stories.rows[:, kept], concepts=stories.concepts[kept], scenarios=stories.scenarios[kept]
    )  # fmt: skip
    if row is None:
        return left
    return replace(
        left,
        rows=torch.cat([left.rows, row[:, None]], 1),
        concepts=torch.cat([left.concepts, torch.tensor([concept])]),
        scenarios=torch.cat([left.scenarios, torch.tensor([scenario])]),
    )


def made_edit(state: State, kind: str) -> tuple[Edited, Stories, list[int]]:
    """An edit of a kind: what it makes of its group at once, the stories after it, and the group before it."""
    stories = state.stories
    row, everyone = new_row(stories), list(range(len(stories)))
    if kind.startswith("added"):
        scenario = {"added to a scenario": int(stories.scenarios[in_scenario(stories)]), "added alone": UNPAIRED}.get(
            kind, 77
        )
        group = [i for i in everyone if scenario != UNPAIRED and stories.scenarios[i] == scenario]
        return added(state, row, 1, scenario), edited(stories, everyone, row, 1, scenario), group
    story = alone(stories) if "alone" in kind else in_scenario(stories)
    concept, scenario = int(stories.concepts[story]), int(stories.scenarios[story])
    group = [story] if scenario == UNPAIRED else [i for i in everyone if stories.scenarios[i] == scenario]
    kept = [i for i in everyone if i != story]
    if kind.startswith("removed"):
        return removed(state, story), edited(stories, kept, None, 0, 0), group
    return replaced(state, story, row), edited(stories, kept, row, concept, scenario), group


KINDS = [
    "replaced in a scenario",
    "replaced alone",
    "removed from a scenario",
    "removed alone",
    "added to a scenario",
    "added alone",
    "added in a scenario of its own",
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_is_judged_at_once_by_the_model_that_really_lacks_its_scenario(shape: str, kind: str) -> None:
    state = judge(made.stories(seed=3, **SHAPES[shape]))
    assert state.reading is not None
    edit, after, group = made_edit(state, kind)
    judged = [
        i for i in range(len(after)) if int(after.scenarios[i]) in {int(state.stories.scenarios[g]) for g in group}
    ]
    if "alone" in kind or "own" in kind:
        judged = [] if kind.startswith("removed") else [len(after) - 1]
    assert len(edit.judgement.misfit) == len(judged)
    assert edit.kept.tolist() == [g for g in group if g in edit.kept]
    own = after.concepts[judged].tolist()
    scores = torch.tensor(naive_scores(state, group, after.rows[:, judged].double().numpy(), own))
    shares = state.reading.noise.shares(scores, after.concepts[judged])
    able = after.judgeable()[judged]
    np.testing.assert_allclose(edit.judgement.shares[able], shares[able], atol=1e-6)
    assert np.array_equal(edit.judgement.margin.isnan(), ~able)


@pytest.mark.parametrize("shape", SHAPES)
def test_several_edits_of_one_scenario_are_judged_together_by_the_model_that_really_lacks_it(shape: str) -> None:
    state = judge(made.stories(seed=3, **SHAPES[shape]))
    assert state.reading is not None
    stories = state.stories
    group = group_of(state, in_scenario(stories))
    assert len(group) >= 3
    first, second, *kept = group.tolist()
    concepts = torch.tensor([int(stories.concepts[first]), int(stories.concepts[second]), 1])
    rows = torch.stack([new_row(stories, seed) for seed in (9, 10, 11)], 1)
    edit = edited_group(state, group, torch.tensor(kept), rows, concepts)
    after = torch.cat([stories.rows[:, kept], rows], 1)
    own = torch.cat([stories.concepts[kept], concepts])
    scores = torch.tensor(naive_scores(state, group.tolist(), after.double().numpy(), own.tolist()))
    np.testing.assert_allclose(edit.judgement.shares, state.reading.noise.shares(scores, own), atol=1e-6)
    alone = replaced(state, first, rows[:, 0])
    assert abs(float(alone.judgement.misfit[-1] - edit.judgement.misfit[len(kept)])) > 1e-6  # the others count too
    counts = stories.counts - stories.concepts[[first, second]].bincount(minlength=stories.n_concepts)
    counts += concepts.bincount(minlength=stories.n_concepts)
    z = np.zeros(len(own))
    outside = [i for i in range(len(stories)) if i not in (first, second)]
    for at, old, new in zip(state.placed, stories.rows.double(), after.double(), strict=True):
        scale, mean = at.space.scale, (old / at.space.scale).mean(0)
        filed = torch.cat([stories.concepts[outside], concepts])
        everyone = torch.cat([old[outside], new[len(kept) :]]) / scale
        for i, row in enumerate(new / scale):
            total = everyone[filed == own[i]].sum(0) - row + 2 * mean
            away = row - total / (counts[own[i]] + 1)
            z[i] += float((away.square().sum().log() - at.distances.usual) / at.distances.spread) / len(after)
    np.testing.assert_allclose(edit.judgement.strange, oracle.sigmoid(6 * (z - 4)), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_strangeness_after_an_edit_is_that_of_distances_computed_anew(kind: str) -> None:
    state = judge(made.stories(seed=4, **SHAPES["more stories than dimensions"]))
    edit, after, group = made_edit(state, kind)
    z = np.zeros(len(edit.judgement.strange))
    n = len(after)
    judged = (
        [n - 1] if len(z) == 1 else [i for i in range(n) if after.scenarios[i] == state.stories.scenarios[group[0]]]
    )
    for at, before, rows in zip(state.placed, state.stories.rows.double(), after.rows.double(), strict=True):
        x, mean = (rows / at.space.scale).numpy(), (before / at.space.scale).mean(0).numpy()
        for place, i in enumerate(judged[: len(z)]):
            others = [x[j] for j in range(n) if j != i and after.concepts[j] == after.concepts[i]]
            away = x[i] - np.mean([*others, mean, mean], axis=0)
            z[place] += (np.log(away @ away) - float(at.distances.usual)) / float(at.distances.spread) / len(after.rows)
    np.testing.assert_allclose(edit.judgement.strange, oracle.sigmoid(6 * (z - 4)), atol=1e-9)


def carried(stories: Stories, kind: str) -> torch.Tensor:
    """Where the stories after an edit were before it."""
    n = len(stories)
    if kind.startswith("added"):
        return torch.tensor([*range(n), -1])
    story = alone(stories) if "alone" in kind else in_scenario(stories)
    kept = [i for i in range(n) if i != story]
    return torch.tensor(kept if kind.startswith("removed") else [*kept, -1])


@pytest.mark.parametrize("kind", KINDS)
def test_settling_with_stored_settings_is_the_oracle_forced_to_them_and_near_what_was_said_at_once(kind: str) -> None:
    state = judge(made.stories(n=150, hidden=12, n_concepts=4, n_scenarios=30, seed=5))
    assert state.reading is not None
    edit, after, _ = made_edit(state, kind)
    tuning = state.reading.tuning.carried(carried(state.stories, kind))
    settled = judge(after, tuning)
    assert settled.reading is not None
    chosen = settled.reading.tuning
    assert [at.shrinkage for at in chosen.layers] == [at.shrinkage for at in state.reading.tuning.layers]
    assert chosen.n_changed == 1
    assert not chosen.weights.isnan().any()
    again = judge(after, chosen)
    assert torch.equal(again.judgement.shares, settled.judgement.shares)
    corpus, total = made.corpus(after), np.zeros(settled.reading.scores.shape)
    for at, rows in zip(chosen.layers, corpus.rows, strict=True):
        x = rows / at.space.scale.numpy()
        x = x - x.mean(0)
        rest = x.copy()
        for members in corpus.groups:
            if len(members) > 1:
                rest[members] -= x[members].sum(0) / (len(members) + 2)
        total += at.temperature * oracle.scores(corpus, rest, chosen.weights.numpy(), at.shrinkage)[at.prior]
    able = corpus.judgeable
    tells = 1 - oracle.strangeness(corpus)[able]
    shares, _ = oracle.posterior((chosen.temperature * total)[able], corpus.concepts[able], tells)
    np.testing.assert_allclose(settled.judgement.shares[torch.tensor(able)], shares, atol=1e-6)
    if len(edit.judgement.misfit) == len(edit.kept) + 1:
        assert abs(float(edit.judgement.misfit[-1] - settled.judgement.misfit[-1])) < 0.2


def test_stories_that_changed_are_counted_until_settings_are_outdated() -> None:
    state = judge(made.stories(n=100, hidden=12, n_concepts=4, seed=6))
    assert state.reading is not None
    tuning = state.reading.tuning
    everyone = torch.arange(100)
    assert not tuning.carried(everyone).is_outdated
    edited_once = torch.where(everyone == 7, -1, everyone)
    twice = tuning.carried(edited_once).carried(edited_once)
    assert (twice.n_changed, twice.is_outdated) == (2, False)
    assert twice.carried(everyone[:99]).is_outdated
    assert tuning.carried(torch.cat([everyone, torch.tensor([-1, -1, -1])])).is_outdated
    moved = tuning.carried(everyone.flip(0))
    assert torch.equal(moved.weights, tuning.weights.flip(0))


def test_stories_that_have_all_become_alike_are_settled_in_finite_numbers() -> None:
    stories = made.stories(n=40, hidden=12, n_concepts=4, seed=6, n_scenarios=8)
    state = judge(stories)
    assert state.reading is not None
    tuning = state.reading.tuning.carried(torch.full((40,), -1))
    settled = judge(replace(stories, rows=stories.rows[:, :1].expand_as(stories.rows)), tuning)
    assert settled.judgement.shares.isfinite().all()
    assert not settled.judgement.flagged.any()


def test_an_edit_that_changes_nothing_changes_no_number() -> None:
    stories = made.stories(n=60, hidden=12, n_concepts=4, seed=7, n_scenarios=14)
    state = judge(stories)
    for story in (in_scenario(stories), alone(stories)):
        edit = replaced(state, story, stories.rows[:, story])
        order = torch.cat([edit.kept, torch.tensor([story])])
        np.testing.assert_allclose(edit.judgement.shares, state.judgement.shares[order], atol=1e-7)
        np.testing.assert_allclose(edit.judgement.strange, state.judgement.strange[order], atol=1e-9)


def test_where_nothing_can_be_told_an_edit_tells_only_how_strange_it_is() -> None:
    stories = replace(made.stories(n=20, hidden=6, n_concepts=1), concepts=torch.zeros(20, dtype=torch.int64))
    state = judge(stories)
    assert state.reading is None
    edit = replaced(state, 3, 100 * new_row(stories))
    assert edit.judgement.strange.item() > 0.9
    assert edit.judgement.strengths == ["too few to tell"]
