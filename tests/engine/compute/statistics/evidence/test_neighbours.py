"""The stories that one is most like, against the definition in numpy."""

import numpy as np
import pytest
import torch

from engine.compute.statistics.evidence import neighbours as module
from engine.compute.statistics.evidence.judging import Reading, State, judge
from engine.compute.statistics.evidence.neighbours import neighbours
from engine.compute.statistics.evidence.stories import Stories
from tests.engine.compute.statistics.evidence import made, oracle


def reading(state: State) -> Reading:
    assert state.reading is not None
    return state.reading


def naive_cosines(state: State) -> np.ndarray:
    """Between all stories, in the metric of the middle layer: `x'(S + ρI)⁻¹ y` over the lengths."""
    corpus, chosen = made.corpus(state.stories), reading(state).middle.tuning
    rest = oracle.less_scenarios(corpus, corpus.rows[len(state.placed) // 2])
    weights = reading(state).tuning.weights.numpy()
    metric = oracle.Metric.of(corpus, rest, weights, chosen.shrinkage)
    model = oracle.Model.of(metric.x, corpus.concepts, weights, corpus.n_concepts)
    products = metric.x @ np.linalg.solve(model.scatter + metric.ridge * np.eye(len(model.scatter)), metric.x.T)
    lengths = np.sqrt(np.diag(products))
    cosines = np.asarray(products / np.outer(lengths, lengths))
    np.fill_diagonal(cosines, -np.inf)
    return cosines


@pytest.mark.parametrize("chunk", [7, 1024])
@pytest.mark.parametrize("hidden", [9, 60], ids=["few dimensions", "more dimensions than stories"])
def test_neighbours_are_those_with_the_highest_cosines(
    hidden: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    state = judge(made.stories(50, hidden, 3, seed=1, n_scenarios=10))
    places, cosines = neighbours(reading(state).middle, 3)
    expected = np.sort(naive_cosines(state), axis=1)[:, :-4:-1]
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(naive_cosines(state), places.numpy(), 1), expected, atol=1e-6)


def test_nobody_is_its_own_neighbour_and_there_are_no_more_than_others() -> None:
    rows = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    concepts = torch.tensor([0, 0, 1, 1, 2, 2])
    state = judge(Stories(rows=rows, concepts=concepts, scenarios=torch.full((6,), -1), n_concepts=3))
    places, _ = neighbours(reading(state).middle, 9)
    assert [sorted(row) for row in places.tolist()] == [[j for j in range(6) if j != i] for i in range(6)]
