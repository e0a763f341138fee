"""What is sent to a terminal, read by a small terminal of the tests: it must show what Textual has drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import get_character_cell_size
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from amygdala_tui.painter import Painter, Piece
from tests.amygdala_tui.driving import STORY, screen, studio
from tests.engine.service.running import Engine
from tests.waiting import eventually_async

WIDTH, HEIGHT = 14, 3
TOKEN = re.compile(r"\x1b\[([0-9;]*)([@A-Za-z])|\x1b\]8;[^\x1b]*\x1b\\|(.)", re.DOTALL)
SHOWN = frozenset({"4", "7", "9", "21", "53"})
"""Attributes that show on a blank."""


class ScreenOfCells:
    """A terminal: text, places and looks, as far as the studio sends them."""

    def __init__(self, width: int, height: int) -> None:
        self.cells: list[list[tuple[str, tuple[str, ...]]]] = [[("?", ())] * width for _ in range(height)]
        self._x = self._y = 0
        self._attributes: set[str] = set()
        self._colours = ["39", "49"]

    def lines(self) -> list[str]:
        """What is written, without looks."""
        return ["".join(text for text, _ in row) for row in self.cells]

    def take(self, sent: str) -> None:
        for codes, kind, character in TOKEN.findall(sent):
            if kind == "H":
                self._y, self._x = (int(number) - 1 for number in codes.split(";"))
            elif kind == "G":
                self._x = int(codes) - 1
            elif kind in ("@", "P"):
                row, free = self.cells[self._y], [("?", ())] * int(codes)
                moved = (
                    [*free, *row[self._x :]][: len(row) - self._x]
                    if kind == "@"
                    else [*row[self._x + int(codes) :], *free]
                )
                row[self._x :] = moved
            elif kind == "m":
                self._look(codes.split(";"))
            elif character:
                self._put(character)
            else:
                assert not kind, f"what the studio is not known to send: {codes}{kind}"

    def _look(self, codes: list[str]) -> None:
        while codes:
            code = codes.pop(0)
            off = {"22": "1 2", "23": "3", "24": "4 21", "25": "5 6", "27": "7", "28": "8", "29": "9", "55": "53"}
            if code in ("0", ""):
                self._attributes, self._colours = set(), ["39", "49"]
            elif code in off:
                self._attributes -= set(off[code].split())
            elif code in ("38", "48"):
                n_numbers = 4 if codes[0] == "2" else 2
                self._colours[code == "48"] = ";".join([code, *codes[:n_numbers]])
                del codes[:n_numbers]
            elif code in ("39", "49") or 30 <= int(code) <= 47 or 90 <= int(code) <= 107:
                self._colours[code == "49" or int(code) in (*range(40, 48), *range(100, 108))] = code
            else:
                self._attributes.add(code)

    def _put(self, character: str) -> None:
        width = get_character_cell_size(character)
        row = self.cells[self._y]
        if width == 0:
            before = max(x for x in range(self._x) if row[x][0])
            row[before] = (row[before][0] + character, row[before][1])
            return
        is_bare = character == " " and not self._attributes & SHOWN
        look = (self._colours[1],) if is_bare else (*sorted(self._attributes), *self._colours)
        row[self._x : self._x + width] = [(character, look), *([("", look)] * (width - 1))]
        self._x += width


def drawn(strip: Strip, y: int, x: int, colours: ColorSystem = ColorSystem.TRUECOLOR) -> str:
    """A piece of a line, sent whole, each segment in its full look."""
    looks = ((segment.text, segment.style or Style.null()) for segment in strip)
    return f"\x1b[{y + 1};{x + 1}H" + "".join(Strip.render_style(look, text, colours) for text, look in looks)


LOOKS = [None, *map(Style.parse, ("bold red on blue", "bold dim", "reverse", "underline green", "#102030", "on blue"))]
NARROW = st.text(" ab▇", min_size=1, max_size=6)
ANY = st.lists(st.sampled_from([*" ab▇漢🙂", "e\u0301", "漢\u0301"]), min_size=1, max_size=4).map("".join)


@st.composite
def pieces(draw: st.DrawFn, texts: st.SearchStrategy[str], *, is_whole: bool) -> Piece:
    """Some of a line, or a whole line."""
    segments = [Segment(draw(texts), draw(st.sampled_from(LOOKS))) for _ in range(draw(st.integers(1, 3)))]
    strip = Strip(segments).crop(0, WIDTH)
    y, x = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - strip.cell_length))
    if is_whole:
        return y, 0, Strip.join([Strip.blank(x), strip, Strip.blank(WIDTH - x - strip.cell_length)])
    return y, x, strip


UPDATES = st.lists(st.lists(pieces(NARROW, is_whole=False) | pieces(NARROW, is_whole=True), max_size=4), max_size=6)
WIDE_UPDATES = st.lists(st.lists(pieces(ANY, is_whole=True), max_size=4), max_size=6)


@settings(deadline=None)
@given(UPDATES | WIDE_UPDATES)
def test_a_terminal_shows_what_it_would_show_if_all_were_sent(updates: list[list[Piece]]) -> None:
    painter, terminal, other = Painter(), ScreenOfCells(WIDTH, HEIGHT), ScreenOfCells(WIDTH, HEIGHT)
    for update in updates:
        terminal.take(painter.take(update, (WIDTH, HEIGHT), ColorSystem.TRUECOLOR))
        other.take("".join(drawn(strip, y, x) for y, x, strip in update))
        assert terminal.cells == other.cells


def test_what_stands_there_already_is_not_sent_again() -> None:
    painter = Painter()
    line = Strip([Segment("to fix", LOOKS[1]), Segment("   ", LOOKS[2])])
    assert painter.take([(0, 0, line)], (WIDTH, HEIGHT), ColorSystem.TRUECOLOR)
    parted = Strip([Segment("to ", LOOKS[1]), Segment("fix", LOOKS[1]), Segment("   ", LOOKS[2])])
    assert painter.take([(0, 0, parted)], (WIDTH, HEIGHT), ColorSystem.TRUECOLOR) == ""
    changed = Strip([Segment("to mix", LOOKS[1])])
    assert (
        painter.take([(0, 0, changed)], (WIDTH, HEIGHT), ColorSystem.TRUECOLOR).count("m") == 3
    )  # two looks, a letter


@settings(deadline=None)
@given(st.text("ab", max_size=12), st.text("ab", max_size=12), st.text(" ab", max_size=30))
def test_keys_behind_a_longer_or_a_shorter_name_are_moved(one: str, other: str, keys: str) -> None:
    painter, terminal = Painter(), ScreenOfCells(60, 1)
    for name in (one, other, one):
        line = Strip([Segment(f" e edit {name} "), Segment(keys, LOOKS[1])]).adjust_cell_length(60)
        terminal.take(painter.take([(0, 0, line)], (60, 1), ColorSystem.TRUECOLOR))
        assert terminal.lines() == [line.text]


def test_of_keys_that_are_moved_only_the_name_is_sent_and_what_came_free() -> None:
    painter, keys = Painter(), "  a accept  c compare  n next  u undo  M move"
    sent = [
        painter.take(
            [(0, 0, Strip([Segment(f" e edit {name}{keys}")]).adjust_cell_length(80))], (80, 1), ColorSystem.TRUECOLOR
        )
        for name in ("sad", "grateful", "sad")
    ]
    assert sent[1:] == ["\x1b[1;9H\x1b[5@grateful", "\x1b[1;9H\x1b[5Psad\x1b[76G     "]


def test_all_is_sent_again_once_another_program_has_written_or_the_terminal_has_another_size() -> None:
    painter, line = Painter(), Strip([Segment("to fix")])
    first = painter.take([(0, 0, line)], (WIDTH, HEIGHT), ColorSystem.TRUECOLOR)
    assert "to fix" in first
    assert painter.take([(0, 0, line)], (WIDTH, HEIGHT), ColorSystem.TRUECOLOR) == ""
    painter.forget()
    assert painter.take([(0, 0, line)], (WIDTH, HEIGHT), ColorSystem.TRUECOLOR) == first
    assert painter.take([(0, 0, line)], (WIDTH + 1, HEIGHT), ColorSystem.TRUECOLOR) == first


async def test_the_terminal_shows_each_screen_as_textual_has_it_and_ctrl_l_draws_all_anew(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = ScreenOfCells(120, 40)

    def write(app: App[None], _screen: Screen[Any], update: object) -> None:
        assert isinstance(update, CompositorUpdate | None)
        terminal.take(update.render_segments(app.console) if update is not None else "")

    monkeypatch.setattr(App, "_display", write)
    async with studio(corpus, engine.socket) as (app, pilot):

        def assert_same() -> None:
            """What the terminal shows is what Textual draws when all is drawn anew."""
            drawn_anew = ScreenOfCells(120, 40)
            strips, colours = app.screen._compositor.render_strips(), app.console._color_system
            assert colours is not None
            drawn_anew.take("".join(drawn(strip, y, 0, colours) for y, strip in enumerate(strips)))
            assert terminal.lines() == drawn_anew.lines()
            assert terminal.cells == drawn_anew.cells

        await eventually_async(lambda: screen(app).mirror.concepts)
        for key in "jj2jj3jjj4n1njmc?":
            await pilot.press(key)
            await pilot.pause(0.05)
            assert_same()
        await pilot.press("escape", "escape", "slash", "a", "b", "enter", "8", "1")
        await pilot.pause(0.3)
        assert_same()
        terminal.cells = [[("!", ())] * 120 for _ in range(40)]  # another program has written
        await pilot.press("ctrl+l")
        await pilot.pause(0.3)
        assert_same()
        (corpus / STORY).write_text("Another text altogether.", "utf-8")
        await eventually_async(lambda: "edited" in str(screen(app).query_one("#moved", Static).render()))
        await pilot.pause(0.3)
        assert_same()
