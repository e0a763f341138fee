"""Heads' selectivity from sums equals what the rows say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.statistics.heads import moments, power_sums, selectivity
from engine.results import HeadQuality
from tests import oracle


def measured(
    rows: torch.Tensor, member: torch.Tensor, columns: slice, head_dim: int, origin: torch.Tensor | None = None
) -> list[HeadQuality]:
    """Through sums, about the mean unless an origin is given."""
    origin = rows.double().mean(0) if origin is None else origin
    rows, origin = rows[:, columns], origin[columns]
    concepts = [power_sums(rows[positive], origin) for positive in member.T]
    gathered = moments(concepts, member.sum(0).tolist(), power_sums(rows, origin), len(rows))
    return selectivity(gathered, head_dim)


def assert_like_the_oracle(rows: torch.Tensor, member: torch.Tensor, columns: slice, head_dim: int) -> None:
    values = rows.double().numpy()[:, columns]
    for quality, positive in zip(measured(rows, member, columns, head_dim), member.T.numpy(), strict=True):
        top, share = oracle.heads(values[positive], values[~positive], head_dim)
        assert (quality.n_heads, quality.head_dim) == (values.shape[1] // head_dim, head_dim)
        assert [head for head, _, _ in quality.top_heads] == [head for head, _, _ in top]
        np.testing.assert_allclose(quality.top_heads, top, rtol=1e-7, atol=1e-9)
        assert quality.head_concentration == pytest.approx(share, rel=1e-9)


def made(n_texts: int, width: int, n_concepts: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows, and members such that no concept has none or all; texts may carry several labels or none."""
    g = torch.Generator().manual_seed(seed)
    member = torch.rand(n_texts, n_concepts, generator=g) < 0.4
    member[0], member[1] = True, False
    return torch.randn(n_texts, width, generator=g), member


@given(st.integers(2, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(0, 999))
def test_selectivity_is_the_oracles(n_texts: int, n_heads: int, head_dim: int, n_concepts: int, seed: int) -> None:
    rows, member = made(n_texts, n_heads * head_dim, n_concepts, seed)
    assert_like_the_oracle(rows, member, slice(0, n_heads * head_dim), head_dim)


def test_layers_of_different_heads_lie_side_by_side() -> None:
    rows, member = made(9, 12 + 30, 2)
    assert_like_the_oracle(rows, member, slice(0, 12), 4)
    assert_like_the_oracle(rows, member, slice(12, 42), 5)


def test_top_ten_of_many_heads_and_their_share() -> None:
    rows, member = made(30, 64 * 2, 3)
    for quality in measured(rows, member, slice(0, 128), 2):
        assert quality.n_heads == 64
        assert len(quality.top_heads) == 10
        assert 10 / 64 < quality.head_concentration < 1
    assert_like_the_oracle(rows, member, slice(0, 128), 2)


def test_no_result_depends_on_the_origin() -> None:
    rows, member = made(20, 12, 2)
    for origin in (torch.zeros(12).double(), rows[3].double(), torch.full((12,), 3.0).double()):
        for one, other in zip(
            measured(rows, member, slice(0, 12), 3, origin), measured(rows, member, slice(0, 12), 3), strict=True
        ):
            np.testing.assert_allclose(one.top_heads, other.top_heads, rtol=1e-9)


def test_large_common_offset_drowns_nothing() -> None:
    rows, member = made(5000, 4, 2)
    rows += torch.tensor([1e6, -1e6, 0.0, 1e5])
    assert_like_the_oracle(rows, member, slice(0, 4), 1)


def test_single_negative_has_no_spread() -> None:
    rows = torch.tensor([[1000.1, 3.0], [2000.7, 5.0], [-500.3, 9.0]])
    member = torch.tensor([[True], [True], [False]])
    (quality,) = measured(rows, member, slice(0, 2), 2)
    (head, norm, selective) = quality.top_heads[0]
    assert head == 0
    assert selective == pytest.approx(norm / 1e-6)
    assert_like_the_oracle(rows, member, slice(0, 2), 2)


def test_equal_heads_rank_by_index() -> None:
    rows, member = made(8, 2, 1)
    (quality,) = measured(rows.repeat(1, 100), member, slice(0, 200), 2)
    assert [head for head, _, _ in quality.top_heads] == list(range(10))
    assert quality.head_concentration == pytest.approx(10 / 100)


def test_silent_heads_have_no_share() -> None:
    _, member = made(6, 4, 1)
    (quality,) = measured(torch.zeros(6, 4), member, slice(0, 4), 2)
    assert quality.top_heads == [(0, 0.0, 0.0), (1, 0.0, 0.0)]
    assert quality.head_concentration == 0.0
