"""Whitened directions: what tells a concept from the rest beyond the ways in which its own stories vary anyway."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def whitened(rows: Sequence[Tensor], differences: Tensor, shrinkage: float) -> Tensor:
    """`(Σ_w + ε I)⁻¹ d₀` with `ε = λ tr(Σ_w) / H`, times ε: normalised, it is the `whitened` direction.

    Σ_w is the covariance within concepts: of each story less its concept's mean, over all (concept, story) pairs. The
    factor ε leaves the result in units of `d₀`, whatever the scale of the activations, and makes it `d₀` itself in the
    limit of much shrinkage. What Σ_w is divided by (N - C) cancels with it.

    Source: linear discriminant analysis with the covariance shrunk to a multiple of the identity (Friedman 1989,
    regularised discriminant analysis; Ledoit & Wolf 2004 for the target).

    Args:
        rows: one layer: per concept, its stories' activations, `[n_c, H]`.
        differences: `d₀`, `[C, H]`, fp64.
        shrinkage: λ, above zero, without which Σ_w has no inverse where N < H.

    Returns:
        `[C, H]`, fp64, not normalised; `differences` as they are where no concept's stories differ, or each has one
        story.
    """
    hidden = differences.shape[1]
    small = sum(map(len, rows)) < hidden
    centred = torch.cat([_centred(group) for group in rows]) if small else None  # (N, H)
    # Solved on the smaller side, N x N or H x H: the cost of it grows with the cube.
    scatter = _scatter(rows, differences) if centred is None else centred @ centred.T
    trace = scatter.diagonal().sum()
    if trace <= 0:
        return differences
    ridge = shrinkage * trace / hidden
    factor = torch.linalg.cholesky(
        scatter + ridge * torch.eye(len(scatter), dtype=scatter.dtype, device=scatter.device)
    )
    if centred is None:
        return ridge * torch.cholesky_solve(differences.T, factor).T
    # Woodbury: ρ (XᵀX + ρI)⁻¹ = I - Xᵀ (XXᵀ + ρI)⁻¹ X
    return differences - torch.cholesky_solve(centred @ differences.T, factor).T @ centred


def _scatter(rows: Sequence[Tensor], like: Tensor) -> Tensor:
    """`(N - C) Σ_w`, `[H, H]`, group by group."""
    total = torch.zeros(like.shape[1], like.shape[1], dtype=like.dtype, device=like.device)
    for group in rows:
        centred = _centred(group)
        total.addmm_(centred.T, centred)
    return total


def _centred(group: Tensor) -> Tensor:
    """`[n, H]` less its mean, in fp64."""
    x = group.double()
    # A quotient, which takes copies to zero exactly; `mean` may multiply by 1/n, which need not.
    return x - x.sum(0) / len(x)
