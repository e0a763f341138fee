"""The first and the last line of the frame around every view. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from amygdala_tui.mirror import Mirror
from amygdala_tui.words import Opened, engine_state, moved_line
from engine.plain import plain

VIEWS = {"story": "1 Story", "triage": "2 Triage", "queue": "3 Queue", "concept": "4 Concept", "engine": "8 Engine"}
KEYBOARD = {
    "story": "#story-scroll",
    "triage": "#triage-list",
    "queue": "#queue-list",
    "concept": "#concept-stories",
    "engine": "#engine",
}
"""The widget that takes the keyboard in each view."""
WIDE = 100
"""Columns from which tree, view and inspector fit side by side; below, they take turns."""
LARGE = 160
"""Columns from which the inspector fits beside the tables too."""


def status_line(
    mirror: Mirror, away: str, corpus: str, views: Mapping[str, str], view: str, *, width: int, is_wide: bool
) -> Text:
    """The corpus, the views, and what the engine does, in `width` columns.

    Args:
        mirror: what is known of the corpus.
        away: why no engine is connected; else empty.
        corpus: the corpus's name.
        views: the views' labels by id. Unless the line `is_wide`, only the label of the shown view is written out.
        view: the id of the shown view.
        width: of the line, in columns.
        is_wide: whether there is room for all labels.
    """
    state = engine_state(mirror, away)
    doing = mirror.doing
    if doing is not None and not away:
        device = f"  {doing.device}" if is_wide and not doing.total and doing.device else ""
        state.append(f"{device}  rev {mirror.revision}  {'live' if doing.live else 'PAUSED'}", style="not bold")
    left = Text(f" Amygdala · {plain(corpus)}   " if is_wide else f" {plain(corpus)}  ", style="bold")
    for name, label in views.items():
        shown = label if is_wide or name == view else label[0]
        left.append(f" {shown} ", style="reverse not bold" if name == view else "not bold")
    left.truncate(max(1, width - state.cell_len - 2), overflow="ellipsis", pad=True)
    return Text.assemble(left, " ", state, " ")


def result_line(mirror: Mirror, away: str, opened: Mapping[str, Opened]) -> Text:
    """What went wrong; else what the last revision moved, `opened` telling how each story was when it was opened."""
    doing = mirror.doing
    if away:
        return Text(plain(away), style="bold red")
    if doing is not None and doing.state == "failed":
        return Text(f"failed: {plain(doing.detail)}", style="bold red").append("  (8: more)", style="not bold")
    if mirror.moves:
        return moved_line(mirror.moves[0], opened, mirror)
    return Text("nothing has moved yet", style="dim")
