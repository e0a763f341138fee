"""Concepts as rows of a table that keeps the columns that matter most where the screen is narrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from rich.cells import cell_len
from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import CONCEPT
from amygdala_tui.widgets.lines import Line
from amygdala_tui.words import fit, number, share_of_pairs
from engine.plain import plain
from engine.verdicts import ConceptVerdict
from engine.wire.snapshot import ConceptView

COLUMNS = ("concept", "stories", "pairs right", "closest", "verdict", "to fix", "bucket", "first PC", "R²")
"""From left to right."""
MATTER = ("concept", "verdict", "bucket", "pairs right", "stories", "to fix", "closest", "first PC", "R²")
"""Those that stay where there is no room for all come first."""
CLASSIC = frozenset({"bucket", "first PC", "R²"})
"""Those of the script in use today, shown only where they are asked for."""
NUMBERS = frozenset({"stories", "to fix", "first PC", "R²"})
LONGEST_NAME = 20
GAP = "  "


class ConceptTable:
    """The rows of all concepts; each column is as wide as its widest cell."""

    def __init__(self, views: Sequence[ConceptView], mirror: Mirror, *, with_classic: bool) -> None:
        hidden: frozenset[str] = frozenset() if with_classic else CLASSIC
        self._columns = [column for column in MATTER if column not in hidden]
        to_fix = Counter(story.concept for story in mirror.stories.values() if story.state == "misread")
        self._middle = mirror.middle
        self._cells = {view.name: _cells(view, mirror.middle, to_fix[view.name]) for view in views}
        self._widths = {
            column: max([cell_len(column), *(cell_len(cells.get(column, "")) for cells in self._cells.values())])
            for column in COLUMNS
        }

    def line(self, view: ConceptView) -> Line:
        """A concept's row."""
        return Line(f"{CONCEPT}{view.name}", partial(self._draw, view))

    def draw_heading(self, width: int) -> Text:
        """What stands in each column."""
        shown = self._fitting(width)
        return Text(GAP + GAP.join(self._padded(column, column) for column in shown), style=styles.DIM)

    def _fitting(self, width: int) -> list[str]:
        """The columns that there is room for, those that matter most first in line; at least the first."""
        kept, free = self._columns[:1], width - len(GAP) - self._widths[self._columns[0]]
        for column in self._columns[1:]:
            free -= len(GAP) + self._widths[column]
            if free < 0:
                break
            kept.append(column)
        return [column for column in COLUMNS if column in kept]

    def _padded(self, column: str, cell: str) -> str:
        blank = " " * (self._widths[column] - cell_len(cell))
        return blank + cell if column in NUMBERS else cell + blank

    def _draw(self, view: ConceptView, width: int) -> Text:
        cells, verdict = self._cells[view.name], view.evidence_verdict
        is_off = verdict is not None and verdict.worth_a_look
        text = Text(style="" if is_off else styles.DIM)
        if view.quality is None or self._middle is None:
            text.append(f"{GAP}{self._padded('concept', cells['concept'])}{GAP}{plain(view.reason)}")
        else:
            for column in self._fitting(width):
                style = {"concept": styles.HEADING, "verdict": styles.MISREAD}.get(column, "") if is_off else ""
                text.append(GAP).append(self._padded(column, cells[column]), style=style)
        text.truncate(max(1, width), overflow="ellipsis")
        return text


def _cells(view: ConceptView, middle: int | None, to_fix: int) -> dict[str, str]:
    """What stands in a concept's row, by column; of a concept without numbers only its name."""
    name = fit(plain(view.name), LONGEST_NAME)
    if view.quality is None or middle is None:
        return {"concept": name}
    first_pc, _, r_squared = view.quality.headline(middle)
    return {
        "concept": name,
        "stories": str(view.quality.n_positive_stories),
        "pairs right": share_of_pairs(view.evidence.auroc if view.evidence else None),
        "closest": _closest(view),
        "verdict": fit(_short(view.evidence_verdict), LONGEST_NAME + len("told like ")),
        "to fix": str(to_fix or ""),
        "bucket": view.verdict.label if view.verdict else "",
        "first PC": number(first_pc),
        "R²": number(r_squared),
    }


def _short(verdict: ConceptVerdict | None) -> str:
    """A verdict where there is little room: of one that cannot be given, what to do."""
    if verdict is None:
        return ""
    return f"write {verdict.missing} more" if verdict.missing else plain(verdict.label)


def _closest(view: ConceptView) -> str:
    evidence = view.evidence
    if evidence is None or evidence.rival is None or evidence.rival_auroc is None:
        return ""
    return f"{fit(plain(evidence.rival), LONGEST_NAME)} {100 * evidence.rival_auroc.value:.0f}"
