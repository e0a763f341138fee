"""A text is filed under its concepts, whatever came and went before and whatever scenarios tell it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.compute.live.filing import Filing
from engine.wire.jobs import Placement

CONCEPTS, SCENARIOS = [None, "calm", "sad"], [None, "bus", "rain"]
PLACEMENTS = st.lists(
    st.builds(Placement, st.sampled_from("uvwxyz"), st.sampled_from(CONCEPTS), st.sampled_from(SCENARIOS))
)


def filed_naively(placements: list[Placement]) -> dict[tuple[str, ...], tuple[str, ...]]:
    cells: dict[tuple[str, ...], tuple[str, ...]] = {}
    for text_id in sorted({place.text_id for place in placements}):
        concepts = {place.concept for place in placements if place.text_id == text_id and place.concept is not None}
        cell = tuple(sorted(concepts))
        cells[cell] = (*cells.get(cell, ()), text_id)
    return cells


@given(st.lists(PLACEMENTS, min_size=1))
def test_any_changes_end_in_the_filing_of_the_last_stories(changes: list[list[Placement]]) -> None:
    filing = Filing()
    for placements in changes:
        before, filing = filing, filing.changed(placements)
        assert list(filing.cells.items()) == sorted(filed_naively(placements).items())
        assert filing.cell_of == {text_id: cell for cell, text_ids in filing.cells.items() for text_id in text_ids}
        for cell in filing.cells.keys() & before.cells.keys():
            if filing.cells[cell] == before.cells[cell]:
                assert filing.cells[cell] is before.cells[cell]


def test_story_that_only_moves_to_another_scenario_leaves_all_cells_the_same() -> None:
    others = [Placement("u", "calm", "bus"), Placement("v", "sad", "bus"), Placement("w", None, "bus")]
    before = Filing().changed([*others, Placement("x", "calm", "bus"), Placement("x", "sad", None)])
    after = before.changed([*others, Placement("x", "calm", "rain"), Placement("x", "sad", "rain")])
    assert after.placements != before.placements
    assert after.cells == before.cells == {("calm",): ("u",), ("sad",): ("v",), (): ("w",), ("calm", "sad"): ("x",)}
    assert all(after.cells[cell] is before.cells[cell] for cell in before.cells)
    assert after.cell_of == before.cell_of
