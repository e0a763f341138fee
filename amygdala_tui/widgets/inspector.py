"""The inspector: the selected concept in a column, beside whatever view is shown."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.words import bar, fit, number, title
from engine.plain import plain
from engine.triage import Thresholds

BAR_WIDTH = 9
NAME_WIDTH = 26
SHOWN_STORIES = 12


class Inspector(Static):
    """A concept at a glance."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)

    def show(self, mirror: Mirror, concept: str | None, path: str | None) -> None:
        """Draw a concept, marking the selected story."""
        self.update(summary(mirror, concept, path), layout=False)


def _placed(value: float, low: float | None, high: float) -> str:
    """A number and which side of its thresholds it is on."""
    if low is not None and value < low:
        return f"{value:.2f}  below {low:g}"
    return f"{value:.2f}  above {high:g}" if value > high else f"{value:.2f}  up to {high:g}"


def summary(mirror: Mirror, concept: str | None, path: str | None) -> Text:
    """The numbers that decide a concept's bucket next to their thresholds, its neighbours, its stories."""
    if concept is None:
        return Text("no concept selected", style="dim")
    view = mirror.concepts.get(concept)
    text = Text(plain(concept), style="bold")
    if view is None or view.quality is None or view.verdict is None or mirror.middle is None:
        text.append(f"\n{view.reason if view else 'no numbers yet'}", style="dim not bold")
    else:
        quality = view.quality
        limits = mirror.settings.thresholds if mirror.settings else Thresholds()
        first_pc, _, r_squared = quality.headline(mirror.middle)
        text.append(f"\n{view.verdict.label}", style="bold yellow")
        text.append(
            f"\nfirst PC {_placed(first_pc, limits.fragmented_first_pc, limits.clean_first_pc)}"
            f"\nR²       {_placed(r_squared, None, limits.redundant_r2)}",
            style="not bold",
        )
        for place, (name, cosine) in enumerate(quality.nearest_concepts[:3]):
            label = "nearest" if place == 0 else ""
            text.append(f"\n{label:<8} {number(cosine)} {name[:10]:<10} ", style="not bold")
            text.append(bar(max(cosine, 0), BAR_WIDTH), style="not bold cyan")
    stories = mirror.stories_of(concept)
    text.append(f"\n\nstories ({len(stories)})", style="bold")
    for story in stories[:SHOWN_STORIES]:
        sign = "!" if story.misread else ("x" if story.state in ("error", "empty", "duplicate", "left-out") else " ")
        style = "reverse" if story.path == path else "not bold"
        name = title(story.path).rpartition(" / ")[0] or "stories"
        share = f"{story.shares[0][1]:.0%}" if story.shares else "—"
        text.append("\n").append(f"{sign} {share:>5} {fit(plain(name), NAME_WIDTH)}", style=style)
    if len(stories) > SHOWN_STORIES:
        text.append(f"\n  and {len(stories) - SHOWN_STORIES} more (4)", style="dim")
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text
