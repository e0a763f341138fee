"""A naive oracle of the subspace method, written from the contract alone: whole matrices, one text at a time, fp64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RANK_TOLERANCE = 1e-6


def basis(tokens: np.ndarray, k: int | None = None) -> np.ndarray:
    """`[H, r]` for the tokens `[T, H]`."""
    tokens = tokens.astype(np.float64)
    _, lengths, rows = np.linalg.svd(tokens - tokens.mean(0), full_matrices=False)
    kept = [row for row, length in zip(rows, lengths, strict=True) if length > RANK_TOLERANCE * lengths[0]]
    return np.array(kept[:k]).reshape(-1, tokens.shape[1]).T


def projector(tokens: np.ndarray, k: int | None = None) -> np.ndarray:
    axes = basis(tokens, k)
    projection: np.ndarray = axes @ axes.T
    return projection


def difference_of_projectors(
    own: Sequence[np.ndarray], others: Sequence[np.ndarray], hidden: int, k: int | None = None
) -> np.ndarray:
    """`M_c`, where the mean over no texts is zero."""
    difference = np.zeros((hidden, hidden))
    for tokens in own:
        difference += projector(tokens, k) / len(own)
    for tokens in others:
        difference -= projector(tokens, k) / len(others)
    return difference


def eigenvalues(matrix: np.ndarray) -> np.ndarray:
    """The top 20, descending."""
    return np.linalg.eigvalsh(matrix)[::-1][:20]


def filtered(matrix: np.ndarray, difference: np.ndarray) -> np.ndarray:
    sigma = np.linalg.eigvalsh(matrix).max() + 0.25
    return np.linalg.solve(sigma * np.eye(len(matrix)) - matrix, difference)


def top_k(matrix: np.ndarray, difference: np.ndarray, k: int) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    direction = np.zeros(len(matrix))
    for j in np.argsort(-values)[:k]:
        direction += max(values[j], 0) * np.sign(vectors[:, j] @ difference) * vectors[:, j]
    return direction
