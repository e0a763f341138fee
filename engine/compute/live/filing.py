"""Which texts stand under which concepts: worked out again only for the texts that a change moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.compute.live.spaces import Cell
from engine.wire.jobs import Placement

Cells = Mapping[Cell, tuple[str, ...]]
"""The unique texts, sorted by id, by the exact set of concepts they stand under."""


@dataclass(frozen=True)
class Filing:
    """The texts of a corpus, each filed under the set of its concepts; baselines under none."""

    cells: Cells = field(default_factory=dict)
    placements: frozenset[Placement] = frozenset()
    cell_of: Mapping[str, Cell] = field(default_factory=dict)
    """By text id."""
    differing: frozenset[Placement] = frozenset()
    """Stories that came or went with the change that led here; of an edited story, both."""

    def changed(self, placements: Iterable[Placement]) -> Filing:
        """The filing of these stories. Cells that no text enters or leaves stay the same objects."""
        now = frozenset(placements)
        differing = now ^ self.placements
        differing_ids = {placement.text_id for placement in differing}
        cell_of, concepts_of = dict(self.cell_of), {text_id: set[str]() for text_id in differing_ids}
        for text_id in differing_ids:
            cell_of.pop(text_id, None)
        for placement in [placement for placement in now if placement.text_id in differing_ids]:
            text_id, concept = placement.text_id, placement.concept
            concepts_of[text_id] |= {concept} if concept is not None else set()
            cell_of[text_id] = tuple(sorted(concepts_of[text_id]))
        moved_ids = {text_id for text_id in differing_ids if cell_of.get(text_id) != self.cell_of.get(text_id)}
        came, went = _by_cell(moved_ids, cell_of), _by_cell(moved_ids, self.cell_of)
        cells = dict(self.cells)
        for cell in came.keys() | went.keys():
            ids = set(cells.pop(cell, ())) - went.get(cell, set()) | came.get(cell, set())
            if ids:
                cells[cell] = tuple(sorted(ids))
        in_order = dict(sorted(cells.items()))  # sums over cells come out the same however the corpus came about
        return Filing(in_order, now, cell_of, differing)


def _by_cell(text_ids: Iterable[str], cell_of: Mapping[str, Cell]) -> dict[Cell, set[str]]:
    filed: dict[Cell, set[str]] = {}
    for text_id in text_ids:
        if text_id in cell_of:
            filed.setdefault(cell_of[text_id], set()).add(text_id)
    return filed
