"""Nulls are the distribution over all ways to deal out the labels."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.statistics import nulls as module
from engine.compute.statistics.directions import normalise
from engine.compute.statistics.nulls import nulls, r_squared
from engine.compute.statistics.quality import linear_combinations
from engine.results import ConceptNulls, Null
from tests import oracle


def grouped(sizes: list[int], unlabelled: int = 0) -> torch.Tensor:
    """Members `[M, C]` of concepts of these sizes, one label per text, and texts without any."""
    owners = [c for c, size in enumerate(sizes) for _ in range(size)]
    member = torch.zeros(len(owners) + unlabelled, len(sizes), dtype=torch.bool)
    member[range(len(owners)), owners] = True
    return member


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def numbers(null: Null | None) -> list[float]:
    assert null is not None
    return [null.low, null.mean, null.high]


def all_numbers(of_concepts: list[ConceptNulls]) -> list[float]:
    return [
        value for concept in of_concepts for null in (concept.r_squared, concept.first_pc) for value in numbers(null)
    ]


def distribution(values: np.ndarray) -> list[float]:
    return [np.quantile(values, 0.05), values.mean(), np.quantile(values, 0.95)]


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 99))
def test_r_squared_from_gram_matrices_is_that_of_the_regression(count: int, hidden: int, seed: int) -> None:
    directions = normalise(noise(2, count, hidden, seed=seed).double())
    by_gram = r_squared(directions @ directions.mT)
    names = [str(c) for c in range(count)]
    for values, vectors in zip(by_gram, directions, strict=True):
        assert values.tolist() == pytest.approx([one.r_squared for one in linear_combinations(vectors, names)])
        assert values.tolist() == pytest.approx([oracle.ridge(vectors.numpy(), c)[0] for c in range(count)])


def assert_distributed(null: Null | None, values: np.ndarray) -> None:
    """Whether a null is that of these values, which may be so few that its quantiles stand at a jump."""
    assert null is not None
    assert null.mean == pytest.approx(values.mean(), abs=0.01)
    assert np.quantile(values, 0.03) - 1e-5 <= null.low <= np.quantile(values, 0.07) + 1e-5
    assert np.quantile(values, 0.93) - 1e-5 <= null.high <= np.quantile(values, 0.97) + 1e-5


MEMBERS = {
    "equal": grouped([2, 2, 2]),
    "unequal": grouped([1, 1, 1, 1, 2]),
    "unequal, baselines": grouped([3, 2], unlabelled=1),
    "one text under both": torch.tensor([[1, 1], [1, 0], [1, 0], [0, 1], [0, 1], [0, 0]]).bool(),
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_nulls_are_those_of_all_permutations(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHUFFLES", 4000)
    rows, member = noise(6, 8) * torch.tensor([3.0, 1, 1, 1, 1, 1, 1, 1]) + 10, MEMBERS[kind]
    every = [oracle.relabelled(rows.double().numpy(), member.numpy(), p) for p in itertools.permutations(range(6))]
    r_squares, ratios = np.array(every).transpose(1, 2, 0)  # (C, permutations)
    counts = member.sum(0)
    for c, null in enumerate(nulls(rows, member)):
        peers = (counts == counts[c]).numpy()
        assert_distributed(null.r_squared, r_squares[peers].ravel())
        assert_distributed(null.first_pc, ratios[c])


def first_pc(rows: torch.Tensor, count: int) -> Null:
    """The null of one concept of `count` texts."""
    return nulls(rows, grouped([count], unlabelled=len(rows) - count))[0].first_pc


def drawn_first_pc(rows: torch.Tensor, count: int) -> list[float]:
    """The same from the oracle and other shuffles."""
    values, pick = rows.double().numpy(), np.random.default_rng(0)
    return distribution(
        np.array([oracle.variance_ratios(values[pick.permutation(len(rows))[:count]])[0] for _ in range(600)])
    )


@pytest.mark.parametrize("count", [5, 16, 24, 48, 100, 128])
def test_first_pc_null_of_any_size(count: int) -> None:
    rows = noise(400, 24) * torch.arange(1, 25) ** -0.5
    assert numbers(first_pc(rows, count)) == pytest.approx(drawn_first_pc(rows, count), rel=0.06)


@pytest.mark.parametrize("count", [150, 250])
def test_first_pc_null_of_large_groups_is_as_wide_as_at_the_largest_size_drawn(count: int) -> None:
    rows = noise(400, 24) * torch.arange(1, 25) ** -0.5
    null, largest = first_pc(rows, count), first_pc(rows, 128)
    assert null.mean == pytest.approx(drawn_first_pc(rows, count)[1], rel=0.02)
    assert null.mean < largest.mean
    assert (null.mean - null.low, null.high - null.mean) == pytest.approx(
        (largest.mean - largest.low, largest.high - largest.mean)
    )


def test_balanced_orthogonal_concepts_look_redundant_and_so_do_shuffled_ones() -> None:
    member = grouped([5] * 20)
    rows = 4 * member.float() @ torch.eye(20, 512) + 0.02 * noise(100, 512)
    sums = (rows - rows.mean(0)).T @ member.float()
    combinations = linear_combinations(normalise(sums.T.double()), [str(c) for c in range(20)])
    null = nulls(rows, member)[0].r_squared
    assert null is not None
    assert [one.r_squared for one in combinations] == pytest.approx([0.975] * 20, abs=0.002)
    assert null.high > 0.9
    assert null.low > 0.9


def test_concept_made_of_others_is_beyond_its_null() -> None:
    member = grouped([8] * 4, unlabelled=100)
    kinds = torch.eye(4, 64)
    kinds[3] = kinds[:3].sum(0)
    rows = noise(132, 64)
    rows[:32] += 15 * member[:32].float() @ kinds
    sums = member.T.double() @ (rows - rows.mean(0)).double()
    real = linear_combinations(normalise(sums), list("abcd"))
    null = nulls(rows, member)[3].r_squared
    assert null is not None
    assert real[3].r_squared > 0.8
    assert null.high < 0.6


def test_coherent_stories_are_beyond_their_null() -> None:
    rows = noise(60, 64)
    rows[:6] += 15 * noise(6, 1, seed=1) * torch.eye(64)[0]
    null = nulls(rows, grouped([6], unlabelled=54))[0].first_pc
    assert oracle.variance_ratios(rows[:6].double().numpy())[0] > null.high


def test_only_concept_is_explained_by_nothing() -> None:
    (null,) = nulls(noise(9, 5), grouped([4], unlabelled=5))
    assert numbers(null.r_squared) == pytest.approx([0, 0, 0], abs=1e-6)


def test_one_or_two_stories_have_one_component() -> None:
    for null in nulls(noise(9, 5), grouped([1, 2, 1], unlabelled=5)):
        assert numbers(null.first_pc) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4])
def test_texts_that_all_coincide_have_one_component(value: float) -> None:
    for null in nulls(torch.full((7, 3), value), grouped([3, 3], unlabelled=1)):
        assert numbers(null.first_pc) == [1, 1, 1]
        assert numbers(null.r_squared) == pytest.approx([1, 1, 1])


def test_groups_of_copies_have_one_component() -> None:
    rows = torch.cat([noise(1, 37).repeat(199, 1), noise(1, 37, seed=1)])
    for count in (3, 7, 100):
        null = nulls(rows, grouped([count], unlabelled=200 - count))[0].first_pc
        assert numbers(null) == pytest.approx([1, 1, 1])


def test_smallest_corpus() -> None:
    (null,) = nulls(torch.tensor([[1.0], [2.0]]), grouped([1], unlabelled=1))
    assert np.isfinite(all_numbers([null])).all()


def test_nulls_are_the_same_every_time_and_in_any_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, member = noise(40, 6), grouped([5, 9, 20])
    once = nulls(rows, member)
    assert nulls(rows, member) == once
    monkeypatch.setattr(module, "BATCH", 1)
    assert all_numbers(nulls(rows, member)) == pytest.approx(all_numbers(once), abs=1e-5)


def test_large_common_offset_does_not_matter() -> None:
    rows, member = (4 * noise(41, 6)).round(), grouped([5, 9, 20], unlabelled=7)
    shifted = nulls(rows + 2.0**23, member)  # whole numbers are exact there, but their mean is not
    assert all_numbers(shifted) == pytest.approx(all_numbers(nulls(rows, member)), abs=1e-4)
