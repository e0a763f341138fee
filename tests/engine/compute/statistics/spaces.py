"""Texts as tokens, matrices of given eigenvalues, and what tests compare of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

CPU = torch.device("cpu")


def tokens(count: int, hidden: int, seed: int) -> Tensor:
    """Anisotropic as residuals are: long along some dimensions, and off centre."""
    generator = torch.Generator().manual_seed(seed)
    scale = torch.arange(1, hidden + 1) ** -0.5
    return torch.randn(count, hidden, generator=generator) * scale + torch.randn(hidden, generator=generator)


def projector(basis: Tensor | None) -> np.ndarray:
    assert basis is not None
    assert basis.dtype == torch.float32
    exact = basis.double()
    np.testing.assert_allclose(exact.T @ exact, np.eye(exact.shape[1]), atol=1e-6)
    projector: np.ndarray = (exact @ exact.T).numpy()
    return projector


def unit(vectors: Tensor | np.ndarray) -> np.ndarray:
    rows = np.asarray(vectors)
    units: np.ndarray = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return units


def symmetric(values: Sequence[float], seed: int = 0) -> Tensor:
    """With this spectrum, `[H, H]` fp64."""
    generator = torch.Generator().manual_seed(seed)
    axes, _ = torch.linalg.qr(torch.randn(len(values), len(values), dtype=torch.float64, generator=generator))
    matrix: Tensor = axes @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ axes.T
    return matrix
