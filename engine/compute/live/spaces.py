"""The subspaces that a corpus's stories span, kept from change to change (method `subspace`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.compute.statistics.cores import side_by_side
from engine.compute.statistics.subspace import Projectors, Subspaces, basis
from engine.errors import AmygdalaError

Cell = tuple[str, ...]
"""The concepts a text stands under, sorted: one mostly, none for a baseline."""


@dataclass
class _Content:
    """One cell's texts, and per layer the sum of the projectors onto what they span."""

    text_ids: tuple[str, ...]
    sums: list[Projectors]
    refused: set[str] = field(default_factory=set)
    """Texts that span everything."""


class Spaces:
    """Sums of projectors by cell, and over all texts. A change rebuilds the cells it touches and no other.

    A text belongs to exactly one cell, so a concept's sum is that over its cells, and the total that over all cells.

    Args:
        n_layers: target layers.
        hidden: width of the residual stream.
        k: singular vectors kept of a text; None for all.
        device: where sums are kept and multiplied.
    """

    def __init__(self, n_layers: int, hidden: int, k: int | None, device: torch.device) -> None:
        self._k = k
        self._device = device
        self._empty = [Projectors.of([], hidden, device) for _ in range(n_layers)]
        self._cells: dict[Cell, _Content] = {}
        self._cell_of: dict[str, Cell] = {}
        self._total = torch.zeros(n_layers, hidden, hidden, dtype=torch.float64, device=device)

    @property
    def refused(self) -> set[str]:
        """Texts with as many tokens as the model has dimensions: they span everything, which tells nothing of them."""
        return {text_id for content in self._cells.values() for text_id in content.refused}

    def begin(self, cells: Mapping[Cell, tuple[str, ...]], fresh: Collection[str]) -> set[str]:
        """Drop the cells whose texts changed; returns the texts that `add` must be called with."""
        fresh_ids = set(fresh)
        for cell, content in list(self._cells.items()):
            if cells.get(cell) != content.text_ids or not fresh_ids.isdisjoint(content.text_ids):
                self._add_to_total(self._cells.pop(cell), -1)
        new_cells = {cell: text_ids for cell, text_ids in cells.items() if cell not in self._cells}
        self._cells |= {cell: _Content(text_ids, list(self._empty)) for cell, text_ids in new_cells.items()}
        self._cell_of = {text_id: cell for cell, text_ids in new_cells.items() for text_id in text_ids}
        return set(self._cell_of)

    def add(self, text_id: str, tokens: Tensor) -> None:
        """Take in one text's residuals `[L, T, H]`."""
        content = self._cells[self._cell_of[text_id]]
        layers = list(tokens.to(self._device))

        def summed(position: int) -> Projectors | None:
            text_basis = basis(layers[position], self._k)
            return None if text_basis is None else content.sums[position].plus(text_basis)

        sums = [cell_sum for cell_sum in side_by_side(summed, range(len(layers))) if cell_sum is not None]
        if len(sums) == len(layers):
            content.sums = sums
        else:
            content.refused.add(text_id)

    def finish(self) -> None:
        """Add the new cells to the total, once `add` has taken every text that `begin` returned.

        Raises:
            AmygdalaError: every text of the corpus spans everything.
        """
        for cell in set(self._cell_of.values()):
            self._add_to_total(self._cells[cell], 1)
        self._cell_of = {}
        if not any(map(_size, self._cells.values())):
            raise AmygdalaError(
                "--method subspace: every story has as many tokens as the model has dimensions, so each spans "
                "everything; set --subspace-k to less, such as 16"
            )

    def at(self, position: int, concepts: Sequence[str]) -> Subspaces:
        """What the directions of these concepts are made of, at the target layer of this position."""
        own = [[content for cell, content in self._cells.items() if name in cell] for name in concepts]
        sizes = [sum(_size(content) for content in cells) for cells in own]
        return Subspaces(
            own=[[content.sums[position] for content in cells] for cells in own],
            total=self._total[position],
            counts=torch.tensor(sizes, dtype=torch.float64, device=self._device),
            n_texts=sum(map(_size, self._cells.values())),
        )

    def n_others(self, concept: str) -> int:
        """Texts with a subspace that are not the concept's: m."""
        return sum(_size(content) for cell, content in self._cells.items() if concept not in cell)

    def _add_to_total(self, content: _Content, sign: int) -> None:
        # what is subtracted is bit for bit what was added, so that an fp64 sum stays exact to its last digits
        for total, summed in zip(self._total, content.sums, strict=True):
            total.add_(summed.dense().double(), alpha=sign)


def _size(content: _Content) -> int:
    return len(content.text_ids) - len(content.refused)
