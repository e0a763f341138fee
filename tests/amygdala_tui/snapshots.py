"""Pictures of the screen as text, kept beside the tests: a person can read them, and see in a diff what has changed."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from pathlib import Path

from rich.segment import Segment

from amygdala_tui.app import Studio

FOLDER = Path(__file__).with_name("snapshots")
RENEW = "AMYGDALA_RENEW_SNAPSHOTS"
"""Set this environment variable to 1 to have the tests write what they see; then read the diff."""
MARKS = {"bold": "b", "dim": "d", "italic": "i", "underline": "u", "reverse": "r"}
"""How a style's attributes are written."""


def snapshot(app: Studio) -> str:
    """The screen as plain text; then, line by line, which columns look otherwise than most of the screen does."""
    rows = [list(strip) for strip in app.screen._compositor.render_strips()]
    text = "\n".join("".join(piece.text for piece in row).rstrip() for row in rows)
    grounds = Counter(ground for row in rows for piece in row for ground in [_ground(piece)] * piece.cell_length)
    inks = Counter(_ink(piece) for row in rows for piece in row if piece.text.strip())
    usual = {ground for ground, _ in grounds.most_common(1)} | {ink for ink, _ in inks.most_common(1)}
    lines = [f"{number:>2}  {spans}" for number, row in enumerate(rows, 1) if (spans := _spans(row, usual))]
    return "\n".join([text, f"-- looks by line and columns; all else is {' '.join(sorted(usual))}", *lines, ""])


def _spans(row: list[Segment], usual: set[str]) -> str:
    """Runs of columns of one look, those of the usual one left out."""
    runs: list[tuple[int, int, str]] = []
    column = 1
    for piece in row:
        end = column + piece.cell_length - 1
        look = " ".join(part for part in (_marks(piece), _ink(piece), _ground(piece)) if part and part not in usual)
        if runs and runs[-1][2] == look:
            runs[-1] = (runs[-1][0], end, look)
        else:
            runs.append((column, end, look))
        column = end + 1
    return ", ".join(f"{first}-{last} {look}" for first, last, look in runs if look)


def _marks(piece: Segment) -> str:
    shown = piece.style is not None and (piece.text.strip() or piece.style.underline or piece.style.reverse)
    return "".join(mark for name, mark in MARKS.items() if shown and getattr(piece.style, name))


def _ink(piece: Segment) -> str:
    color = piece.style.color if piece.style is not None and piece.text.strip() else None
    return color.name if color is not None else ""


def _ground(piece: Segment) -> str:
    color = piece.style.bgcolor if piece.style is not None else None
    return f"on {color.name}" if color is not None else ""


def assert_as_before(app: Studio, name: str) -> None:
    """The screen looks as it did when its snapshot was written, in words and in styles."""
    file = FOLDER / f"{name}.txt"
    now = snapshot(app)
    if os.environ.get(RENEW):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(now, "utf-8")
        return
    before = file.read_text("utf-8") if file.exists() else ""
    if now != before:
        diff = difflib.unified_diff(before.splitlines(), now.splitlines(), f"{file.name}, before", "now", lineterm="")
        told = "\n".join(diff)
        raise AssertionError(
            f"{told}\nif this is as it should be: {RENEW}=1 pytest tests/amygdala_tui/test_snapshots.py"
        )
