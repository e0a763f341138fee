"""The largest eigenvalues of many symmetric matrices at once, from products with vectors alone: block Lanczos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.eigen import eigh

WIDTH = 8
"""Vectors in a block, which one pass over a matrix serves. A multiple eigenvalue is found at most so many times.

Eight take fewer passes than four, and more vectors in the end: a third less time at width 5120, where passes take it.
"""
FIRST_BLOCKS = 24
"""Blocks in each basis when it is first tested whether they suffice.

On a spectrum within [-1, 1], `lambda_1 + 0.25 - M` has a condition of at most 9: a space of 24 blocks holds its inverse
on the start vector to `2 * 2**-24`. So a direction needs no test of its own; the eigenvalues converge later.
"""
LOOK_GROWTH = 4 / 3
MAX_VECTORS = 960
"""Vectors in a basis at which it is given up: three texts of 500 tokens in 5120 dimensions need nearly as many."""
BREAKDOWN = 1e-6
"""The length below which the new part of a vector is fp32 rounding."""
CROWDED = 1e-6
"""Eigenvalues this close are taken for one multiple eigenvalue."""
ZERO = 1e-4
"""A value that cannot be negative is zero if it is this near to zero."""


@dataclass(frozen=True)
class Ritz:
    """C matrices, each projected onto a basis. Products are fp32, the small projected problems fp64."""

    basis: Tensor
    """`[C, m, H]` fp32: orthonormal rows, the first along the start vector (noise where that was zero)."""
    values: Tensor
    """`[C, m]` fp64, on the CPU, descending."""
    weights: Tensor
    """`[C, m, m]` fp64, on the CPU: row j holds the coordinates of the j-th Ritz vector in the basis."""
    converged: Tensor
    """`[C]` bool, on the CPU: the wanted values are the largest eigenvalues, each as often as its multiplicity."""

    def combine(self, factors: Tensor) -> Tensor:
        """`sum_j factors_j u_j` over the first j Ritz vectors: `[C, j]` to `[C, H]`, fp64."""
        coordinates = factors[:, None] @ self.weights[:, : factors.shape[1]]  # (C, 1, m)
        return (coordinates.to(self.basis) @ self.basis)[:, 0].double()


@dataclass(frozen=True)
class Wanted:
    """When a basis suffices."""

    count: int
    """How many of the largest eigenvalues."""
    tolerance: float
    """For the norm of `M u - theta u`. The error of theta is about its square over the distance to unwanted values."""
    zeros: bool
    """Whether zero is an eigenvalue at least `count` times: once it is found, no value below is waited for."""

    def met(self, values: Tensor, residuals: Tensor) -> Tensor:
        """Whether each basis suffices, `[C]`, from Ritz values and residuals `[C, count]`.

        A basis does not while a value comes as often in it as a block has vectors: its multiplicity may be larger.
        """
        converged = residuals < self.tolerance
        stride = WIDTH - 1
        crowded = values[:, :-stride] - values[:, stride:] < CROWDED
        if self.zeros:
            has_zero = ((values.abs() < ZERO) & (residuals < ZERO)).any(1, keepdim=True)
            converged |= (values < ZERO) & has_zero
            crowded &= values[:, :-stride] > ZERO
        return converged.all(1) & ~crowded.any(1)


def block_lanczos(apply: Callable[[Tensor], Tensor], starts: Tensor, wanted: Wanted) -> Ritz:
    """Grow each basis by its matrix times the last block, until all bases suffice or are as large as allowed.

    Every block is orthogonalised against the two before it, then against all. Where it adds nothing new (the start
    vector is zero, or the space is invariant), noise of a fixed seed takes its place.

    Args:
        apply: `v M_c` for `v` `[C, b, H]` fp32; each `M_c` symmetric, its spectrum within [-1, 1].
        starts: `[C, H]`, the first vector of each basis.
        wanted: when a basis suffices, the same for every matrix.
    """
    count, hidden = starts.shape
    # noise would add only rounding to a nearly complete space
    max_vectors = min(MAX_VECTORS, 3 * hidden // 4) // WIDTH * WIDTH
    basis = torch.empty(count, max_vectors, hidden, device=starts.device)
    projected = torch.zeros(count, max_vectors, max_vectors, dtype=torch.float64, device=starts.device)
    # drawn on the CPU, so that it is alike on all devices
    noise = torch.randn(WIDTH, hidden, generator=torch.Generator().manual_seed(0)).to(starts.device)
    noise /= noise.norm(dim=1, keepdim=True)
    block = noise.repeat(count, 1, 1)
    lengths = starts.norm(dim=1, keepdim=True)
    block[:, 0] = torch.where(lengths > 0, starts / lengths, noise[0])
    block = _orthonormal(block)
    end, next_look = 0, float(FIRST_BLOCKS * WIDTH)
    while True:
        start, end = end, end + WIDTH
        basis[:, start:end] = block
        vectors = basis[:, :end]
        block = apply(block)
        recent = vectors[:, -2 * WIDTH :]  # the product is orthogonal to all earlier vectors, but for rounding
        coefficients = block @ recent.mT
        block = block - coefficients @ recent
        projected[:, start:end, -recent.shape[1] + end : end] = coefficients
        if end >= min(next_look, max_vectors):
            next_look *= LOOK_GROWTH
            if end == max_vectors or _ritz(vectors[:1], projected[:1, :end, :end], block[:1], wanted).converged:
                ritz = _ritz(vectors, projected[:, :end, :end], block, wanted)
                if end == max_vectors or ritz.converged.all():
                    return ritz
        block = _independent(block, noise.roll(end, 1))
        block = _orthonormal(block - (block @ vectors.mT) @ vectors)


def _independent(block: Tensor, noise: Tensor) -> Tensor:
    """Nearly orthonormal rows with the span of each block `[C, b, H]`; noise `[b, H]` for the missing rows."""
    exact = block.double()
    squares, vectors = torch.linalg.eigh(exact @ exact.mT)
    lengths = squares[:, :, None].clamp_min(0).sqrt().float()
    return torch.where(lengths > BREAKDOWN, vectors.mT.float() @ block / lengths, noise)


def _orthonormal(block: Tensor) -> Tensor:
    """Gram-Schmidt, by Cholesky, within each block `[C, b, H]` of rows not too dependent."""
    exact = block.double()
    rows: Tensor = torch.linalg.solve_triangular(torch.linalg.cholesky(exact @ exact.mT), exact, upper=False)
    return rows.float()


def _ritz(basis: Tensor, projected: Tensor, rest: Tensor, wanted: Wanted) -> Ritz:
    """Solve the projected problems (lower triangles); `rest` `[C, b, H]` is the part of `M V` outside the space."""
    values, columns = eigh(projected.cpu())  # small and many: a GPU takes longer
    values, weights = values.flip(1), columns.mT.flip(1)
    last = weights[:, : wanted.count, -rest.shape[1] :]
    residuals = (last.to(rest) @ rest).norm(dim=2).cpu()
    return Ritz(basis, values, weights, wanted.met(values[:, : wanted.count], residuals))
