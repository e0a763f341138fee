"""What the terminal shows, and the least that must be sent to change it: over SSH, every byte waits for the link.

Textual sends each line of a widget that may have changed, its colours anew with each piece. After a layout that is the
whole screen, mostly as it stood. Here the cells that differ are sent, and of their looks what differs from the cell
before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from rich.cells import cell_len, get_character_cell_size
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

MOST_BETWEEN = 4
"""Equal cells between two that differ, up to which they are sent too: to pass over them takes as many bytes."""
LONGEST_CHANGED, MOST_SHIFTED = 24, 16
"""A line is moved sideways where a longer or a shorter word of so many cells stands in it, by so many cells at most."""
ATTRIBUTES = {
    "bold": ("1", "22"),
    "dim": ("2", "22"),
    "italic": ("3", "23"),
    "underline": ("4", "24"),
    "underline2": ("21", "24"),
    "blink": ("5", "25"),
    "blink2": ("6", "25"),
    "reverse": ("7", "27"),
    "conceal": ("8", "28"),
    "strike": ("9", "29"),
    "overline": ("53", "55"),
}
"""What turns each attribute of a style on, and what turns it off."""
SHOWN_ON_BLANKS = frozenset({"underline", "underline2", "reverse", "strike", "overline"})
DEFAULT_COLOUR, DEFAULT_BACKGROUND = "39", "49"


class Look(NamedTuple):
    """How a cell looks, in a terminal's codes."""

    attributes: frozenset[str] | None
    """None: any that do not show on a blank."""
    colour: str | None
    """None: any, since nothing is written in it."""
    background: str


Cell: TypeAlias = tuple[str, Look]
"""What is written there, and how it looks. What is not of one column in each character, or is a link, stands in its
first cell, and nothing in its others."""
Piece: TypeAlias = tuple[int, int, Strip]
"""A row, a column, and what stands from there on."""

PLAIN = Look(frozenset(), DEFAULT_COLOUR, DEFAULT_BACKGROUND)


class Painter:
    """The cells of a terminal as they were sent last."""

    def __init__(self) -> None:
        self._size = 0, 0
        self._rows: list[list[Cell | None]] = []
        """None where it is not known what stands there."""

    def forget(self) -> None:
        """Take it that another program has written to the terminal: what is drawn next is sent whole."""
        self._size = 0, 0

    def less(self, update: RenderableType | None, size: tuple[int, int]) -> RenderableType | CompositorUpdate | None:
        """An update that does the same with fewer bytes, once it is written.

        Args:
            update: Textual's.
            size: columns and rows of the terminal.
        """
        if isinstance(update, LayoutUpdate | ChopsUpdate):
            pieces = _of_layout(update) if isinstance(update, LayoutUpdate) else _of_chops(update)
            return _Differences(self, pieces, size)
        return update

    def take(self, pieces: Iterable[Piece], size: tuple[int, int], colours: ColorSystem) -> str:
        """Take in what is to stand on the screen; returns what must be sent for that."""
        pen = _Pen()
        if size != self._size:
            self._size = size
            self._rows = [[None] * size[0] for _ in range(size[1])]
            pen.reset()
        for y, x, strip in pieces:
            row = self._rows[y] if y < len(self._rows) else []
            cells = _cells(strip, colours)[: max(len(row) - x, 0)]
            before = row[x : x + len(cells)]
            if cells != before:
                if x and before and before[0] is not None and not before[0][0]:
                    row[x - 1] = None  # half of what stood there is gone
                row[x : x + len(cells)] = cells
                if len(cells) == len(row) and (shift := _shift(before, cells)) is not None:
                    pen.shift(y, *shift)
                    before = _shifted(before, *shift)
                for start, end in _differing(before, cells):
                    pen.write(y, x + start, cells[start:end])
        return pen.written()


class _Differences(CompositorUpdate):
    """An update that is compared with what the terminal shows when it is written, not when it is made."""

    def __init__(self, painter: Painter, pieces: Iterable[Piece], size: tuple[int, int]) -> None:
        self._painter = painter
        self._pieces = pieces
        self._size = size

    def render_segments(self, console: Console) -> str:
        return self._painter.take(self._pieces, self._size, console._color_system or ColorSystem.TRUECOLOR)


class _Pen:
    """Where a terminal's cursor is and how it writes, and what has been sent to bring it there."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._place: tuple[int, int] | None = None
        """Row and column; None where the terminal may be of another mind."""
        self._look = PLAIN

    def reset(self) -> None:
        """Have the terminal write as it does by default, whatever it was told before."""
        self._sent.append("\x1b[0m")

    def write(self, y: int, x: int, cells: Sequence[Cell]) -> None:
        """Write cells from a place on."""
        send = self._sent.append
        for column, (text, look) in enumerate(cells, x):
            if not text:
                continue
            if self._place != (y, column):
                is_same_row = self._place is not None and self._place[0] == y
                send(f"\x1b[{column + 1}G" if is_same_row else f"\x1b[{y + 1};{column + 1}H")
            if look != self._look:
                self._turn_to(look)
            send(text)
            # where a terminal takes a character for wider or narrower, what follows is put in its place all the same
            self._place = (y, column + 1) if len(text) == 1 and _has_one_column_each(text) else None

    def shift(self, y: int, x: int, by: int) -> None:
        """Move what stands in a row from a place on: to the right, or (less than 0) to the left."""
        self._sent.append(f"\x1b[{y + 1};{x + 1}H\x1b[{abs(by)}{'@' if by > 0 else 'P'}")
        self._place = y, x

    def _turn_to(self, look: Look) -> None:
        """Change what differs from the look so far."""
        before = self._look
        assert before.attributes is not None
        attributes = look.attributes
        if attributes is None:
            attributes = frozenset() if before.attributes & SHOWN_ON_BLANKS else before.attributes
        now = Look(attributes, before.colour if look.colour is None else look.colour, look.background)
        ended = {ATTRIBUTES[name][1] for name in before.attributes - attributes}
        begun = [
            on
            for name, (on, off) in ATTRIBUTES.items()
            if name in attributes and (name not in before.attributes or off in ended)
        ]
        codes = [*sorted(ended), *begun]
        codes += [
            code
            for code, was in ((now.colour, before.colour), (now.background, before.background))
            if code and code != was
        ]
        if codes:
            self._sent.append(f"\x1b[{';'.join(codes)}m")
        self._look = now

    def written(self) -> str:
        """All that is to be sent; the terminal then writes as it does by default."""
        return "".join(self._sent) + ("" if self._look == PLAIN else "\x1b[0m")


def _of_layout(update: LayoutUpdate) -> Iterator[Piece]:
    """The pieces of an update of the whole screen."""
    for y, strips in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in strips:
            yield y, x, strip
            x += strip.cell_length


def _of_chops(update: ChopsUpdate) -> Iterator[Piece]:
    """The pieces of an update of some lines, or parts of lines."""
    for y, start, end in update.spans:
        for piece_end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x < end and piece_end > start:
                yield y, x, strip if piece_end <= end else strip.crop(0, end - x)


def _cells(strip: Strip, colours: ColorSystem) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, _ in strip:
        look, blank = _looks(style or Style.null(), colours)
        if (style is None or style.link is None) and _has_one_column_each(text):
            cells += [(character, blank if character == " " else look) for character in text]
        elif width := cell_len(text):
            cells.append((text if style is None or style.link is None else _linked(text, style), look))
            cells += [("", look)] * (width - 1)
    return cells


def _linked(text: str, style: Style) -> str:
    return f"\x1b]8;id={style.link_id};{style.link}\x1b\\{text}\x1b]8;;\x1b\\"


@lru_cache(4096)
def _has_one_column_each(text: str) -> bool:
    """Whether each character of a text has a column of its own."""
    return text.isascii() or all(get_character_cell_size(character) == 1 for character in text)


@lru_cache(1024)
def _looks(style: Style, colours: ColorSystem) -> tuple[Look, Look]:
    """How a style looks, and how its blanks look."""
    attributes = frozenset(name for name in ATTRIBUTES if getattr(style, name))
    colour, background = style.color, style.bgcolor
    look = Look(
        attributes,
        DEFAULT_COLOUR if colour is None else ";".join(colour.downgrade(colours).get_ansi_codes()),
        DEFAULT_BACKGROUND if background is None else ";".join(background.downgrade(colours).get_ansi_codes(False)),
    )
    return look, look if attributes & SHOWN_ON_BLANKS else Look(None, None, look.background)


def _shift(before: Sequence[Cell | None], now: Sequence[Cell]) -> tuple[int, int] | None:
    """From where on a line is to be moved sideways, and by how many cells; None where that spares nothing.

    So it is with the keys in the footer behind the name of what they act on.
    """
    place = next(n for n, (old, new) in enumerate(zip(before, now, strict=True)) if old != new)
    tail, width = place + LONGEST_CHANGED, len(now)
    if before[tail:] == now[tail:] or not all(cell is not None and len(cell[0]) == 1 for cell in before[place:]):
        return None
    for by in range(1, min(MOST_SHIFTED, width - tail) + 1):
        if before[tail : width - by] == now[tail + by :]:
            return place, by
        if before[tail + by :] == now[tail : width - by]:
            return place, -by
    return None


def _shifted(before: Sequence[Cell | None], place: int, by: int) -> list[Cell | None]:
    """A line that was moved sideways from a place on: with nothing known of the cells that came free."""
    free: list[Cell | None] = [None] * abs(by)
    if by > 0:
        return [*before[:place], *free, *before[place : len(before) - by]]
    return [*before[:place], *before[place - by :], *free]


def _differing(before: Sequence[Cell | None], now: Sequence[Cell]) -> Iterator[tuple[int, int]]:
    """The spans of cells that must be sent: those that differ, and short ones between."""
    start = end = -1
    for place, (old, new) in enumerate(zip(before, now, strict=True)):
        if old is new or old == new:
            continue
        first = place
        while first and not now[first][0]:  # it belongs to what stands before it
            first -= 1
        if start < 0:
            start = first
        elif first - end > MOST_BETWEEN:
            yield start, end
            start = first
        end = place + 1
    if start >= 0:
        yield start, end
