"""Numbers as words: how states look, and what moved. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from engine.evidence import Measured, Strength
from engine.plain import plain
from engine.wire.snapshot import Doing, StoryView

SIGNS: dict[str, tuple[str, Style]] = {
    "ok": ("", styles.DIM),
    "misread": ("!", styles.MISREAD),
    "stale": ("~ stale", styles.BUSY),
    "computing": ("* computing", styles.BUSY),
    "error": ("x error", styles.BAD),
    "empty": ("- empty", styles.BAD),
    "duplicate": ("= duplicate", styles.BAD),
    "left-out": ("x left out", styles.BAD),
}
"""A story's state as a sign or a word, and a style: never a style alone."""

TAIL = 5
"""Cells kept of the end of a name that is cut."""
WRAPPING = Console()
"""Wrapping text asks for a console, and takes nothing from it."""
BAR = "▇"
LEVELS = "▁▂▃▄▅▆▇█"


def state_sign(view: StoryView) -> Text:
    """A story's state; a misread one also names what it reads as."""
    if view.accepted is not None and view.state == "ok":
        return Text("accepted", style=styles.DIM)
    sign, style = SIGNS[view.state]
    if view.state == "misread" and (rival := rival_in_lead(view)):
        sign = f"! {plain(rival)}"
    return Text(sign, style=style)


STRENGTHS: dict[Strength, str] = {
    "none": "",
    "borderline": "● borderline",
    "fair": "●● fair",
    "strong": "●●● strong",
    "too few to tell": "no verdict yet: too few stories of its concept, or too few concepts",
}
"""How sure it is that a story is off, in words."""


def rival_in_lead(view: StoryView) -> str | None:
    """The concept that a story belongs to more likely than to its own, if there is one."""
    (_, own), *others = view.shares or [("", 1.0)]
    rival, share = others[0] if others else ("", 0.0)
    return rival if share > own else None


def title(path: str) -> str:
    """A story's short name: scenario and concept."""
    parts = PurePosixPath(path)
    return parts.stem if parts.parts[0] == "stories" else f"{parts.parent.name} / {parts.stem}"


def fit(name: str, width: int) -> str:
    """A name cut in its middle to fit a width in cells, since scenarios that begin alike differ at the end."""
    if cell_len(name) <= width or width < 2 * TAIL:
        return name
    start = len(name) - TAIL
    while cell_len(name[start:]) > TAIL:
        start += 1
    return set_cell_size(name, width - 1 - cell_len(name[start:])).rstrip() + "…" + name[start:]


def bar(value: float, width: int) -> str:
    """A bar for a value between 0 and 1; the sign is lost, so print the number beside it."""
    return BAR * round(min(abs(value), 1.0) * width)


def sparkline(values: Sequence[float]) -> str:
    """One character per value between 0 and 1."""
    steps = len(LEVELS) - 1
    return "".join(LEVELS[round(min(max(value, 0.0), 1.0) * steps)] for value in values)


def counted(count: int, one: str, many: str) -> str:
    """A number of things: "1 story", "2 stories"."""
    return f"{count} {one if count == 1 else many}"


def number(value: float | None) -> str:
    """A number with two digits, or a dash where there is none."""
    return "—" if value is None else f"{value:.2f}"


def share_of_pairs(auroc: Measured | None) -> str:
    """An AUROC as the share of pairs that are read right, with its interval: "98 (96–99)"."""
    return "—" if auroc is None else f"{100 * auroc.value:.0f} ({100 * auroc.low:.0f}–{100 * auroc.high:.0f})"


def arrow(pair: tuple[float | None, float | None]) -> str:
    """Before → after."""
    return f"{number(pair[0])} → {number(pair[1])}"


def engine_state(mirror: Mirror, away: str) -> Text:
    """What the engine does, in a writer's words, for the status line: always a sign and words."""
    doing = mirror.doing
    if away:
        return Text.assemble(("○ no engine", styles.BAD))
    if doing is None:
        before = ": numbers of before" if mirror.is_from_before else ""
        return Text.assemble((f"○ looking for the engine{before}", styles.BUSY))
    match doing.state:
        case "scanning":
            return Text.assemble(("◌ looking at the files", styles.BUSY))
        case "loading":
            return Text.assemble(("◌ loading the model", styles.BUSY))
        case "computing":
            return Text.assemble((f"◌ reading {_reading(doing)}".rstrip(), styles.BUSY))
        case "failed":
            return Text.assemble(("x failed (8: why)", styles.BAD))
    if not doing.live:
        waits = f": {counted(doing.waiting, 'story waits', 'stories wait')}" if doing.waiting else ""
        return Text.assemble((f"‖ paused{waits}", styles.LOUD))
    return Text.assemble(("● up to date", styles.GOOD))


def _reading(doing: Doing) -> str:
    left = f", {duration(doing.left)} left" if doing.left is not None else ""
    return f"{counted(doing.total - doing.done, 'story', 'stories')}{left}" if doing.total > doing.done else ""


def progress(doing: Doing) -> str:
    """Texts done, rate, time left."""
    left = f", {duration(doing.left)} left" if doing.left is not None else ""
    return f"{doing.done}/{doing.total} at {doing.rate:.0f}/s{left}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"
