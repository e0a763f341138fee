"""Whitened directions are those of the textbook's formula, on whichever side they are solved."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.statistics.whitening import whitened
from tests import oracle


def made(sizes: list[int], hidden: int, seed: int = 0) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Activations about a common offset, of very different spread by dimension, and differences."""
    g = torch.Generator().manual_seed(seed)
    spread = 4.0 ** torch.randn(hidden, generator=g)
    rows = [5 + spread * torch.randn(n, hidden, generator=g) for n in sizes]
    return rows, torch.randn(len(sizes), hidden, generator=g, dtype=torch.float64)


def expected(rows: list[torch.Tensor], differences: torch.Tensor, shrinkage: float) -> np.ndarray:
    groups = [group.double().numpy() for group in rows]
    directions = [oracle.whitened(groups, d, shrinkage) for d in differences.numpy()]
    return np.array([oracle.unit(d / np.abs(d).max()) for d in directions])  # their length may be next to nothing


def units(vectors: torch.Tensor) -> np.ndarray:
    return np.array([oracle.unit(vector) for vector in vectors.numpy()])


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4).filter(lambda sizes: max(sizes) > 1),
    st.integers(1, 24),
    st.floats(0.01, 100),
    st.integers(0, 999),
)
def test_directions_are_the_oracles(sizes: list[int], hidden: int, shrinkage: float, seed: int) -> None:
    rows, differences = made(sizes, hidden, seed)
    directions = units(whitened(rows, differences, shrinkage))
    np.testing.assert_allclose(directions, expected(rows, differences, shrinkage), atol=1e-8)


@pytest.mark.parametrize("sizes", [[4, 3], [4, 4], [5, 4]])
def test_both_sides_of_the_square_agree_with_the_oracle(sizes: list[int]) -> None:
    rows, differences = made(sizes, 8)
    np.testing.assert_allclose(
        units(whitened(rows, differences, 1.0)), expected(rows, differences, 1.0), atol=1e-10
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [[3, 2], [12, 9]])
@pytest.mark.parametrize("scale", [1e-15, 1e15])
def test_scale_of_the_activations_does_not_matter(sizes: list[int], scale: float) -> None:
    rows, differences = made(sizes, 8)
    scaled = [(group.double() * scale).float() for group in rows]
    np.testing.assert_allclose(
        whitened(scaled, differences, 1.0), whitened(rows, differences, 1.0), rtol=1e-4, atol=1e-6
    )  # fmt: skip


@pytest.mark.parametrize("sizes", [[3, 2], [12, 9]])
def test_result_is_in_units_of_the_difference_and_is_it_under_much_shrinkage(sizes: list[int]) -> None:
    rows, differences = made(sizes, 8)
    np.testing.assert_allclose(whitened(rows, differences, 1e9), differences, rtol=1e-6, atol=1e-7)
    groups = [group.double().numpy() for group in rows]
    variance = sum(((group - group.mean(0)) ** 2).sum() for group in groups) / (sum(sizes) - 2)
    solved = np.array([oracle.whitened(groups, d, 0.5) for d in differences.numpy()])
    np.testing.assert_allclose(whitened(rows, differences, 0.5), 0.5 * variance / 8 * solved, atol=1e-10)


@pytest.mark.parametrize("hidden", [3, 30])
def test_differences_stay_where_stories_do_not_differ(hidden: int) -> None:
    rows, differences = made([1, 1, 1], hidden)
    assert torch.equal(whitened(rows, differences, 1.0), differences)
    copies = [group.repeat(49, 1) for group in rows]
    assert torch.equal(whitened(copies, differences, 1.0), differences)


def test_a_way_in_which_all_stories_vary_is_played_down() -> None:
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 30, 50, generator=g) * torch.tensor([30.0] + [1.0] * 49)
    means = torch.zeros(2, 50)
    means[0, 1] = 4.0
    rows = list(noise + means[:, None])
    pooled = (rows[0].mean(0) - rows[1].mean(0)).double()[None]
    truth = means[0].double().numpy()
    assert oracle.cosine(pooled[0].numpy(), truth) < 0.7
    assert oracle.cosine(whitened(rows, pooled, 1.0)[0].numpy(), truth) > 0.9
