"""Attention heads that tell a concept from the rest, from sums of the output projection's input alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.results import HeadQuality

TOP_HEADS = 10
MIN_SPREAD = 1e-6
CHUNK = 4096
"""Rows taken to fp64 at a time."""


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Sums and sums of squares of `x - origin`, of width A: the attention outputs of one layer.

    The origin is one fixed point amid the data, such as the mean of the first texts seen: no result depends on it, but
    squares about a far one would drown the variance in rounding.
    """

    sums: Tensor
    """Over each concept's positives: `[C, A]`, fp64."""
    squares: Tensor
    """The same of squares: `[C, A]`, fp64."""
    total: Tensor
    """Over each text of the corpus once: `[A]`, fp64."""
    total_squares: Tensor
    """The same of squares: `[A]`, fp64."""
    counts: Tensor
    """`n_c`: `[C]`, fp64; each less than `n_texts`."""
    n_texts: int
    """`M`: all texts, each once."""


def power_sums(rows: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
    """The sums of `x - origin` and of its square over `rows` `[n, A]`, each `[A]` in fp64."""
    sums = torch.zeros(rows.shape[1], dtype=torch.float64, device=rows.device)
    squares = torch.zeros_like(sums)
    for start in range(0, len(rows), CHUNK):
        x = rows[start : start + CHUNK].double() - origin
        sums += x.sum(0)
        squares += x.square().sum(0)
    return sums, squares


def moments(
    concepts: Sequence[tuple[Tensor, Tensor]], counts: Sequence[int], everything: tuple[Tensor, Tensor], n_texts: int
) -> Moments:
    """Gather `power_sums` of each concept and of all texts, all about the same origin."""
    total, total_squares = everything
    return Moments(
        sums=torch.stack([sums for sums, _ in concepts]),
        squares=torch.stack([squares for _, squares in concepts]),
        total=total,
        total_squares=total_squares,
        counts=torch.tensor(counts, dtype=torch.float64, device=total.device),
        n_texts=n_texts,
    )


def selectivity(gathered: Moments, head_dim: int) -> list[HeadQuality]:
    """Each concept's heads, `head_dim` of the width each.

    A head's norm is that of `mean(P_c) - mean(N_c)` over its dimensions; its selectivity is the norm over that of the
    standard deviations over `N_c` (unbiased), itself taken as at least 1e-6. A single negative has no unbiased
    deviation; it counts as 0.
    """
    sums, total = gathered.sums, gathered.total
    counts, others = gathered.counts[:, None], gathered.n_texts - gathered.counts[:, None]
    negative_means = (total - sums) / others
    deviations = gathered.total_squares - gathered.squares - others * negative_means.square()
    variances = deviations.clamp_min(0) / (others - 1)  # rounding may leave a negative one
    variances = variances.masked_fill(others == 1, 0.0)
    norms = _by_head(sums / counts - negative_means, head_dim).norm(dim=2)  # (C, heads)
    spreads = _by_head(variances, head_dim).sum(2).sqrt()
    return _ranked(norms, norms / spreads.clamp_min(MIN_SPREAD), head_dim)


def _by_head(values: Tensor, head_dim: int) -> Tensor:
    """`[C, heads * head_dim]` as `[C, heads, head_dim]`."""
    return values.reshape(len(values), -1, head_dim)


def _ranked(norms: Tensor, selectivities: Tensor, head_dim: int) -> list[HeadQuality]:
    """The top heads of each concept, ties by index, from `[C, heads]` each; where all norms are 0, so is the share."""
    order = selectivities.sort(dim=1, descending=True, stable=True).indices[:, :TOP_HEADS]
    top_norms = norms.gather(1, order)
    concentrations = top_norms.sum(1) / norms.sum(1).clamp_min(torch.finfo(norms.dtype).tiny)
    columns = (order, top_norms, selectivities.gather(1, order), concentrations)
    return [
        HeadQuality(
            n_heads=norms.shape[1],
            head_dim=head_dim,
            top_heads=list(zip(heads, sizes, selective, strict=True)),
            head_concentration=concentration,
        )
        for heads, sizes, selective, concentration in zip(*(column.tolist() for column in columns), strict=True)
    ]
