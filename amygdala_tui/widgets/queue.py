"""The Queue view: outlier stories across the corpus, worst first, with the reason."""

from __future__ import annotations

from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.words import counted, fit, number, state_sign
from engine.plain import plain
from engine.wire.snapshot import StoryView


class QueuePane(Vertical):
    """Stories worth a look."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._stories: dict[str, StoryView] | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="queue-head", markup=False)
        yield LineList(id="queue-list", empty="nothing in the queue")

    def show(self, mirror: Mirror) -> None:
        """Draw this state."""
        if mirror.stories is self._stories:
            return
        self._stories = mirror.stories
        queue = mirror.queue
        misread = [view for view in queue if view.misread]
        least_aligned = [view for view in queue if not view.misread]
        count = counted(len(misread), "story reads", "stories read") if misread else "no stories read"
        if len(least_aligned) == 1:
            rest = "; 1 more is the least aligned of its concept"
        else:
            rest = f"; {len(least_aligned)} more are the least aligned of their concept"
        self.query_one("#queue-head", Static).update(
            Text.assemble(
                (f"{count} as another concept", "bold yellow" if misread else "bold green"),
                (rest, "dim"),
            )
        )
        width = max((len(view.concept or "") for view in queue), default=0)
        lines = [_line(view, place, width) for place, view in enumerate(misread, 1)]
        if least_aligned:
            lines.append(Line("", _draw_divider, is_heading=True))
            lines += [_line(view, place, width) for place, view in enumerate(least_aligned, len(misread) + 1)]
        empty = "no numbers yet (8 shows what the engine is doing)" if mirror.revision == 0 else "nothing in the queue"
        self.query_one(LineList).show(lines, empty=empty)


def _line(view: StoryView, place: int, concept_width: int) -> Line:
    return Line(view.path, partial(_draw, view, place, concept_width))


def _draw(view: StoryView, place: int, concept_width: int, width: int) -> Text:
    sign = ("!", "bold yellow") if view.misread else ("·", "dim")
    text = Text.assemble(
        (f"{place:>4} ", "dim"), sign, " ", (f"{plain(view.concept or ''):<{concept_width}}  ", "bold")
    )
    if view.misread:
        text.append(f"{number(view.own):>5} → {plain(view.rival or ''):<{concept_width}} {number(view.rival_score)}")
    else:
        text.append(f"{number(view.alignment):>5}", style="dim")
        if view.state != "ok":
            text.append("  ").append_text(state_sign(view))
    room = max(1, width - text.cell_len - 2)
    return text.append(f"  {fit(plain(view.scenario or 'stories'), room)}", style="dim")


def _draw_divider(width: int) -> Text:
    label = "─ the two of each concept that lean least its way: look, and often keep "
    return Text(label + "─" * max(0, width - len(label)), style="dim")
