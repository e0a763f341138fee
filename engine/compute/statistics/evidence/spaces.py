"""The space in which stories are compared: each dimension by its spread, few axes for wide models, scenarios aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

WIDE_FROM = 512
"""Widths up to this stay whole; so do corpora of so many stories, whose span is no wider."""
AXES = 256
"""Axes that stand for a wider space: they lose nothing that can be measured, and the cost no longer grows with H."""
SPARE_AXES = 32
POWER_PASSES = 1
SCENARIO_PULL = 2.0
"""Stories' worth of pull of a scenario's mean towards the corpus's: the mean of a few stories is mostly theirs."""
SMALL_SPREAD = 1e-3
"""The share of a usual dimension's spread that is added to each: a dimension that hardly varies must not rule."""
ALIKE = 1e-6
"""Texts are alike where they differ by this share of their own length: fp32 noise."""
CHUNK = 2048
"""Rows scaled at a time."""


def median(values: Tensor) -> Tensor:
    """Along the last axis, the mean of the two middle values where there are two; torch takes the lower one."""
    n = values.shape[-1]
    lower_half = values.topk(n // 2 + 1, largest=False, sorted=False).values
    return lower_half.topk(2 - n % 2).values.mean(-1)


@dataclass(frozen=True)
class Space:
    """How one layer's activations are made comparable."""

    scale: Tensor
    """What each dimension is divided by, `[H]`: infinite where the layer tells nothing. fp64, fp32 beside axes."""
    axes: Tensor | None
    """`[H, 256]` fp32; None where the space stays whole."""

    @classmethod
    def of(cls, rows: Tensor) -> Space:
        """The space of activations `[N, H]`.

        Each dimension is scaled by its median absolute deviation: a few huge dimensions of causal models would
        otherwise set the ridge for all.
        """
        if min(rows.shape) <= WIDE_FROM:
            return cls(_scale(rows.double()), None)
        scale = _scale(rows.float())
        return cls(scale, _principal_axes(cls(scale, None).scaled(rows)))

    def scaled(self, rows: Tensor) -> Tensor:
        """Activations `[n, H]` on the scale, in its number format."""
        return rows.to(self.scale) / self.scale

    def chunks(self, rows: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Activations `[N, H]` scaled, some rows at a time, and which."""
        for start in range(0, max(len(rows), 1), CHUNK):  # no rows are a chunk of none
            chunk = slice(start, start + CHUNK)
            yield chunk, self.scaled(rows[chunk])

    def coordinates(self, rows: Tensor) -> Tensor:
        """Activations `[N, H]` scaled and on the axes, `[N, K]` fp64; K is H without axes."""
        return torch.cat(
            [(scaled if self.axes is None else scaled @ self.axes).double() for _, scaled in self.chunks(rows)]
        )


def _scale(rows: Tensor) -> Tensor:
    """What to divide each dimension of `[N, H]` by; see `Space`."""
    columns = rows.T.contiguous()
    length = columns.square().mean().sqrt()
    columns -= median(columns)[:, None]
    usual = columns.square().mean().sqrt()
    if usual <= ALIKE * length:
        return torch.full_like(rows[0], torch.inf)
    spreads = median(columns.abs_())
    if spreads.any():  # else more than half of the texts are alike
        usual = median(spreads)
        usual = usual if usual > 0 else spreads.mean()  # more than half of the dimensions are constant
    return spreads + SMALL_SPREAD * usual


def _principal_axes(rows: Tensor) -> Tensor:
    """The axes along which scaled rows `[N, H]` vary most, `[H, 256]`: by subspace iteration from fixed noise, in fp32.

    Source: Halko, Martinsson & Tropp 2011, algorithm 4.4.
    """
    centred = rows - rows.mean(0)
    noise = torch.randn(rows.shape[1], AXES + SPARE_AXES, generator=torch.Generator().manual_seed(0))
    basis = noise.to(centred.device)
    for _ in range(POWER_PASSES + 1):
        basis = torch.linalg.qr(centred.T @ (centred @ basis)).Q
    images = (centred @ basis).double()
    _, vectors = torch.linalg.eigh(images.T @ images)
    axes: Tensor = basis @ vectors[:, -AXES:].float()
    return axes


def less_scenarios(rows: Tensor, groups: list[Tensor]) -> Tensor:
    """Rows `[N, K]` about the corpus's mean, less their scenario's mean, which is shrunk by b / (b + 2).

    Labels are not looked at, so that a story's own label cannot help it.
    """
    rest = rows.clone()
    for group in groups:
        if group.shape[1] > 1:
            rest[group] = less_scenario(rows[group])
    return rest


def less_scenario(rows: Tensor) -> Tensor:
    """The same for whole scenarios of b stories, `[..., b, K]`."""
    size = rows.shape[-2]
    return rows - rows.sum(-2, keepdim=True) / (size + SCENARIO_PULL) if size > 1 else rows
