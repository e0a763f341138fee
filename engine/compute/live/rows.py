"""Growing matrices of activations, one row per text: an edit replaces one row."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, KeysView, Sequence

import torch
from torch import Tensor

from engine.compute.statistics.heads import moments, power_sums, selectivity
from engine.results import HeadQuality

PowerSums = tuple[Tensor, Tensor]
"""Sums of `x - origin` and of its square, `[A]` each in fp64, with all layers' attention outputs in a row."""


class Rows:
    """Activations of the texts a corpus uses now: `[L, capacity, H]`, fp32, rows reused as texts come and go."""

    def __init__(self, n_layers: int, hidden: int, device: torch.device) -> None:
        self._table = torch.empty(n_layers, 0, hidden, device=device)
        self._slots: dict[str, int] = {}
        self._free: list[int] = []

    def __contains__(self, text_id: str) -> bool:
        return text_id in self._slots

    @property
    def text_ids(self) -> KeysView[str]:
        """Of the texts that have a row."""
        return self._slots.keys()

    @property
    def n_layers(self) -> int:
        """L."""
        return self._table.shape[0]

    @property
    def hidden(self) -> int:
        """H."""
        return self._table.shape[2]

    def set(self, text_id: str, x: Tensor) -> None:
        """Put one text's activation `[L, H]`, replacing the one it had."""
        if text_id not in self._slots:
            if not self._free:
                self._grow()
            self._slots[text_id] = self._free.pop()
        self._table[:, self._slots[text_id]] = x.to(self._table.device)

    def forget(self, text_ids: Iterable[str]) -> None:
        """Forget these texts; those that have no row are passed over."""
        for text_id in text_ids:
            if text_id in self._slots:
                self._free.append(self._slots.pop(text_id))

    def take(self, text_ids: Sequence[str]) -> Tensor:
        """The rows of these texts, in this order: `[L, n, H]`."""
        return self._table.index_select(1, self._slots_of(text_ids))

    def take_at(self, position: int, text_ids: Sequence[str]) -> Tensor:
        """The same at one target layer alone: `[n, H]`."""
        return self._table[position].index_select(0, self._slots_of(text_ids))

    def _slots_of(self, text_ids: Sequence[str]) -> Tensor:
        slots = [self._slots[text_id] for text_id in text_ids]
        return torch.tensor(slots, dtype=torch.long, device=self._table.device)

    def _grow(self) -> None:
        layers, capacity, hidden = self._table.shape
        larger = torch.empty(layers, max(64, 2 * capacity), hidden, device=self._table.device)
        larger[:, :capacity] = self._table
        self._free.extend(range(larger.shape[1] - 1, capacity - 1, -1))
        self._table = larger


class HeadRows:
    """The inputs of the attention output projections at all target layers, and the heads' quality from their sums.

    Args:
        widths: per target layer, the width of all heads together; 0 where none are found.
        head_dims: per target layer, the width of one head.
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
        inputs = [part for part in parts if part is not None]
        self._rows.set(text_id, torch.cat(inputs)[None] if inputs else torch.empty(1, 0))

    def forget(self, text_ids: Iterable[str]) -> None:
        """Forget these texts; those that have no row are passed over."""
        self._rows.forget(text_ids)

    def sums(self, text_ids: Sequence[str]) -> PowerSums:
        """Over these texts, about an origin that is chosen at the first call and stays."""
        rows = self._rows.take(text_ids)[0]
        if self._origin is None:
            self._origin = rows.mean(0, dtype=torch.float64)
        return power_sums(rows, self._origin)

    def quality(
        self, position: int, groups: Sequence[tuple[PowerSums, int]], everything: PowerSums, n_texts: int
    ) -> list[HeadQuality] | None:
        """Each concept's heads at the target layer of this position; None at a layer without.

        Args:
            position: the layer's place among the target layers.
            groups: per concept, the `sums` of its texts and how many there are.
            everything: the `sums` of all texts of the corpus.
            n_texts: how many these are.
        """
        columns, head_dim = self._columns[position], self._head_dims[position]
        if not head_dim:
            return None
        at_layer = [(sums[columns], squares[columns]) for (sums, squares), _ in groups]
        counts = [count for _, count in groups]
        total, total_squares = everything
        return selectivity(moments(at_layer, counts, (total[columns], total_squares[columns]), n_texts), head_dim)
