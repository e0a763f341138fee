"""A list that renders only the rows on screen, so that ten thousand rows cost as much as thirty."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from amygdala_tui import styles

MARK = "◆"
"""What the first cell of a marked row has, in every list: rows leave that cell free."""


@dataclass(frozen=True)
class Line:
    """One row: what it stands for, and how to draw it at a width in cells. A heading cannot hold the cursor."""

    key: str
    draw: Callable[[int], Text]
    is_heading: bool = False


class Selector(Protocol):
    """Who owns the selection that lists show (the screen). It is told of each move at once, by a call: the next key
    may be in the queue already, and must act on the row that is lit when it comes."""

    def leads(self, rows: LineList) -> bool:
        """Whether the selection is to move to another row of this list, when the selected row leaves it."""

    def row_lit(self, key: str | None) -> None:
        """The light of the list that leads came to a row; None: it has no rows."""

    def row_chosen(self) -> None:
        """The writer pressed Enter, or clicked on the lit row."""


class LineList(ScrollView, can_focus=True):
    """A list that lights the selected row, moved by arrows, hjkl, paging keys and the mouse.

    Only the selection is ever lit. A list without the selected row lights none, unless it leads: then the selection
    moves to the row at the same place.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", "up", show=False),
        Binding("down,j", "cursor(1)", "down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("home,g", "edge(-1)", "first", show=False),
        Binding("end,G", "edge(1)", "last", show=False),
        Binding("enter", "choose", "open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--lit", "line-list--lit-elsewhere"}
    DEFAULT_CSS = """
    LineList { scrollbar-size-vertical: 1; overflow-x: hidden; }
    LineList > .line-list--lit { background: $block-cursor-background; }
    LineList > .line-list--lit-elsewhere { background: $block-cursor-blurred-background; }
    """

    cursor: reactive[int] = reactive(0, repaint=False)

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._places: dict[str, int] = {}
        self._empty = empty
        self._selected: str | None = None
        """The key of the selection, whether this list has such a row or not."""
        self.selector: Selector | None = None
        self.is_dim = False
        """Whether the numbers are of before: the engine that gave them is not there."""
        self.marked: Container[str] = ()
        """Keys of the rows that carry a mark."""

    @property
    def key(self) -> str | None:
        """What the lit row stands for; None if none is lit."""
        return self._selected if self._selected in self._places else None

    def show(self, lines: Sequence[Line], empty: str | None = None) -> None:
        """Show these rows, the selected one lit."""
        self._lines = lines
        self._places = {line.key: place for place, line in enumerate(lines) if not line.is_heading}
        self._empty = self._empty if empty is None else empty
        size = Size(self.size.width, max(1, len(lines)))
        if size != self.virtual_size:
            self.virtual_size = size
        self.set_reactive(LineList.cursor, self._places.get(self._selected or "", self._landing(self.cursor)))
        self.refresh()
        self._redraw(self.cursor, self.cursor)
        self.keep_lit()

    def select(self, key: str | None) -> None:
        """Light the row of the selection, if it is here."""
        self._selected = key
        old, place = self.cursor, self._places.get(key or "", self.cursor)
        self.set_reactive(LineList.cursor, place)
        self._redraw(old, place)

    def keep_lit(self) -> None:
        """Where this list leads and the selected row is not in it: move the selection to the row at the cursor."""
        if self.key is not None or self.selector is None or not self.selector.leads(self):
            return
        line = self._lines[self.cursor] if self._lines else None
        self._selected = line.key if line is not None and not line.is_heading else None
        self.refresh_line(self.cursor)
        self.selector.row_lit(self._selected)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        base = self.rich_style
        if not self._lines:
            text = Text(self._empty if y == 0 else "", style=styles.DIM)
        elif place >= len(self._lines):
            text = Text("")
        else:
            text = self._lines[place].draw(width).copy()
            if self._lines[place].key in self.marked:
                text = Text.assemble((MARK, styles.HEADING), text[1:])
        text.truncate(width, overflow="ellipsis", pad=True)
        if self.is_dim:
            text.stylize(styles.DIM)
        if self.key is not None and place == self.cursor:
            self._light_up(text)
        return Strip(text.render(self.app.console), width).apply_style(base)

    def _light_up(self, row: Text) -> None:
        """Lay one background over a whole row, whatever its spans; without colours, reverse it, or mark its start."""
        if not self.app.native_ansi_color:
            name = "line-list--lit" if self.has_focus else "line-list--lit-elsewhere"
            row.stylize(styles.NOT_DIM + Style(bgcolor=self.get_component_rich_style(name).bgcolor))
        elif self.has_focus:
            row.stylize(styles.LIT_WITHOUT_COLOURS)
        else:
            row.stylize(styles.HEADING)
            row.stylize(styles.LIT_WITHOUT_COLOURS, 0, 1)

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(event.size.width, max(1, len(self._lines)))

    def on_focus(self) -> None:
        self.keep_lit()
        self.refresh_line(self.cursor)

    def on_blur(self) -> None:
        self.refresh_line(self.cursor)

    def on_click(self, event: events.Click) -> None:
        place = event.y + self.scroll_offset.y
        if not 0 <= place < len(self._lines) or self._lines[place].is_heading:
            return
        if self._lines[place].key == self.key:
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
        if self.key is not None and self.selector is not None:
            self.selector.row_chosen()

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
        if not self._lines or self._lines[place].is_heading or self._lines[place].key == self.key:
            return
        self.select(self._lines[place].key)
        if self.selector is not None:
            self.selector.row_lit(self.key)

    def _redraw(self, old: int, new: int) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if new < top:
            self.scroll_to(y=new, animate=False)
        elif height and new >= top + height:
            self.scroll_to(y=new - height + 1, animate=False)
        self.refresh_line(old)
        self.refresh_line(new)
