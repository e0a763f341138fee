"""Two concepts filed as one are found, with who is in which; one concept is not split; few stories are not judged."""

import itertools
import math

import numpy as np
import pytest
import torch

from engine.compute.statistics.evidence.judging import judge
from engine.compute.statistics.evidence.stories import Stories
from engine.compute.statistics.evidence.two_groups import (
    Projections,
    TwoGroups,
    best_split,
    chance_of_split,
    concept_projections,
    student_t_above,
    two_groups,
)


def corpus(n: int, n_concepts: int, *, merged: bool, seed: int = 0) -> Stories:
    """`n` stories a concept; if `merged`, the second half of those filed as concept 0 are of one more concept."""
    g = torch.Generator().manual_seed(seed)
    filed = torch.arange(n_concepts).repeat_interleave(n)
    true = filed.clone()
    if merged:
        true[n // 2 : n] = n_concepts
    means = 1.2 * torch.randn(1, n_concepts + 1, 40, generator=g)
    rows = means[:, true] + torch.randn(1, len(true), 40, generator=g)
    return Stories(rows=rows, concepts=filed, scenarios=torch.full_like(filed, -1), n_concepts=n_concepts)


def asked(stories: Stories) -> TwoGroups | None:
    """Whether concept 0 is two."""
    reading = judge(stories).reading
    assert reading is not None
    return two_groups(reading.middle, concept_projections(reading.middle), 0)


def test_two_concepts_filed_as_one_are_found_with_who_is_in_which() -> None:
    groups = asked(corpus(20, 15, merged=True))
    assert groups is not None
    assert groups.is_sure
    assert groups.stories.tolist() == list(range(20))
    halves = groups.smaller[:10].double().mean(), groups.smaller[10:].double().mean()
    assert abs(float(halves[0] - halves[1])) > 0.8


def test_one_concept_is_seldom_called_two() -> None:
    p_values = []
    for seed in range(12):
        groups = asked(corpus(12, 13, merged=False, seed=seed))
        assert groups is not None
        p_values.append(groups.p_value)
    assert sum(p <= 0.05 for p in p_values) <= 2
    assert 0.2 < float(np.mean(p_values)) < 0.8


@pytest.mark.parametrize("n", [10, 20, 50])
def test_p_values_of_concepts_that_are_one_are_as_small_as_often_as_they_say(n: int) -> None:
    n_corpora, n_concepts = 150, 20
    g = torch.Generator().manual_seed(n)
    clouds = torch.randn(n_corpora, n_concepts, n, 12, generator=g, dtype=torch.float64)
    p_values = []
    for concepts in clouds:
        splits = Projections(list(concepts)).splits(range(n_concepts), n)
        p_values.append([chance_of_split(splits.roll(-c)) for c in range(n_concepts)])
    smallest = np.min(p_values, axis=1)
    assert 0.04 <= (smallest <= 0.1 / n_concepts).mean() <= 0.12
    assert (np.array(p_values) <= 0.01).mean() <= 0.012
    assert 0.03 <= (np.array(p_values) <= 0.05).mean() <= 0.06


@pytest.mark.parametrize(("n", "n_concepts"), [(9, 15), (12, 11)])
def test_few_stories_or_few_concepts_cannot_tell(n: int, n_concepts: int) -> None:
    assert asked(corpus(n, n_concepts, merged=True)) is None


def with_fewer(stories: Stories, of: torch.Tensor) -> Stories:
    """Every other story of some concepts taken away."""
    kept = ~torch.isin(stories.concepts, of) | (torch.arange(len(stories)) % 2 == 0)
    return Stories(
        rows=stories.rows[:, kept],
        concepts=stories.concepts[kept],
        scenarios=stories.scenarios[kept],
        n_concepts=stories.n_concepts,
    )


def test_concepts_of_too_few_stories_make_no_null() -> None:
    assert asked(with_fewer(corpus(12, 13, merged=False), torch.arange(11, 13))) is None


def test_a_concept_larger_than_all_others_is_cut_to_their_size_and_split_whole() -> None:
    groups = asked(with_fewer(corpus(40, 15, merged=True), torch.arange(1, 15)))
    assert groups is not None
    assert groups.is_sure
    assert len(groups.smaller) == 40
    halves = groups.smaller[:20].double().mean(), groups.smaller[20:].double().mean()
    assert abs(float(halves[0] - halves[1])) > 0.8


def test_projection_is_that_of_stories_whitened_by_the_other_concepts_alone() -> None:
    reading = judge(corpus(12, 5, merged=False)).reading
    assert reading is not None
    made = reading.middle.discriminant
    metric = made.at(1.0)
    projected = concept_projections(reading.middle).rows[2]
    others = made.residuals[made.concepts != 2]
    inverse = torch.linalg.inv(others.T @ others + metric.ridge * torch.eye(others.shape[1], dtype=others.dtype))
    means = made.means[[0, 1, 3, 4]]
    means = means - means.mean(0)
    values, vectors = torch.linalg.eigh(means @ inverse @ means.T)
    values, vectors = values.flip(0), vectors.flip(1)
    q = int((values.cumsum(0) / values.sum() < 0.9).sum()) + 1
    own = (made.concepts == 2).nonzero()[:, 0]
    rows = made.residuals[own] / made.weights[own].sqrt()[:, None] + made.means[2]
    expected = rows @ inverse @ means.T @ vectors[:, :q] / values[:q].sqrt()
    torch.testing.assert_close(projected @ projected.T, expected @ expected.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_split_is_the_best_of_all(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    points = torch.randn(3, 9, 2, generator=g, dtype=torch.float64)
    points[0, :4] += 3
    shares, sides = best_split(points)
    for share, side, rows in zip(shares.tolist(), sides, points.numpy(), strict=True):
        total = ((rows - rows.mean(0)) ** 2).sum()
        all_splits = [np.array(bits) for bits in itertools.product([False, True], repeat=9) if 0 < sum(bits) < 9]
        within = [sum(((rows[m] - rows[m].mean(0)) ** 2).sum() for m in (bits, ~bits)) for bits in all_splits]
        assert share <= 1 - min(within) / total + 1e-9
        assert share >= 0.9 * (1 - min(within) / total)
        mine = side.numpy()
        assert share == pytest.approx(1 - sum(((rows[m] - rows[m].mean(0)) ** 2).sum() for m in (mine, ~mine)) / total)


def test_a_split_of_copies_takes_nothing() -> None:
    shares, _ = best_split(torch.ones(1, 6, 2, dtype=torch.float64))
    assert shares.tolist() == [0]


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 11, 18])
@pytest.mark.parametrize("t", [-1.3, 0.0, 0.7, 2.6, 5.0])
def test_student_t_is_the_integral_of_its_density(t: float, degrees: int) -> None:
    scale = math.gamma((degrees + 1) / 2) / math.gamma(degrees / 2) / math.sqrt(degrees * math.pi)
    x = np.linspace(0, abs(t), 20_001)
    inside = np.trapezoid(scale * (1 + x**2 / degrees) ** (-(degrees + 1) / 2), x)
    assert student_t_above(t, degrees) == pytest.approx(0.5 - math.copysign(inside, t), abs=1e-8)
