"""The Queue view: outlier stories across the corpus, worst first, with the reason."""

from __future__ import annotations

from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.widgets.lines import Line
from amygdala_tui.widgets.story_list import StoryList
from amygdala_tui.words import plain
from engine.protocol import StoryView

LONGEST_SCENARIO = 22


class QueuePane(Vertical):
    """Stories worth a look."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._stories: dict[str, StoryView] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="queue-head", markup=False)
        yield StoryList(id="queue-list", empty="nothing in the queue")

    def show(self, mirror: Mirror) -> None:
        """Draw this state."""
        if mirror.stories is self._stories:
            return
        self._stories = mirror.stories
        queue = mirror.queue
        misread = [view for view in queue if view.misread]
        rest = [view for view in queue if not view.misread]
        count = "1 story reads" if len(misread) == 1 else f"{len(misread) or 'no'} stories read"
        self.query_one("#queue-head", Static).update(
            Text.assemble(
                (f"{count} as another concept", "bold yellow" if misread else "bold green"),
                (f"; {len(rest)} more are the least aligned of their concept", "dim"),
            )
        )
        widths = (
            max((len(view.concept or "") for view in queue), default=0),
            min(max((len(view.scenario or "stories") for view in queue), default=0), LONGEST_SCENARIO),
        )
        lines = [_line(view, place, widths) for place, view in enumerate(misread, 1)]
        if rest:
            lines.append(Line("", _draw_divider, is_heading=True))
            lines += [_line(view, place, widths) for place, view in enumerate(rest, len(misread) + 1)]
        empty = "no numbers yet: the engine is not done" if mirror.revision == 0 else "nothing in the queue"
        self.query_one(StoryList).show(lines, empty=empty)


def _line(view: StoryView, place: int, widths: tuple[int, int]) -> Line:
    return Line(view.path, partial(_draw, view, place, widths))


def _draw(view: StoryView, place: int, widths: tuple[int, int], _width: int) -> Text:
    concept = Text(plain(view.concept or ""), style="bold")
    concept.truncate(widths[0], pad=True)
    where = Text(plain(view.scenario or "stories"), style="dim")
    where.truncate(widths[1], overflow="ellipsis", pad=True)
    sign = ("!", "bold yellow") if view.misread else ("·", "dim")
    return Text.assemble(
        (f"{place:>4} ", "dim"), sign, " ", concept, "  ", where, "  ",
        (plain(view.reason), "" if view.misread else "dim"),
    )  # fmt: skip


def _draw_divider(width: int) -> Text:
    label = "─ least aligned of their concept: look, and often keep "
    return Text(label + "─" * max(0, width - len(label)), style="dim")
