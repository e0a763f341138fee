"""The tutorial over the studio: a writer in one SSH session has no second window to read it in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from amygdala_tui import styles
from engine.errors import AmygdalaError
from engine.plain import plain
from engine.threads import answered_within, in_thread

if TYPE_CHECKING:
    from amygdala_tui.tutorial import Page

WIDEST = 96
"""Columns; longer lines are hard to read."""
MARGIN = 8
"""Columns that the frame, the padding and the scroll bar take."""
ANSWERS_WITHIN_S = 3.0


class Tutorial(ModalScreen[None]):
    """A corpus's tutorial. The screen is kept while it is closed, and so is the place that was read last.

    Args:
        corpus: its folder.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,T", "close", "back"),
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("n", "section(1)", "next section", show=False),
        Binding("N", "section(-1)", "section before", show=False),
        Binding("y", "copy", "copy the text", show=False),
        Binding("space", "page_down", "page down", show=False),
    ]

    def __init__(self, corpus: Path) -> None:
        super().__init__()
        self._corpus = corpus
        self._markdown: str | None = None
        self._page: Page | None = None
        self._width = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            with VerticalScroll(id="page"):
                yield Static("reading …", id="page-text", markup=False)
            yield Static(_keys(), id="page-keys", markup=False)

    def on_mount(self) -> None:
        self.query_one("#page").focus()

    def on_resize(self) -> None:
        self._lay_out()

    @work(exclusive=True)
    async def _lay_out(self) -> None:
        """Read the tutorial, if it was not read yet, and lay it out for this width."""
        width = max(20, min(self.size.width - MARGIN, WIDEST))
        if width == self._width:
            return
        if self._markdown is None:
            try:
                self._markdown = await answered_within(ANSWERS_WITHIN_S, self._corpus, partial(_read, self._corpus))
            except AmygdalaError as error:
                self.query_one("#page-text", Static).update(plain(str(error)))
                return
        before = self._page
        self._page = await in_thread(_page, self._markdown, width)
        self._width = width
        self.query_one("#page-text", Static).update(self._page.text)
        if before is not None:
            self.call_after_refresh(self._go_to_line, _same_place(before, self._page, round(self._scroll.scroll_y)))

    @property
    def _scroll(self) -> VerticalScroll:
        return self.query_one("#page", VerticalScroll)

    def _go_to_line(self, line: int) -> None:
        self._scroll.scroll_to(y=line, animate=False)

    def action_close(self) -> None:
        self.app.pop_screen()

    def action_scroll(self, lines: int) -> None:
        self._scroll.scroll_relative(y=lines, animate=False)

    def action_page_down(self) -> None:
        self._scroll.scroll_page_down(animate=False)

    def action_section(self, step: int) -> None:
        """Go to the section after the line at the top, or to the one before it."""
        if self._page is None:
            return
        starts, line = (0, *self._page.sections), round(self._scroll.scroll_y)
        place = bisect_right(starts, line) if step > 0 else bisect_left(starts, line) - 1
        if 0 <= place < len(starts):
            self._go_to_line(starts[place])

    def action_copy(self) -> None:
        """Copy the text to be pasted that is on the screen, or else the next one, to the writer's terminal (OSC 52)."""
        text = self._page.passage_from(round(self._scroll.scroll_y)) if self._page is not None else None
        if text is None:
            self.notify("no text to copy from here on", timeout=3)
        else:
            self.app.copy_to_clipboard(text)
            begins = " ".join(text.split()[:5])
            self.notify(f"copied “{begins} …”, if your terminal lets programs copy", timeout=3, markup=False)


# rich's Markdown is imported where it is needed, in a thread: the studio opens without it, and goes on meanwhile


def _read(corpus: Path) -> str:
    from amygdala_tui import tutorial

    return tutorial.read(corpus)


def _page(markdown: str, width: int) -> Page:
    from amygdala_tui import tutorial

    return tutorial.page(markdown, width)


def _same_place(before: Page, now: Page, line: int) -> int:
    """Where the place of a line is once the page is laid out anew: as far into its section as it was."""
    old, new = (0, *before.sections), (0, *now.sections)
    place = bisect_right(old, line) - 1
    old_end = old[place + 1] if place + 1 < len(old) else str(before.text).count("\n")
    new_end = new[place + 1] if place + 1 < len(new) else str(now.text).count("\n")
    share = (line - old[place]) / max(1, old_end - old[place])
    return new[place] + round(share * (new_end - new[place]))


def _keys() -> Text:
    text = Text()
    for key, words in (("↑↓", "read"), ("n N", "section"), ("y", "copy the text"), ("esc", "back to the studio")):
        text.append(key, style=styles.HEADING).append(f" {words}  ", style=styles.DIM)
    return text
