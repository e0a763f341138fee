"""How words look: one name for each thing that the studio says by looks.

A style takes its colour from a slot of the terminal's 16 colours. A theme (`amygdala_tui.themes`) says what that slot
looks like; where a terminal has but 16 colours, it is the terminal's own. Where there are no colours, bold, dim and
reverse are what is left, and nothing else is needed: a colour always stands beside a word or a sign.
"""

from __future__ import annotations

from rich.style import Style

HEADING = Style(bold=True)
DIM = Style(dim=True)
"""What decides nothing: asides, and numbers that are as chance would have them."""
MISREAD = Style(color="yellow", bold=True)
"""A story to fix, or a concept worth a look."""
RIVAL = Style(color="yellow")
"""What a story reads as instead, and what gives pause: worse, a warning."""
OWN = Style(color="cyan")
"""What a story is filed as, and a concept's own numbers."""
GOOD = Style(color="green")
"""Cleared, better, done."""
BAD = Style(color="bright_red", bold=True)
"""Failed: a file that cannot be read, an engine that is gone."""
BUSY = Style(color="bright_magenta")
"""What is on its way, and what waits: stories that the model is to read."""
LOUD = Style(color="yellow", bold=True, reverse=True)
"""What must not be overlooked and is no fault: the engine is paused."""
KEY = Style(bold=True, reverse=True)
"""A key to press, as a cap; the shown one of several tabs."""

NOT_DIM = Style(dim=False)
"""Over the lit row, whose background would leave too little of what is dim."""
LIT_WITHOUT_COLOURS = Style(color="default", bgcolor="default", reverse=True, dim=False)
"""Over the spans of the lit row, where the theme has no background for it: one look for all of it."""

NAMED: dict[str, Style] = {
    "heading": HEADING,
    "dim": DIM,
    "misread": MISREAD,
    "rival": RIVAL,
    "own": OWN,
    "good": GOOD,
    "bad": BAD,
    "busy": BUSY,
    "loud": LOUD,
    "key": KEY,
}
"""All of them but the light on a row, which is laid over these."""
