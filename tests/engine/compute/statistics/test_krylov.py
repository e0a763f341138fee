"""Block Lanczos: the space that it builds, and when it has what is wanted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.compute.statistics import krylov, subspace
from tests import oracle_subspace as oracle
from tests.engine.compute.statistics.spaces import symmetric, unit


@pytest.mark.parametrize("hidden", [640, 768])
def test_the_basis_stays_orthonormal_and_its_ritz_pairs_true(hidden: int) -> None:
    matrix = symmetric(np.linspace(-0.5, 0.7, hidden).tolist())
    starts = torch.randn(2, hidden, generator=torch.Generator().manual_seed(1))
    ritz = krylov.block_lanczos(lambda v: v @ matrix.float(), starts, krylov.Wanted(20, 1e-4, zeros=False))
    assert ritz.converged.all()
    assert ritz.basis.shape[1] < hidden
    gram = ritz.basis.double() @ ritz.basis.double().mT
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(gram.shape[1]), gram.shape), atol=2e-6)
    np.testing.assert_allclose(unit(ritz.basis[:, 0]), unit(starts), atol=1e-6)
    vectors = ritz.weights[:, :20] @ ritz.basis.double()
    np.testing.assert_allclose(vectors @ matrix, ritz.values[:, :20, None] * vectors, atol=1e-4)


def test_a_space_that_closes_goes_on_elsewhere() -> None:
    matrix = symmetric([0.9, 0.8, 0.7, 0.6, 0.5] * 3 + np.linspace(-0.5, 0.4, 225).tolist())
    start = torch.linalg.eigh(matrix)[1][:, -1:].T  # an eigenvector: its own Krylov space has one dimension
    ritz = krylov.block_lanczos(lambda v: v @ matrix.float(), start, krylov.Wanted(15, 1e-4, zeros=False))
    np.testing.assert_allclose(ritz.values[0, :15], np.repeat([0.9, 0.8, 0.7, 0.6, 0.5], 3), atol=1e-6)


def test_a_space_filled_up_with_noise_stays_orthonormal() -> None:
    matrix = symmetric([0.9, 0.6] + [0.0] * 94)
    ritz = krylov.block_lanczos(lambda v: v @ matrix.float(), torch.ones(1, 96), krylov.Wanted(20, 1e-4, zeros=False))
    exact = ritz.basis[0].double()
    np.testing.assert_allclose(exact @ exact.T, np.eye(len(exact)), atol=1e-6)


def test_an_eigenvalue_found_as_often_as_it_could_be_is_not_taken_for_all_of_it() -> None:
    matrix = symmetric([0.9] * 10 + np.linspace(-0.5, 0.4, 290).tolist())
    starts = torch.ones(1, 300)
    ritz = krylov.block_lanczos(lambda v: v @ matrix.float(), starts, krylov.Wanted(20, 1e-4, zeros=False))
    assert not ritz.converged


def test_zeros_known_to_be_there_are_not_counted() -> None:
    matrix = symmetric([0.5, 0.3] + [0.0] * 200 + np.linspace(-0.5, -0.1, 98).tolist())
    wanted = krylov.Wanted(20, 1e-6, zeros=True)
    ritz = krylov.block_lanczos(lambda v: v @ matrix.float(), torch.ones(1, 300), wanted)
    assert ritz.converged
    np.testing.assert_allclose(ritz.values[0, :20].clamp_min(0), [0.5, 0.3] + [0] * 18, atol=1e-6)


def test_negative_eigenvalues_have_no_part_in_top_k() -> None:
    matrix = symmetric([0.4, 0.2, *np.linspace(-0.9, -0.1, 298).tolist()])
    start = torch.randn(1, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = oracle.top_k(matrix.numpy(), start[0].numpy(), 2)
    method = subspace._TopEigenvectors(5)
    np.testing.assert_allclose(method.exact(matrix, start[0])[0], expected, atol=1e-9)
    ritz = krylov.block_lanczos(lambda v: v @ matrix.float(), start, krylov.Wanted(20, 1e-6, zeros=False))
    sketch = method.sketched(ritz, ritz.values[:, :20], start.norm(dim=1))
    np.testing.assert_allclose(sketch[0], expected, atol=1e-5)
