"""The lines around every view: what the keys of a view are, and what stands above it."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from amygdala_tui.actions import ACTIONS, View
from amygdala_tui.frame import VIEWS, can_be_done, key_line, status_line
from amygdala_tui.mirror import Mirror
from amygdala_tui.sitting import Tally


def shown_keys(view: View, width: int = 200, target: str = "weary", keys: dict[str, str] | None = None) -> str:
    return key_line(keys or {}, view, target, {}, width=width).plain


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_help_and_quit_stand_in_a_line_of_any_width_and_the_palette_goes_first(view: View, width: int) -> None:
    shown = shown_keys(view, width)
    assert cell_len(shown.rstrip()) <= width
    assert "? help" in shown
    assert "q quit" in shown
    whole = shown_keys(view)
    if shown != whole:
        assert "^p" not in shown


def test_only_what_can_be_done_in_a_view_is_named() -> None:
    assert "e edit weary" in shown_keys("queue")
    assert "edit" not in shown_keys("queue", target="")
    assert "edit" not in shown_keys("triage")
    assert "s sort" in shown_keys("triage")
    assert "pause" in shown_keys("engine")
    assert "pause" not in shown_keys("queue")


def test_a_remapped_key_keeps_its_place() -> None:
    assert shown_keys("queue", keys={"edit": "E"}) == shown_keys("queue").replace("e edit", "E edit")


def test_each_action_can_be_done_somewhere_and_no_two_share_a_key() -> None:
    for action in ACTIONS:
        assert any(can_be_done(action, view, has_story=True) for view in action.views)
        assert set(action.in_footer) <= set(action.views)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_the_state_of_the_engine_is_never_cut_and_the_shown_view_is_named(width: int) -> None:
    for view, label in VIEWS.items():
        line = status_line(Mirror(), "", "a-corpus-of-a-long-name", view, Tally(), width=width)
        assert line.cell_len == width
        assert line.plain.endswith("○ looking for the engine ")
        assert label in line.plain or width < 60


def test_a_narrow_line_says_how_far_the_sitting_has_come() -> None:
    line = status_line(Mirror(), "lost", "s20", "queue", Tally(flagged=10, fixed=2, kept=1), width=60)
    assert "1 Queue   fixed 2 · kept 1 of 10" in line.plain
