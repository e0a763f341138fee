"""A growing matrix of activations, one row per text, in which an edit is one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class Rows:
    """Activations of the texts a corpus uses now: `[L, capacity, H]`, fp32, rows reused as texts come and go."""

    def __init__(self, n_layers: int, hidden: int, device: torch.device) -> None:
        self._table = torch.empty(n_layers, 0, hidden, device=device)
        self._slots: dict[str, int] = {}
        self._free: list[int] = []

    def __contains__(self, text_id: str) -> bool:
        return text_id in self._slots

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

    def keep_only(self, text_ids: Iterable[str]) -> None:
        """Forget every other text."""
        wanted = set(text_ids)
        for text_id in [text_id for text_id in self._slots if text_id not in wanted]:
            self._free.append(self._slots.pop(text_id))

    def take(self, text_ids: Sequence[str]) -> Tensor:
        """The rows of these texts, in this order: `[L, n, H]`."""
        return self._table.index_select(1, self._places(text_ids))

    def take_at(self, layer: int, text_ids: Sequence[str]) -> Tensor:
        """The same at the `layer`-th of the layers alone: `[n, H]`."""
        return self._table[layer].index_select(0, self._places(text_ids))

    def _places(self, text_ids: Sequence[str]) -> Tensor:
        slots = [self._slots[text_id] for text_id in text_ids]
        return torch.tensor(slots, dtype=torch.long, device=self._table.device)

    def _grow(self) -> None:
        layers, capacity, hidden = self._table.shape
        larger = torch.empty(layers, max(64, 2 * capacity), hidden, device=self._table.device)
        larger[:, :capacity] = self._table
        self._free.extend(range(larger.shape[1] - 1, capacity - 1, -1))
        self._table = larger
