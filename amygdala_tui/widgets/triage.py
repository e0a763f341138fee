"""The Triage view's list: concepts that are worth a look first; those that are as chance would have it are folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import CONCEPT
from amygdala_tui.widgets.concept_table import ConceptTable
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.words import counted
from engine.triage import Thresholds
from engine.verdicts import Finding
from engine.wire.snapshot import ConceptView

SORTS = ("verdict", "reads", "first PC", "nearest", "R²", "stories", "name")
WORST_FIRST = tuple(Finding)
WORTH_A_LOOK, AS_CHANCE, UNKNOWN, UNJUDGED, WITHOUT = GROUPS = (
    "worth a look",
    "as chance would have it",
    "no verdict yet",
    "not judged yet",
    "without a vector",
)
FEW = 30
"""Concepts up to which those that are as chance would have it are not folded: all have a line on one screen."""


class TriageList(LineList):
    """Every concept with its verdict."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, empty="no numbers yet (8 shows what the engine is doing)")
        self._mirror = Mirror()
        self._sort = 0
        self.is_unfolded = False
        self.with_classic = False

    def show_mirror(self, mirror: Mirror) -> None:
        """Draw this state."""
        before = self._mirror
        if mirror.concepts and mirror.concepts is before.concepts and mirror.stories is before.stories:
            return
        self._mirror = mirror
        self._rebuild()

    def sort_next(self) -> None:
        """Sort by the next column."""
        self._sort = (self._sort + 1) % len(SORTS)
        self._rebuild()

    @property
    def sort(self) -> str:
        """The name of the column by which it is sorted."""
        return SORTS[self._sort]

    def sort_by(self, column: str) -> None:
        """Sort by a column, if there is one of this name."""
        if column in SORTS and column != self.sort:
            self._sort = SORTS.index(column)
            self._rebuild()

    def toggle_fold(self) -> None:
        """Show the concepts that are as chance would have it, or hide them."""
        self.is_unfolded = not self.is_unfolded
        self._rebuild()

    def toggle_classic(self) -> None:
        """Show the classic buckets beside the verdicts, or no longer."""
        self.with_classic = not self.with_classic
        self._rebuild()

    def select(self, key: str | None) -> None:
        """Light a concept, although the others of its kind are folded."""
        super().select(key)
        if key is not None and key not in self._places and key.removeprefix(CONCEPT) in self._mirror.concepts:
            self._rebuild()

    def _rebuild(self) -> None:
        mirror, sort = self._mirror, self.sort
        views = sorted(mirror.concepts.values(), key=lambda view: _order(view, mirror.middle, sort))
        if not views:
            self.show(())
            return
        table = ConceptTable(views, mirror, with_classic=self.with_classic)
        lines = [_note(summary(views)), _note(f"sorted by {sort}")]
        if self.with_classic:
            lines += [_note(words) for words in _classic(mirror)]
        lines.append(Line("", table.draw_heading, is_heading=True))
        if sort != "verdict":
            self.show(lines + [table.line(view) for view in views])
            return
        for group in GROUPS:
            members = [view for view in views if _group(view) == group]
            if members:
                is_folded = group == AS_CHANCE and not self.is_unfolded and len(views) > FEW
                lines.append(Line("", partial(_draw_group, group, len(members), is_folded), is_heading=True))
                shown = [view for view in members if not is_folded or f"{CONCEPT}{view.name}" == self._selected]
                lines += [table.line(view) for view in shown]
        self.show(lines)


def limits(thresholds: Thresholds) -> str:
    """The thresholds, in the order of the columns."""
    return (
        f"first PC <{thresholds.fragmented_first_pc:g} fragmented, >{thresholds.clean_first_pc:g} clean; "
        f"nearest >{thresholds.contaminated_cosine:g} contaminated; R² >{thresholds.redundant_r2:g} redundant"
    )


def summary(views: Sequence[ConceptView]) -> str:
    """How many concepts are worth a look, how many are not, and how many nothing can be said of."""
    if not views:
        return "no concepts yet"
    counts = Counter(_group(view) for view in views)
    return f"{counted(len(views), 'concept', 'concepts')}: " + ", ".join(
        f"{counts[group]} {group}" for group in GROUPS if counts[group] or group == WORTH_A_LOOK
    )


def _classic(mirror: Mirror) -> list[str]:
    """How many concepts are in each classic bucket, and the limits of the buckets."""
    thresholds = mirror.settings.thresholds if mirror.settings else Thresholds()
    counts = "  ".join(f"{name} {len(names)}" for name, names in mirror.buckets().items() if names)
    return [f"classic buckets: {counts}", f"limits: {limits(thresholds)}"]


def _group(view: ConceptView) -> str:
    if view.quality is None:
        return WITHOUT
    verdict = view.evidence_verdict
    if verdict is None:
        return UNJUDGED
    return WORTH_A_LOOK if verdict.worth_a_look else UNKNOWN if verdict.finding is Finding.UNKNOWN else AS_CHANCE


def _order(view: ConceptView, middle: int | None, sort: str) -> tuple[float, str]:
    if view.quality is None or middle is None:
        return 99.0, view.name
    first_pc, nearest, r_squared = view.quality.headline(middle)
    verdict, auroc = view.evidence_verdict, view.evidence.auroc if view.evidence else None
    value = {
        "verdict": float(WORST_FIRST.index(verdict.finding)) if verdict else 98.0,
        "reads": auroc.value if auroc else 98.0,
        "first PC": first_pc,
        "nearest": -(nearest or -1.0),
        "R²": -r_squared,
        "stories": float(view.quality.n_positive_stories),
        "name": 0.0,
    }[sort]
    return value, view.name


def _draw_group(group: str, count: int, is_folded: bool, width: int) -> Text:
    label = f"─ {'as chance would have it, or better' if group == AS_CHANCE else group} · {count} "
    label += "· m shows them " if is_folded else ""
    return Text(label, style=styles.HEADING if group == WORTH_A_LOOK else styles.DIM).append(
        "─" * max(0, width - len(label)), style=styles.DIM
    )


def _note(words: str) -> Line:
    return Line("", lambda _: Text(f"  {words}", style=styles.DIM), is_heading=True)
