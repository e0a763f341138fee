"""Concepts that are too alike: what each text pulls, and what a redundant concept has of its own."""

import numpy as np
import pytest
import torch

from engine.compute.statistics.evidence.judging import judge
from engine.compute.statistics.evidence.pairs import Pooled, own_part
from engine.compute.statistics.evidence.readouts import left_out
from engine.compute.statistics.evidence.stories import Stories
from tests.engine.compute.statistics.evidence import made, oracle


def pulls(rows: torch.Tensor, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Of all texts, on the first concept and the second."""
    return Pooled(rows, torch.stack([first, second], 1)).pulls(0, 1, torch.arange(len(rows)))


def cosine_without(rows: np.ndarray, first: np.ndarray, second: np.ndarray, gone: int | None) -> float:
    kept = np.arange(len(rows)) != gone
    a, b = (
        rows[kept & member].mean(0) - rows[kept & ~member].mean(0) for member in (first, second)
    )  # fmt: skip
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("seed", range(3))
def test_a_texts_pull_is_the_cosine_less_that_of_directions_made_without_it(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    rows = 20 + torch.randn(15, 6, generator=g)
    first, second = torch.arange(15) < 5, (torch.arange(15) >= 4) & (torch.arange(15) < 8)  # one text is both
    expected = [
        cosine_without(rows.double().numpy(), first.numpy(), second.numpy(), None)
        - cosine_without(rows.double().numpy(), first.numpy(), second.numpy(), i)
        for i in range(15)
    ]
    np.testing.assert_allclose(pulls(rows, first, second), expected, atol=1e-9)


def test_the_only_text_of_a_concept_has_no_pull_to_tell_of() -> None:
    rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    pull = pulls(rows, torch.arange(6) < 1, torch.arange(6) >= 3)
    assert pull.isnan().tolist() == [True, False, False, False, False, False]


def test_stories_that_tell_of_both_pull_two_concepts_together() -> None:
    g = torch.Generator().manual_seed(1)
    concepts = torch.arange(4).repeat_interleave(10)
    means = 2 * torch.randn(4, 20, generator=g)
    rows = means[concepts] + torch.randn(40, 20, generator=g)
    rows[3] = means[0] + 3 * means[1] + torch.randn(20, generator=g)
    pull = pulls(rows, concepts == 0, concepts == 1)
    assert int(pull.argmax()) == 3


@pytest.mark.parametrize("n_scenarios", [0, 10])
def test_own_part_is_that_of_means_and_metrics_made_without_the_scenario(n_scenarios: int) -> None:
    state = judge(made.stories(n=60, hidden=9, n_concepts=5, seed=3, n_scenarios=n_scenarios, layers=1))
    of_all = left_out(state)
    assert of_all is not None
    own = own_part(of_all, 2, [0, 4])
    assert state.reading is not None
    corpus, weights = made.corpus(state.stories), state.reading.tuning.weights.numpy()
    rest = oracle.less_scenarios(corpus, corpus.rows[0])
    metric = oracle.Metric.of(corpus, rest, weights, 1.0)
    for group, model, inverse in oracle.models_without(corpus, metric.x, weights, metric.ridge):
        others = model.means[[0, 4]]
        left = model.means[2] - others.T @ np.linalg.solve(
            others @ inverse @ others.T, others @ inverse @ model.means[2]
        )
        expected = metric.x[group] @ inverse @ left / (left @ inverse @ left)
        np.testing.assert_allclose(own.carried[torch.tensor(group)], expected, rtol=1e-5, atol=1e-7)
    assert 0 < own.share < 1
    assert own.auroc is not None


def test_a_concept_that_only_mixes_two_others_has_nothing_of_its_own() -> None:
    g = torch.Generator().manual_seed(4)
    concepts = torch.arange(5).repeat_interleave(30)
    means = torch.randn(1, 5, 25, generator=g)
    mixed = means.clone()
    mixed[:, 0] = (means[:, 1] + means[:, 2]) / 2
    noise = torch.randn(1, 150, 25, generator=g)
    shares = []
    for of in (mixed, means):
        stories = Stories(
            rows=of[:, concepts] + noise, concepts=concepts, scenarios=torch.full_like(concepts, -1), n_concepts=5
        )
        of_all = left_out(judge(stories))
        assert of_all is not None
        own = own_part(of_all, 0, [1, 2])
        assert own.auroc is not None
        shares.append((own.share, own.auroc.value))
    assert shares[0][0] < shares[1][0] / 2
    assert shares[0][1] < 0.75 < 0.9 < shares[1][1]
