"""Activations of a corpus's texts under one model, and what follows for each concept from its own texts alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.compute.live.rows import HeadRows, PowerSums, Rows
from engine.compute.live.spaces import Cell, Spaces
from engine.compute.model.forward import Activation
from engine.compute.model.loaded import Model
from engine.compute.statistics.directions import row_sum
from engine.compute.statistics.quality import Centred, variance_ratios
from engine.settings import Settings
from engine.wire.jobs import Placement

Cells = Mapping[Cell, tuple[str, ...]]
"""The unique texts, sorted by id, by the exact set of concepts they stand under."""


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
    ratios: list[list[float]]
    """Per layer, the variance ratios."""


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

    def __init__(self, model: Model, settings: Settings, layers: Sequence[int]) -> None:
        anatomy = model.anatomy
        self.rows = Rows(len(layers), anatomy.hidden_size, model.device)
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

    def begin(self, cells: Cells, fresh: Collection[str]) -> list[str]:
        """Start a change to these texts; returns those whose activations are needed (`take`)."""
        rebuilt = self.spaces.begin(cells, fresh) if self.spaces is not None else set()
        used = sorted(text_id for text_ids in cells.values() for text_id in text_ids)
        return [text_id for text_id in used if text_id not in self.rows or text_id in fresh or text_id in rebuilt]

    def take(self, text_id: str, activation: Activation) -> None:
        """Take in one text's activation."""
        self.rows.set(text_id, activation.x)
        self.heads.set(text_id, activation.heads)
        (self.truncated.add if activation.truncated else self.truncated.discard)(text_id)
        if self.spaces is not None and activation.tokens is not None:
            self.spaces.add(text_id, activation.tokens)

    def finish(self, cells: Cells, fresh: Collection[str]) -> None:
        """End the change, once `take` has every text that `begin` returned: redo what changed, forget unused texts."""
        if self.spaces is not None:
            self.spaces.finish()
        self.view = self.viewed(cells, fresh)
        used = {text_id for text_ids in cells.values() for text_id in text_ids}
        self.rows.keep_only(used)
        self.heads.keep_only(used)
        self.truncated &= used

    def viewed(self, cells: Cells, fresh: Collection[str] = ()) -> View:
        """The view of these texts, all of which have rows; it shares the parts of the last view that did not change."""
        last = self.view
        renewed = set(fresh)

        def unchanged(part: Sums | Group | None, text_ids: tuple[str, ...]) -> bool:
            return part is not None and part.text_ids == text_ids and renewed.isdisjoint(text_ids)

        sums = {
            cell: last.cells[cell] if unchanged(last.cells.get(cell), text_ids) else self._sums(text_ids)
            for cell, text_ids in cells.items()
        }
        groups = {
            name: last.groups[name] if unchanged(last.groups.get(name), text_ids) else self._group(text_ids)
            for name, text_ids in sorted(positives_of(cells).items())
        }
        return View(sums, groups)

    def _sums(self, text_ids: tuple[str, ...]) -> Sums:
        return Sums(text_ids, row_sum(self.rows.take(text_ids)), self.heads.sums(text_ids))

    def _group(self, text_ids: tuple[str, ...]) -> Group:
        rows = self.rows.take(text_ids)
        return Group(text_ids, Centred.of(rows), [variance_ratios(layer) for layer in rows])


def cells_of(placements: Sequence[Placement]) -> dict[Cell, tuple[str, ...]]:
    """The unique texts, sorted by id, by the exact set of concepts they stand under."""
    cell_of: dict[str, Cell] = {}
    for placement in placements:
        cell = cell_of.get(placement.text_id, ())
        if placement.concept is not None and placement.concept not in cell:
            cell = tuple(sorted((*cell, placement.concept)))
        cell_of[placement.text_id] = cell
    text_ids_of: dict[Cell, list[str]] = {}
    for text_id, cell in cell_of.items():
        text_ids_of.setdefault(cell, []).append(text_id)
    return {cell: tuple(sorted(text_ids)) for cell, text_ids in text_ids_of.items()}


def positives_of(cells: Cells) -> dict[str, tuple[str, ...]]:
    """`P_c`: each concept's unique texts, sorted by id."""
    positives: dict[str, list[str]] = {}
    for cell, text_ids in cells.items():
        for concept in cell:
            positives.setdefault(concept, []).extend(text_ids)
    return {concept: tuple(sorted(text_ids)) for concept, text_ids in positives.items()}


def _total(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def _powers(parts: Sequence[PowerSums]) -> PowerSums:
    return _total([sums for sums, _ in parts]), _total([squares for _, squares in parts])
