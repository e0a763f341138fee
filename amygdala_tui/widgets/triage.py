"""The Triage view: concepts in their buckets, with the number that put each there next to its threshold."""

from __future__ import annotations

from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.words import number
from engine.triage import Bucket, Thresholds
from engine.wire.snapshot import ConceptView

STYLES = {
    Bucket.CONTAMINATED: "bold red",
    Bucket.FRAGMENTED: "bold yellow",
    Bucket.MIXED: "",
    Bucket.CLEAN_CIRCUIT: "green",
    Bucket.CLEAN_NEURON: "green",
}
SORTS = ("bucket", "first PC", "nearest", "R²", "stories", "name")


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
        if mirror.concepts is self._mirror.concepts and self._mirror.concepts:
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
        self.query_one("#triage-head", Static).update(
            Text.assemble(
                (counts or "no concepts yet", "bold"),
                (f"\nsorted by {SORTS[self._sort]} (s)   limits: {limits(thresholds)}", "dim"),
            )
        )
        self.query_one(LineList).show(_lines(mirror, SORTS[self._sort]))


def limits(thresholds: Thresholds) -> str:
    """The thresholds, in the order of the columns."""
    return (
        f"first PC <{thresholds.fragmented_first_pc:g} fragmented, >{thresholds.clean_first_pc:g} clean; "
        f"nearest >{thresholds.contaminated_cosine:g} contaminated; R² >{thresholds.redundant_r2:g} redundant"
    )


def _lines(mirror: Mirror, sort: str) -> list[Line]:
    heading = Line("", _draw_heading, is_heading=True)
    views = sorted(mirror.concepts.values(), key=lambda view: _order(view, mirror.middle, sort))
    if sort != "bucket":
        return [heading, *(_line(view, mirror.middle) for view in views)] if views else []
    lines = [heading] if views else []
    previous = None
    for view in views:
        name = _bucket_name(view)
        if name != previous:
            count = sum(_bucket_name(candidate) == name for candidate in views)
            lines.append(Line("", partial(_draw_bucket, name, count), is_heading=True))
            previous = name
        lines.append(_line(view, mirror.middle))
    return lines


def _bucket_name(view: ConceptView) -> str:
    return view.verdict.bucket.value if view.verdict else "no vector"


def _order(view: ConceptView, middle: int | None, sort: str) -> tuple[float, str]:
    if view.quality is None or view.verdict is None or middle is None:
        return 99.0, view.name
    first_pc, nearest, r_squared = view.quality.headline(middle)
    value = {
        "bucket": float(list(Bucket).index(view.verdict.bucket)),
        "first PC": first_pc,
        "nearest": -(nearest or -1.0),
        "R²": -r_squared,
        "stories": float(view.quality.n_positive_stories),
        "name": 0.0,
    }[sort]
    return value, view.name


def _draw_heading(_width: int) -> Text:
    return Text(f"  {'concept':<16}{'stories':>7}{'first PC':>10}{'R²':>7}  nearest", style="dim")


def _draw_bucket(name: str, count: int, width: int) -> Text:
    style = next((style for bucket, style in STYLES.items() if bucket.value == name), "dim")
    label = f"─ {name} · {count} "
    return Text(label, style=style).append("─" * max(0, width - len(label)), style="dim")


def _line(view: ConceptView, middle: int | None) -> Line:
    return Line(view.name, partial(_draw_concept, view, middle))


def _draw_concept(view: ConceptView, middle: int | None, _width: int) -> Text:
    if view.quality is None or view.verdict is None or middle is None:
        return Text(f"  {view.name:<16}").append(view.reason, style="dim")
    first_pc, nearest, r_squared = view.quality.headline(middle)
    bucket = view.verdict.bucket
    deciding = {Bucket.CONTAMINATED: "nearest", Bucket.MIXED: ""}.get(bucket, "first PC")
    style = STYLES[bucket]
    text = Text(f"  {view.name:<16}", style=style)
    text.append(f"{view.quality.n_positive_stories:>7}", style="magenta" if view.verdict.thin else "")
    text.append(f"{number(first_pc):>10}", style=style if deciding == "first PC" else "")
    text.append(f"{number(r_squared):>7}", style="bold magenta" if view.verdict.redundant else "")
    name = view.quality.nearest_concepts[0][0] if view.quality.nearest_concepts else ""
    text.append(f"  {number(nearest)} {name}", style=style if deciding == "nearest" else "")
    marks = ["redundant"] * view.verdict.redundant + ["thin"] * view.verdict.thin
    return text.append(f"  {' '.join(marks)}", style="bold magenta") if marks else text
