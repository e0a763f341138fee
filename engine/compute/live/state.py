"""Activations of a corpus's texts under one model, and what follows for each concept from its own texts alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.compute.live.filing import Cells
from engine.compute.live.rows import HeadRows, PowerSums, Rows
from engine.compute.live.spaces import Cell, Spaces
from engine.compute.model.forward import Activation, Extractor
from engine.compute.statistics.directions import row_sum
from engine.compute.statistics.quality import Centred
from engine.settings import Settings


@dataclass(frozen=True)
class Sums:
    """One cell's share of the state. A text is in one cell, so that sums over cells count each text once."""

    text_ids: tuple[str, ...]
    rows: Tensor
    """`[L, H]`, fp64."""
    heads: PowerSums


@dataclass(frozen=True)
class Group:
    """One concept's share of the state: what follows from its own texts alone."""

    text_ids: tuple[str, ...]
    centred: Centred


@dataclass(frozen=True)
class View:
    """One consistent state of a corpus: what directions and quality are made of."""

    cells: dict[Cell, Sums]
    groups: dict[str, Group]
    """By concept, sorted."""

    @cached_property
    def text_ids(self) -> list[str]:
        """All texts, each once, sorted."""
        return sorted(text_id for cell in self.cells.values() for text_id in cell.text_ids)

    @property
    def n_texts(self) -> int:
        """All texts, each once."""
        return sum(len(cell.text_ids) for cell in self.cells.values())

    def sums(self, concept: str) -> Tensor:
        """Over the concept's texts: `[L, H]`, fp64."""
        return _total([cell.rows for names, cell in self.cells.items() if concept in names])

    def heads(self, concept: str) -> PowerSums:
        """The same of attention outputs."""
        return _powers([cell.heads for names, cell in self.cells.items() if concept in names])

    @property
    def total(self) -> Tensor:
        """Over all texts: `[L, H]`, fp64."""
        return _total([cell.rows for cell in self.cells.values()])

    @property
    def total_heads(self) -> PowerSums:
        """The same of attention outputs."""
        return _powers([cell.heads for cell in self.cells.values()])


class State:
    """Activations of the texts in use, and what each concept's own texts come to; a change redoes what it touches.

    After a failure in the middle of a change a new state is begun: the store still has the activations.
    """

    def __init__(self, extractor: Extractor, settings: Settings) -> None:
        model, layers = extractor.model, extractor.layers
        anatomy = model.anatomy
        self.rows = Rows(len(layers), anatomy.hidden_size, model.device)
        self.means = self.rows if extractor.pools_all_tokens else Rows(len(layers), anatomy.hidden_size, model.device)
        """Of all tokens, whatever pooling the vectors are of."""
        self.heads = HeadRows(
            [anatomy.head_width(block) for block in layers], [anatomy.head_dim(block) for block in layers], model.device
        )
        self.spaces = (
            Spaces(len(layers), anatomy.hidden_size, settings.subspace_k, model.device)
            if settings.method == "subspace"
            else None
        )
        self.view = View({}, {})
        self.truncated: set[str] = set()

    @property
    def _cells(self) -> Cells:
        """Those of the view."""
        return {cell: sums.text_ids for cell, sums in self.view.cells.items()}

    def begin(self, cells: Cells, fresh: Collection[str]) -> list[str]:
        """Start a change to these texts; returns those whose activations are needed (`take`).

        Args:
            cells: the texts. Of cells that stay the same, no text is looked at.
            fresh: those of them whose activations were read afresh.
        """
        rebuilt = self.spaces.begin(cells, fresh) if self.spaces is not None else set()
        new = {text_id for text_id in _changed(cells, self._cells) if text_id not in self.rows}
        return sorted(new | set(fresh) | rebuilt)

    def take(self, text_id: str, activation: Activation) -> None:
        """Take in one text's activation."""
        self.set_rows(text_id, activation)
        (self.truncated.add if activation.truncated else self.truncated.discard)(text_id)
        if self.spaces is not None and activation.tokens is not None:
            self.spaces.add(text_id, activation.tokens)

    def finish(self, cells: Cells, fresh: Collection[str]) -> None:
        """End the change, once `take` has every text that `begin` returned: redo what changed, forget unused texts."""
        if self.spaces is not None:
            self.spaces.finish()
        unused = _changed(self._cells, cells) - _changed(cells, self._cells)
        self.view = self.viewed(cells, fresh)
        self.forget_rows(unused)
        self.truncated -= unused

    def set_rows(self, text_id: str, activation: Activation) -> None:
        """Put one text's rows, replacing those that it had."""
        self.rows.set(text_id, activation.x)
        if self.means is not self.rows:
            self.means.set(text_id, activation.mean)
        self.heads.set(text_id, activation.heads)

    def forget_rows(self, text_ids: Collection[str]) -> None:
        """Forget the rows of texts that are no longer used."""
        for rows in (self.rows, self.means, self.heads):
            rows.forget(text_ids)

    def viewed(self, cells: Cells, fresh: Collection[str] = ()) -> View:
        """The view of these texts, all of which have rows; it shares the parts of the last view that did not change."""
        last, renewed = self.view, set(fresh)
        same = {
            cell
            for cell, text_ids in cells.items()
            if cell in last.cells and last.cells[cell].text_ids == text_ids and renewed.isdisjoint(text_ids)
        }
        changed_concepts = {name for cell in {*cells, *last.cells} - same for name in cell}
        names = sorted({name for cell in cells for name in cell})
        return View(
            {cell: last.cells[cell] if cell in same else self._sums(text_ids) for cell, text_ids in cells.items()},
            {name: self._group(cells, name) if name in changed_concepts else last.groups[name] for name in names},
        )

    def _sums(self, text_ids: tuple[str, ...]) -> Sums:
        return Sums(text_ids, row_sum(self.rows.take(text_ids)), self.heads.sums(text_ids))

    def _group(self, cells: Cells, name: str) -> Group:
        text_ids = tuple(sorted(set[str]().union(*(cell_ids for cell, cell_ids in cells.items() if name in cell))))
        return Group(text_ids, Centred.of(self.rows.take(text_ids)))


def _changed(cells: Cells, others: Cells) -> set[str]:
    """The texts of those cells that are not the same among the others."""
    return set[str]().union(*(text_ids for cell, text_ids in cells.items() if others.get(cell) != text_ids))


def _total(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def _powers(parts: Sequence[PowerSums]) -> PowerSums:
    return _total([sums for sums, _ in parts]), _total([squares for _, squares in parts])
