"""What enters the attention output projections, of the texts a corpus uses now, at all target layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from engine.compute.live.rows import Rows
from engine.compute.statistics.heads import moments, power_sums, selectivity
from engine.results import HeadQuality

PowerSums = tuple[Tensor, Tensor]
"""Sums of `x - origin` and of its square, `[A]` each in fp64, with all layers' attention outputs in a row."""


class HeadRows:
    """Rows of attention outputs, and the heads' quality from sums of them.

    Args:
        widths: per target layer, the width of all heads together; 0 where there are none to be found.
        head_dims: per target layer, the width of one.
        device: where rows are kept.
    """

    def __init__(self, widths: Sequence[int], head_dims: Sequence[int], device: torch.device) -> None:
        ends = torch.tensor([0, *widths]).cumsum(0).tolist()
        self._columns = [slice(start, end) for start, end in itertools.pairwise(ends)]
        self._head_dims = list(head_dims)
        self._rows = Rows(1, ends[-1], device)
        self._origin: Tensor | None = None

    def set(self, text_id: str, parts: Iterable[Tensor | None]) -> None:
        """Put one text's attention outputs, `[A]` per target layer that has any."""
        found = [part for part in parts if part is not None]
        self._rows.set(text_id, torch.cat(found)[None] if found else torch.empty(1, 0))

    def keep_only(self, text_ids: Iterable[str]) -> None:
        """Forget every other text."""
        self._rows.keep_only(text_ids)

    def sums(self, text_ids: Sequence[str]) -> PowerSums:
        """Over these texts, about an origin that is chosen at the first call and stays."""
        rows = self._rows.take(text_ids)[0]
        if self._origin is None:
            self._origin = rows.mean(0, dtype=torch.float64)
        return power_sums(rows, self._origin)

    def quality(
        self, groups: Sequence[tuple[PowerSums, int]], everything: PowerSums, n_texts: int
    ) -> list[list[HeadQuality] | None]:
        """Per target layer, each concept's heads; None at layers without.

        Args:
            groups: per concept, the `sums` of its texts and how many there are.
            everything: the `sums` of every text of the corpus.
            n_texts: how many these are.
        """
        found = moments([sums for sums, _ in groups], [count for _, count in groups], everything, n_texts)
        return [
            selectivity(found, columns, head_dim) if head_dim else None
            for columns, head_dim in zip(self._columns, self._head_dims, strict=True)
        ]
