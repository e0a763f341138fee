"""The largest eigenvalues of many symmetric matrices at once, known only by what they do to vectors: block Lanczos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.eigen import eigh

BLOCK = 4
"""Vectors per matrix: one pass over it serves them all. An eigenvalue is found at most as often as there are any."""
FIRST_LOOK = 96
"""Vectors in each basis when it is first asked whether it suffices.

On a spectrum within [-1, 1], `lambda_1 + 0.25 - M` has a condition of at most 9: a space of 24 blocks holds its inverse
on the start vector to `2 * 2**-24`. So a direction needs no test of its own; the eigenvalues converge later.
"""
LOOK_GROWTH = 4 / 3
MOST = 960
"""Vectors in a basis, where it is given up: three texts of 500 tokens in 5120 dimensions need nearly as many."""
BREAKDOWN = 1e-6
"""The part of a vector that is new, below which it is fp32 rounding."""
CROWDED = 1e-6
"""Eigenvalues this close are taken for one, multiple."""
ZERO = 1e-4
"""As near to zero, a value known not to be negative is zero."""


@dataclass(frozen=True)
class Ritz:
    """C matrices seen through a basis each. Products are fp32, the small projected problems fp64."""

    basis: Tensor
    """`[C, m, H]` fp32: orthonormal rows, the first along the start vector (noise where that was zero)."""
    values: Tensor
    """`[C, m]` fp64, on the CPU, descending."""
    weights: Tensor
    """`[C, m, m]` fp64, on the CPU: row j holds the coordinates of the j-th Ritz vector in the basis."""
    converged: Tensor
    """`[C]` bool, on the CPU: the wanted values are the largest eigenvalues, and each as often as it should be."""

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
    """For the norm of `M u - theta u`: about that squared, over the distance to what is unwanted, theta is off by."""
    zeros: bool
    """Zero is an eigenvalue at least `count` times: once it is found, nothing below is waited for."""

    def met(self, values: Tensor, residuals: Tensor) -> Tensor:
        """`[C]`, for Ritz values and residuals `[C, count]`; never where a value is as often there as it could be."""
        settled = residuals < self.tolerance
        apart = BLOCK - 1
        crowded = values[:, :-apart] - values[:, apart:] < CROWDED
        if self.zeros:
            found = ((values.abs() < ZERO) & (residuals < ZERO)).any(1, keepdim=True)
            settled |= (values < ZERO) & found
            crowded &= values[:, :-apart] > ZERO
        return settled.all(1) & ~crowded.any(1)


def block_lanczos(apply: Callable[[Tensor], Tensor], starts: Tensor, wanted: Wanted) -> Ritz:
    """Grow each matrix's basis by what the matrix makes of the last block, until all suffice or are as large as may be.

    Every block is orthogonalised against the two before it, then against all. Where it adds nothing new (the start
    vector is zero, or the space is invariant) noise of a fixed seed goes in.

    Args:
        apply: `v M_c` for `v` `[C, BLOCK, H]` fp32; each `M_c` symmetric, its spectrum within [-1, 1].
        starts: `[C, H]`, the first vector of each basis.
        wanted: of each matrix.
    """
    count, hidden = starts.shape
    most = min(MOST, 3 * hidden // 4) // BLOCK * BLOCK  # what noise adds to a nearly complete space is rounding
    basis = torch.empty(count, most, hidden, device=starts.device)
    projected = torch.zeros(count, most, most, dtype=torch.float64, device=starts.device)
    noise = torch.randn(BLOCK, hidden, generator=torch.Generator().manual_seed(0)).to(starts.device)  # alike everywhere
    noise /= noise.norm(dim=1, keepdim=True)
    block = noise.repeat(count, 1, 1)
    lengths = starts.norm(dim=1, keepdim=True)
    block[:, 0] = torch.where(lengths > 0, starts / lengths, noise[0])
    block = _orthonormal(block)
    end, look = 0, float(FIRST_LOOK)
    while True:
        start, end = end, end + BLOCK
        basis[:, start:end] = block
        found = basis[:, :end]
        block = apply(block)
        near = found[:, -2 * BLOCK :]  # orthogonal to all before these, but for rounding
        inside = block @ near.mT
        block = block - inside @ near
        projected[:, start:end, -near.shape[1] + end : end] = inside
        if end >= min(look, most):
            look *= LOOK_GROWTH
            if end == most or _ritz(found[:1], projected[:1, :end, :end], block[:1], wanted).converged:
                ritz = _ritz(found, projected[:, :end, :end], block, wanted)
                if end == most or ritz.converged.all():
                    return ritz
        block = _independent(block, noise.roll(end, 1))
        block = _orthonormal(block - (block @ found.mT) @ found)


def _independent(block: Tensor, noise: Tensor) -> Tensor:
    """Nearly orthonormal rows with the span of each block `[C, b, H]`; rows of noise `[b, H]` for what it lacks."""
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
    """Solve the projected problems, lower triangles given; `rest` `[C, b, H]` is what of `M` leaves the space."""
    values, columns = eigh(projected.cpu())  # small and many: a GPU takes longer
    values, weights = values.flip(1), columns.mT.flip(1)
    last = weights[:, : wanted.count, -rest.shape[1] :]
    residuals = (last.to(rest) @ rest).norm(dim=2).cpu()
    return Ritz(basis, values, weights, wanted.met(values[:, : wanted.count], residuals))
