"""What is known of a corpus's texts under one model, and of each concept from its own texts alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.compute.directions import row_sum
from engine.compute.forward import Activation
from engine.compute.head_rows import HeadRows, PowerSums
from engine.compute.models import LoadedModel
from engine.compute.quality import variance_ratios
from engine.compute.rows import Rows
from engine.compute.spaces import Cell, Spaces
from engine.settings import Settings
from engine.work import Placement


@dataclass
class Group:
    """One concept's share of the state: what follows from its own texts alone."""

    text_ids: tuple[str, ...]
    sums: Tensor
    """`[L, H]`, fp64."""
    ratios: list[list[float]]
    """Variance ratios per layer."""
    heads: PowerSums


class State:
    """Activations of the texts in use, and what each concept's own come to; a change redoes what it touches.

    Begun anew after a failure in the midst of a change: what a text's activation is, the store knows.
    """

    def __init__(self, model: LoadedModel, settings: Settings, layers: Sequence[int]) -> None:
        anatomy = model.anatomy
        self.rows = Rows(len(layers), anatomy.hidden_size, model.device)
        self.heads = HeadRows(
            [anatomy.head_width(layer) for layer in layers], [anatomy.head_dim(layer) for layer in layers], model.device
        )
        self.spaces = (
            Spaces(len(layers), anatomy.hidden_size, settings.subspace_k, model.device)
            if settings.method == "subspace"
            else None
        )
        self.groups: dict[str, Group] = {}
        self.truncated: set[str] = set()

    def begin(self, cells: Mapping[Cell, tuple[str, ...]], fresh: Collection[str]) -> list[str]:
        """Start a change to these texts, by cell; returns those whose activations are needed (`take`)."""
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

    def finish(self, cells: Mapping[Cell, tuple[str, ...]], fresh: Collection[str]) -> None:
        """All that `begin` asked for is there: forget what is no longer used, and redo the groups that changed."""
        if self.spaces is not None:
            self.spaces.finish()
        used = {text_id for text_ids in cells.values() for text_id in text_ids}
        self.rows.keep_only(used)
        self.heads.keep_only(used)
        self.truncated &= used
        positives = positives_of(cells)
        kept = {
            name: group
            for name, group in self.groups.items()
            if positives.get(name) == group.text_ids and not any(text_id in fresh for text_id in group.text_ids)
        }
        self.groups = {name: kept.get(name) or self._group(text_ids) for name, text_ids in positives.items()}

    def _group(self, text_ids: tuple[str, ...]) -> Group:
        rows = self.rows.take(text_ids)
        return Group(text_ids, row_sum(rows), [variance_ratios(layer) for layer in rows], self.heads.sums(text_ids))


def cells_of(placements: Sequence[Placement]) -> dict[Cell, tuple[str, ...]]:
    """The unique texts, sorted by id, by the exact set of concepts they stand under."""
    concepts: dict[str, set[str]] = {}
    for placement in placements:
        concepts.setdefault(placement.text_id, set()).update([placement.concept] if placement.concept else [])
    found: dict[Cell, list[str]] = {}
    for text_id in sorted(concepts):
        found.setdefault(tuple(sorted(concepts[text_id])), []).append(text_id)
    return {cell: tuple(text_ids) for cell, text_ids in found.items()}


def positives_of(cells: Mapping[Cell, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """`P_c`: each concept's unique texts, sorted by id."""
    found: dict[str, list[str]] = {}
    for cell, text_ids in cells.items():
        for concept in cell:
            found.setdefault(concept, []).extend(text_ids)
    return {concept: tuple(sorted(text_ids)) for concept, text_ids in found.items()}
