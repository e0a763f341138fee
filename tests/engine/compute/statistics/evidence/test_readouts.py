"""Concepts' left-out readouts, their halves, and what a story does to them: against models really made without it."""

import numpy as np
import pytest
import torch

from engine.compute.statistics.evidence import influence as influence_module
from engine.compute.statistics.evidence.influence import influence, readouts_without_each
from engine.compute.statistics.evidence.judging import State, judge
from engine.compute.statistics.evidence.readouts import concept_readouts, left_out, split_half
from engine.compute.statistics.evidence.stories import Stories
from tests.engine.compute.statistics.evidence import made, oracle

SHAPES: dict[str, dict[str, int]] = {
    "alone": {"n": 50, "hidden": 9, "n_concepts": 4},
    "scenarios": {"n": 50, "hidden": 9, "n_concepts": 3, "n_scenarios": 10},
    "more dimensions than stories": {"n": 36, "hidden": 50, "n_concepts": 3, "n_scenarios": 12},
    "concepts twice in a scenario": {"n": 40, "hidden": 9, "n_concepts": 2, "n_scenarios": 4},
}


class Naive:
    """The middle layer at λ = 1, every model computed anew."""

    def __init__(self, state: State) -> None:
        assert state.reading is not None
        self.corpus = made.corpus(state.stories)
        self.weights = state.reading.tuning.weights.numpy()
        layer = len(state.placed) // 2
        rest = oracle.less_scenarios(self.corpus, self.corpus.rows[layer])
        self.metric = oracle.Metric.of(self.corpus, rest, self.weights, 1.0)
        self.group = {int(i): group for group in self.corpus.groups for i in group}

    def direction(self, concept: int, gone: list[int]) -> np.ndarray | None:
        """`(S + ρI)⁻¹ m_c` without some stories; None where the concept has none left."""
        kept = np.setdiff1d(np.arange(len(self.weights)), gone)
        model = oracle.Model.of(
            self.metric.x[kept], self.corpus.concepts[kept], self.weights[kept], self.corpus.n_concepts
        )  # fmt: skip
        if model.counts[concept] < 1e-6:
            return None
        return np.asarray(
            np.linalg.solve(model.scatter + self.metric.ridge * np.eye(len(model.scatter)), model.means[concept])
        )

    def heights(self, concept: int) -> np.ndarray:
        """Of all stories: the readout less half of what it gives for the concept's own mean."""
        values = np.full(len(self.weights), np.nan)
        for i, group in self.group.items():
            kept = np.setdiff1d(np.arange(len(values)), group)
            model = oracle.Model.of(
                self.metric.x[kept], self.corpus.concepts[kept], self.weights[kept], self.corpus.n_concepts
            )
            direction = self.direction(concept, group.tolist())
            if direction is not None:
                values[i] = (self.metric.x[i] - model.means[concept] / 2) @ direction
        return values

    def readouts(self, concept: int, gone: list[int]) -> np.ndarray:
        """Of all stories, each without its group and without others."""
        values = np.full(len(self.weights), np.nan)
        for i in range(len(values)):
            without = [] if set(gone) & set(self.group[i].tolist()) else gone
            direction = self.direction(concept, [*self.group[i].tolist(), *without])
            if direction is not None:
                values[i] = self.metric.x[i] @ direction
        return values


def auroc(scores: np.ndarray, own: np.ndarray, weights: np.ndarray) -> float:
    used = ~np.isnan(scores)
    pairs = [(i, j) for i in np.flatnonzero(own & used) for j in np.flatnonzero(~own & used)]
    total = sum(weights[i] * weights[j] for i, j in pairs)
    won = sum(weights[i] * weights[j] * ((scores[i] > scores[j]) + (scores[i] == scores[j]) / 2) for i, j in pairs)
    return float(won / total)


@pytest.mark.parametrize("shape", SHAPES)
def test_readouts_are_those_of_models_made_without_the_storys_scenario(shape: str) -> None:
    state = judge(made.stories(seed=1, **SHAPES[shape]))
    naive, fits = Naive(state), (1 - state.judgement.misfit).numpy()
    of_all = left_out(state)
    assert of_all is not None
    scores = of_all.scores
    for c, readout in enumerate(concept_readouts(state)):
        expected = naive.readouts(c, [])
        np.testing.assert_allclose(scores[:, c], expected, rtol=1e-6, atol=1e-9)
        own = naive.corpus.concepts == c
        assert readout.auroc is not None
        assert readout.auroc.value == pytest.approx(auroc(expected, own, fits))
        assert readout.auroc.low <= readout.auroc.value <= readout.auroc.high
        means = {
            k: np.average(expected[others], weights=fits[others])
            for k in range(naive.corpus.n_concepts)
            if k != c
            for others in [(naive.corpus.concepts == k) & ~np.isnan(expected)]
        }
        closest = sorted(means, key=lambda k: -means[k])[:3]
        told_apart = {
            k: auroc(
                np.where(own | (naive.corpus.concepts == k), naive.heights(c) - naive.heights(k), np.nan), own, fits
            )
            for k in closest
        }
        assert readout.rival == min(told_apart, key=lambda k: told_apart[k])
        assert readout.rival_auroc is not None
        assert readout.rival_auroc.value == pytest.approx(told_apart[readout.rival])


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_story_does_to_its_concept_is_that_of_models_made_without_it(shape: str) -> None:
    state = judge(made.stories(seed=2, **SHAPES[shape]))
    naive, fits, concept = Naive(state), (1 - state.judgement.misfit).numpy(), 1
    of_all = left_out(state)
    assert of_all is not None
    effects = influence(of_all, concept)
    assert effects is not None
    own = naive.corpus.concepts == concept
    assert effects.stories.tolist() == np.flatnonzero(own).tolist()
    whole, whole_direction = naive.readouts(concept, []), naive.direction(concept, [])
    without_each = readouts_without_each(of_all, concept, effects.stories)
    for place, i in enumerate(effects.stories.tolist()):
        readouts, kept = naive.readouts(concept, [i]), np.arange(len(fits)) != i
        np.testing.assert_allclose(without_each[:, place], readouts, rtol=1e-5, atol=1e-8)
        after = auroc(readouts[kept], own[kept], fits[kept])
        assert float(effects.auroc[place]) == pytest.approx(after - auroc(whole, own, fits), abs=1e-9)
        direction = naive.direction(concept, [i])
        assert direction is not None
        assert whole_direction is not None
        cosine = direction @ whole_direction / np.linalg.norm(direction) / np.linalg.norm(whole_direction)
        assert float(effects.turn[place]) == pytest.approx(cosine, abs=1e-6)


def test_of_many_stories_it_is_told_of_those_that_fit_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    of_all = left_out(judge(made.stories(seed=2, **SHAPES["alone"])))
    assert of_all is not None
    every = influence(of_all, 1)
    monkeypatch.setattr(influence_module, "MOST_STORIES", 4)
    worst = influence(of_all, 1)
    assert every is not None
    assert worst is not None
    assert len(every.stories) > len(worst.stories) == 4
    is_told = torch.isin(every.stories, worst.stories)
    assert of_all.fits[worst.stories].max() <= of_all.fits[every.stories[~is_told]].min()
    assert torch.equal(worst.stories, every.stories[is_told])
    torch.testing.assert_close(worst.auroc, every.auroc[is_told], atol=1e-9, rtol=0)
    torch.testing.assert_close(worst.turn, every.turn[is_told])


def concept_of(sizes: list[int], spread: float, seed: int = 0) -> Stories:
    g = torch.Generator().manual_seed(seed)
    concepts = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    means = torch.randn(1, len(sizes), 30, generator=g)
    rows = means[:, concepts] + spread * torch.randn(1, len(concepts), 30, generator=g)
    return Stories(rows=rows, concepts=concepts, scenarios=torch.full_like(concepts, -1), n_concepts=len(sizes))


def test_directions_of_many_and_of_clear_stories_are_firmer() -> None:
    few, many, alone = concept_readouts(judge(concept_of([4, 40, 1, 20, 20], 2.0)))[:3]
    assert alone.stability is None
    assert alone.auroc is None
    assert few.stability is not None
    assert many.stability is not None
    assert few.stability < many.stability < 1
    clear = concept_readouts(judge(concept_of([4, 40, 1, 20, 20], 0.5)))[0].stability
    assert clear is not None
    assert clear > few.stability


def test_halves_of_copies_give_one_direction() -> None:
    stories = concept_of([6, 20, 20], 1.0)
    stories.rows[:, :6] = stories.rows[:, :1]
    state = judge(stories)
    of_all = left_out(state)
    assert of_all is not None
    assert split_half(of_all, 0) == pytest.approx(1)


def test_of_nothing_that_can_be_told_nothing_is_said() -> None:
    state = judge(concept_of([9], 1.0))
    assert left_out(state) is None
    assert concept_readouts(state)[0].auroc is None
