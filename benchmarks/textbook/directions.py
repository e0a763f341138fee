"""Directions of the methods pooled and subspace, by dense matrices and concept by concept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

EIGENVECTORS = 5
ABOVE = 0.25
"""How far above the largest eigenvalue the resolvent's pole stands."""


def unit(vector: Tensor) -> Tensor:
    """Length 1."""
    length: Tensor = vector.norm()
    return vector / length.clamp_min(1e-6)


def difference(rows: Tensor, own: list[int], others: list[int]) -> Tensor:
    """`mean(P_c) - mean(N_c)` of `[N, H]`."""
    return rows[own].mean(0) - rows[others].mean(0)


def basis(tokens: Tensor) -> Tensor:
    """An orthonormal basis of the row space of a text's centred tokens, `[H, r]`."""
    _, singular, rows = torch.linalg.svd(tokens - tokens.mean(0), full_matrices=False)
    noise = singular[0] * max(tokens.shape) * torch.finfo(tokens.dtype).eps
    kept: Tensor = rows[singular > noise]
    return kept.T


def mean_projector(bases: Sequence[Tensor], indices: list[int]) -> Tensor:
    """The mean of `V Vt` over some texts, `[H, H]`."""
    total = torch.zeros(len(bases[0]), len(bases[0]), device=bases[0].device)
    for i in indices:
        total += bases[i] @ bases[i].T
    return total / len(indices)


def filtered(matrix: Tensor, values: Tensor, d: Tensor) -> Tensor:
    """The resolvent `(sigma I - M)^-1 d`, normalised; `values` are the matrix's eigenvalues, ascending."""
    sigma = values[-1] + ABOVE
    return unit(torch.linalg.solve(sigma * torch.eye(len(matrix), device=matrix.device) - matrix, d))


def top_k(values: Tensor, vectors: Tensor, d: Tensor) -> Tensor:
    """The sum of the top eigenvectors, each weighted by its eigenvalue and turned towards `d`."""
    total = torch.zeros_like(d)
    for j in range(1, EIGENVECTORS + 1):
        vector = vectors[:, -j]
        total += values[-j].clamp_min(0) * torch.sign(vector @ d) * vector
    return unit(total)
