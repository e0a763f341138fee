"""A list that renders only the rows on screen, so that ten thousand rows cost as much as thirty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip


@dataclass(frozen=True)
class Line:
    """One row: what it stands for, and how to draw it at a width in cells. A heading cannot hold the cursor."""

    key: str
    draw: Callable[[int], Text]
    is_heading: bool = False


class LineList(ScrollView, can_focus=True):
    """A list with a cursor, moved by arrows, hjkl, paging keys and the mouse."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", "up", show=False),
        Binding("down,j", "cursor(1)", "down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "edge(-1)", "first", show=False),
        Binding("end,G", "edge(1)", "last", show=False),
        Binding("enter", "choose", "open", show=False),
    ]
    DEFAULT_CSS = """
    LineList { scrollbar-size-vertical: 1; overflow-x: hidden; }
    """

    cursor: reactive[int] = reactive(0, repaint=False)

    @dataclass
    class Highlighted(Message):
        """The writer moved the cursor to another row."""

        list: LineList
        key: str

        @property
        def control(self) -> LineList:
            return self.list

    @dataclass
    class Chosen(Message):
        """The writer pressed Enter, or clicked on the row under the cursor."""

        list: LineList
        key: str

        @property
        def control(self) -> LineList:
            return self.list

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._places: dict[str, int] = {}
        self._empty = empty

    @property
    def key(self) -> str | None:
        """What the row under the cursor stands for."""
        return self._lines[self.cursor].key if self._lines else None

    def show(self, lines: Sequence[Line], empty: str | None = None) -> None:
        """Show these rows. The cursor stays on its row's key, or else at its place in the list."""
        key = self.key
        self._lines = lines
        self._places = {line.key: place for place, line in enumerate(lines) if not line.is_heading}
        self._empty = self._empty if empty is None else empty
        size = Size(self.size.width, max(1, len(lines)))
        if size != self.virtual_size:
            self.virtual_size = size
        self.set_reactive(LineList.cursor, self._landing(self._places.get(key or "", self.cursor)))
        self.refresh()
        self._redraw(self.cursor, self.cursor)

    def select(self, key: str) -> None:
        """Put the cursor on a row, without a message; does nothing if there is no such row."""
        place = self._places.get(key)
        if place is not None and place != self.cursor:
            old = self.cursor
            self.set_reactive(LineList.cursor, place)
            self._redraw(old, place)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        base = self.rich_style
        if not self._lines:
            text = Text(self._empty if y == 0 else "", style="dim")
        elif place >= len(self._lines):
            text = Text("")
        else:
            text = self._lines[place].draw(width).copy()
        text.truncate(width, overflow="ellipsis", pad=True)
        if self._lines and place == self.cursor:
            text.stylize(Style(reverse=True) if self.has_focus else Style(bold=True, underline=True))
        return Strip(text.render(self.app.console), width).apply_style(base)

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(event.size.width, max(1, len(self._lines)))

    def on_focus(self) -> None:
        self.refresh_line(self.cursor)

    def on_blur(self) -> None:
        self.refresh_line(self.cursor)

    def on_click(self, event: events.Click) -> None:
        place = event.y + self.scroll_offset.y
        if not 0 <= place < len(self._lines) or self._lines[place].is_heading:
            return
        if place == self.cursor:
            self.action_choose()
        else:
            self._move_to(place)

    def action_cursor(self, step: int) -> None:
        place = self.cursor + step
        while 0 <= place < len(self._lines) and self._lines[place].is_heading:
            place += step
        if 0 <= place < len(self._lines):
            self._move_to(place)
        elif step < 0:
            self.scroll_to(y=0, animate=False)  # show the headings above the first row

    def action_page(self, pages: int) -> None:
        self._move_to(self._landing(self.cursor + pages * max(1, self.size.height - 1)))

    def action_edge(self, side: int) -> None:
        self._move_to(self._landing(0 if side < 0 else len(self._lines) - 1))

    def action_choose(self) -> None:
        if self._lines and not self._lines[self.cursor].is_heading:
            self.post_message(self.Chosen(self, self._lines[self.cursor].key))

    def _landing(self, place: int) -> int:
        """The next row, downwards or else upwards, that can hold the cursor."""
        last = len(self._lines) - 1
        if last < 0:
            return 0
        place = min(max(place, 0), last)
        below = range(place, last + 1)
        above = range(place, -1, -1)
        return next((row for span in (below, above) for row in span if not self._lines[row].is_heading), place)

    def _move_to(self, place: int) -> None:
        if not self._lines or place == self.cursor:
            return
        old, self.cursor = self.cursor, place
        self._redraw(old, place)
        self.post_message(self.Highlighted(self, self._lines[place].key))

    def _redraw(self, old: int, new: int) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if new < top:
            self.scroll_to(y=new, animate=False)
        elif height and new >= top + height:
            self.scroll_to(y=new - height + 1, animate=False)
        self.refresh_line(old)
        self.refresh_line(new)
