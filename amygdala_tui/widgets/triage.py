"""The Triage view: concepts that are worth a look first, then those that are as chance would have it.

The classic bucket, which `quality.json` has, stands beside each as a dim column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
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


class TriagePane(Vertical):
    """Every concept with its verdict."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._mirror = Mirror()
        self._sort = 0

    def compose(self) -> ComposeResult:
        yield Static(id="triage-head", markup=False)
        yield LineList(id="triage-list", empty="no numbers yet (8 shows what the engine is doing)")

    def show(self, mirror: Mirror) -> None:
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

    def _rebuild(self) -> None:
        mirror = self._mirror
        thresholds = mirror.settings.thresholds if mirror.settings else Thresholds()
        buckets = mirror.buckets()
        counts = "  ".join(f"{name} {len(names)}" for name, names in buckets.items() if names)
        classic = f"buckets: {counts}   limits: {limits(thresholds)}"
        self.query_one("#triage-head", Static).update(
            Text.assemble(
                (summary(list(mirror.concepts.values())), "bold"),
                (f"   sorted by {SORTS[self._sort]} (s)\n{classic}", "dim"),
            )
        )
        self.query_one(LineList).show(_lines(mirror, SORTS[self._sort]))


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


def _group(view: ConceptView) -> str:
    if view.quality is None:
        return WITHOUT
    verdict = view.evidence_verdict
    if verdict is None:
        return UNJUDGED
    return WORTH_A_LOOK if verdict.worth_a_look else UNKNOWN if verdict.finding is Finding.UNKNOWN else AS_CHANCE


def _lines(mirror: Mirror, sort: str) -> list[Line]:
    views = sorted(mirror.concepts.values(), key=lambda view: _order(view, mirror.middle, sort))
    table = ConceptTable(views, mirror)
    lines = [Line("", table.draw_heading, is_heading=True)] if views else []
    if sort != "verdict":
        return lines + [table.line(view) for view in views]
    for group in GROUPS:
        members = [view for view in views if _group(view) == group]
        if members:
            lines.append(Line("", partial(_draw_group, group, len(members)), is_heading=True))
            lines += [table.line(view) for view in members]
    return lines


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


def _draw_group(group: str, count: int, width: int) -> Text:
    label = f"─ {'as chance would have it, or better' if group == AS_CHANCE else group} · {count} "
    return Text(label, style="bold" if group == WORTH_A_LOOK else "dim").append(
        "─" * max(0, width - len(label)), style="dim"
    )
