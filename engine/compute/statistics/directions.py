"""Directions: one unit vector per layer and concept, from sums alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_NORM = 1e-6


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Each concept against all other texts, as sums of activations.

    A concept's positives are its texts; its negatives are all other texts of the corpus, baselines included. So
    every mean over negatives follows from the totals: `(S - S_c) / (M - n_c)`.
    """

    sums: Tensor
    """`S_c`: `[L, C, H]`, fp64."""
    total: Tensor
    """`S`, over each text of the corpus once: `[L, H]`, fp64."""
    counts: Tensor
    """`n_c`: `[C]`, fp64."""
    n_texts: int
    """`M`: all texts, each once."""

    @property
    def positive_means(self) -> Tensor:
        """`[L, C, H]`, fp64."""
        return self.sums / self.counts[:, None]

    @property
    def negative_means(self) -> Tensor:
        """`[L, C, H]`, fp64."""
        return (self.total[:, None] - self.sums) / (self.n_texts - self.counts)[:, None]


def row_sum(rows: Tensor) -> Tensor:
    """The sum over texts of `[L, n, H]` in fp64: `[L, H]`. Always from the rows, so that it never drifts."""
    return rows.sum(1, dtype=torch.float64)


def contrast(sums: Sequence[Tensor], counts: Sequence[int], total: Tensor, n_texts: int) -> Contrast:
    """Gather per-concept sums `[L, H]` into one `Contrast`."""
    return Contrast(
        sums=torch.stack(list(sums), 1),
        total=total,
        counts=torch.tensor(counts, dtype=torch.float64, device=total.device),
        n_texts=n_texts,
    )


def difference(groups: Contrast) -> Tensor:
    """`mean(P_c) - mean(N_c)`, `[L, C, H]` fp64: normalised, it is the `pooled` direction.

    Source: contrastive activation addition (Rimsky et al. 2024).
    """
    return groups.positive_means - groups.negative_means


def normalise(vectors: Tensor) -> Tensor:
    """Length 1 along the last axis; lengths below 1e-6 are taken as 1e-6, so that zero stays zero."""
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(MIN_NORM)


def shipped(directions: Tensor) -> Tensor:
    """Directions as they ship, rounded to fp16, in fp64: what is reported must be what is loaded."""
    return directions.half().double()
