"""The Queue view: the stories to fix across the corpus, the worst first; below them, the maybes."""

from __future__ import annotations

from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.words import STRENGTHS, fit, state_sign
from engine.plain import plain
from engine.wire.snapshot import StoryView


class QueuePane(Vertical):
    """Stories to fix, and maybes."""

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
        maybe = [view for view in queue if not view.misread]
        self.query_one("#queue-head", Static).update(_head(mirror, len(misread), len(maybe)))
        width = max((len(view.concept or "") for view in queue), default=0)
        lines = [_line(view, place, width) for place, view in enumerate(misread, 1)]
        if maybe:
            lines.append(Line("", _draw_divider, is_heading=True))
            lines += [_line(view, place, width) for place, view in enumerate(maybe, len(misread) + 1)]
        empty = "no numbers yet (8 shows what the engine is doing)" if mirror.revision == 0 else "nothing to fix"
        self.query_one(LineList).show(lines, empty=empty)


def _head(mirror: Mirror, n_misread: int, n_maybe: int) -> Text:
    if not mirror.is_judged:
        return Text("the stories are not judged yet", style="dim")
    count = f"{n_misread} to fix" if n_misread else "nothing to fix"
    text = Text(count, style="bold yellow" if n_misread else "bold green")
    asides = [f" · {n} {word}" for n, word in ((mirror.n_accepted, "accepted"), (n_maybe, "maybe")) if n]
    return text.append("".join(asides), style="not bold dim")


def _line(view: StoryView, place: int, concept_width: int) -> Line:
    return Line(view.path, partial(_draw, view, place, concept_width))


def _draw(view: StoryView, place: int, concept_width: int, width: int) -> Text:
    (_, own), *others = view.shares
    rival, share = others[0] if others else ("", 0.0)
    text = Text.assemble(
        (f"{place:>4} ", "dim"),
        (f"{plain(view.concept or ''):<{concept_width}}", "bold" if view.misread else ""),
        (f" {own:4.0%}  ", "" if view.misread else "dim"),
        (f"{plain(rival):<{concept_width}} {share:4.0%} ", "" if view.misread else "dim"),
        (f"{STRENGTHS[view.strength or 'none'][:3] if view.misread else '':<3}", "bold yellow"),
    )
    if view.state not in ("ok", "misread"):
        text.append("  ").append_text(state_sign(view))
    room = max(1, width - text.cell_len - 2)
    return text.append(f"  {fit(plain(view.scenario or 'stories'), room)}", style="dim")


def _draw_divider(width: int) -> Text:
    label = "─ maybe: one chance in ten, or more, that something is off. Look, and often keep "
    return Text(label + "─" * max(0, width - len(label)), style="dim")
