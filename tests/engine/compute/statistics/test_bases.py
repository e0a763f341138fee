"""The subspace that a text's tokens span, and sums of projectors on such."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.compute.statistics import subspace
from engine.compute.statistics.subspace import Projectors, basis
from tests import oracle_subspace as oracle
from tests.engine.compute.statistics.spaces import CPU, projector, tokens

# Bases


@given(st.integers(1, 12), st.integers(1, 10), st.none() | st.integers(1, 12), st.integers(0, 1000))
def test_basis_spans_what_the_oracle_says(count: int, hidden: int, k: int | None, seed: int) -> None:
    x = tokens(count, hidden, seed)
    rank = min(count - 1, hidden, count if k is None else k)
    rows = basis(x, k)
    if rank == hidden:
        assert rows is None
        return
    assert rows is not None
    assert rows.shape == (hidden, rank)
    np.testing.assert_allclose(projector(rows), oracle.projector(x.numpy(), k), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_basis_takes_tokens_of_any_dtype(dtype: torch.dtype) -> None:
    x = tokens(9, 40, 0).to(dtype)
    np.testing.assert_allclose(projector(basis(x, None)), oracle.projector(x.double().numpy()), atol=1e-6)


@pytest.mark.parametrize(("k", "rank"), [(1, 1), (5, 5), (8, 8), (9, 8), (300, 8), (None, 8)])
def test_k_keeps_the_top_singular_vectors_up_to_the_rank(k: int | None, rank: int) -> None:
    x = tokens(9, 40, 1)
    projection = projector(basis(x, k))
    assert round(projection.trace()) == rank
    np.testing.assert_allclose(projection, oracle.projector(x.numpy(), k), atol=1e-6)


def test_one_token_and_copies_of_one_span_nothing() -> None:
    x = tokens(1, 12, 0)
    for rows in (basis(x, None), basis(x.expand(5, -1), None), basis(x.expand(5, -1), 2)):
        assert rows is not None
        assert rows.shape == (12, 0)


@pytest.mark.parametrize("k", [None, 3, 20])
def test_a_token_that_comes_again_adds_nothing(k: int | None) -> None:
    x = tokens(8, 30, 2)
    twice = torch.cat([x, x[2:5]])
    projection = projector(basis(twice, k))
    assert round(projection.trace()) == min(7, k or 7)
    np.testing.assert_allclose(projection, oracle.projector(twice.numpy(), k), atol=1e-6)


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("place", [0, 7])
@pytest.mark.parametrize("times", [1000, 1e9])
def test_a_sink_token_hides_others_only_where_they_are_its_rounding(k: int | None, place: int, times: float) -> None:
    x = tokens(20, 64, 3)
    x[place] *= times
    np.testing.assert_allclose(projector(basis(x, k)), oracle.projector(x.numpy(), k), atol=1e-6)


def test_a_sink_token_needs_no_svd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subspace, "_by_gram", None)
    monkeypatch.setattr(subspace, "_by_svd", None)
    x = tokens(100, 256, 3)
    x[0] *= 1000
    assert round(projector(basis(x, None)).trace()) == 99


@pytest.mark.parametrize("k", [None, 10])
@pytest.mark.parametrize(("share", "rank"), [(1e-5, 11), (1e-8, 6)])
def test_hardly_independent_tokens_are_judged_by_singular_values(k: int | None, share: float, rank: int) -> None:
    x = tokens(7, 40, 4).double()
    near = x[:5] + share * tokens(5, 40, 5).double()
    together = torch.cat([x, near])
    projection = projector(basis(together, k))
    assert round(projection.trace()) == min(rank, k or rank)
    np.testing.assert_allclose(projection, oracle.projector(together.numpy(), k), atol=1e-4)


def test_more_tokens_than_dimensions_span_everything_unless_they_do_not() -> None:
    x = tokens(20, 8, 6)
    assert basis(x, None) is None
    assert basis(x, 8) is None
    np.testing.assert_allclose(projector(basis(x, 7)), oracle.projector(x.numpy(), 7), atol=1e-6)
    flat = torch.cat([x[:, :5], torch.ones(20, 3)], 1)
    np.testing.assert_allclose(projector(basis(flat, None)), np.diag([1.0] * 5 + [0.0] * 3), atol=1e-6)


# Sums of projectors


def orthonormal(hidden: int, rank: int, seed: int) -> Tensor:
    axes: Tensor = torch.linalg.qr(torch.randn(hidden, rank, generator=torch.Generator().manual_seed(seed)))[0]
    return axes


@pytest.mark.parametrize("ranks", [[], [3], [3, 0, 5], [9, 2], [9, 9, 4]])
def test_projectors_add_up_in_either_form(ranks: list[int]) -> None:
    hidden = 24
    bases = [orthonormal(hidden, rank, seed) for seed, rank in enumerate(ranks)]
    expected = sum((v.double() @ v.double().T for v in bases), torch.zeros(hidden, hidden, dtype=torch.float64))
    v = torch.randn(hidden, 3)
    one_by_one = Projectors.of([], hidden, CPU)
    for rows in bases:
        one_by_one = one_by_one.plus(rows)
    for summed in (Projectors.of(bases, hidden, CPU), one_by_one):
        torch.testing.assert_close(summed.dense().double(), expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(summed.times(v).double(), expected @ v.double(), atol=1e-5, rtol=0)
        assert summed.factor.shape[1] == (sum(ranks) if 2 * sum(ranks) < hidden else hidden)
