"""What reaches the terminal, in as many colours as it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.color import ColorType
from rich.segment import Segment
from textual.command import CommandList

from amygdala_tui.widgets.engine import report
from amygdala_tui.words import engine_state
from engine.wire.snapshot import CorpusState, Doing
from tests.amygdala_tui.making import mirror, story
from tests.amygdala_tui.studying import Studied, corpus_of, studied
from tests.waiting import eventually_async

TERMINALS = {
    "256 colours": {"TERM": "xterm-256color"},
    "16 colours": {"TERM": "xterm"},
    "no colours": {"TERM": "xterm-256color", "NO_COLOR": "1"},
}


@pytest.fixture(params=TERMINALS)
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("COLORTERM", raising=False)
    for name, value in TERMINALS[request.param].items():
        monkeypatch.setenv(name, value)
    return str(request.param)


def drawn(app: Studied) -> list[list[Segment]]:
    """The rows of the screen, as they are sent."""
    return [list(strip) for strip in app.screen._compositor.render_strips()]


def ground(piece: Segment) -> tuple[object, ...]:
    """What lies behind words, or what makes up for it: in a reversed row the words' colour lies behind them."""
    style = piece.style
    assert style is not None
    return style.bgcolor, bool(style.reverse), style.color if style.reverse else None


def underlined(piece: Segment) -> bool:
    return piece.style is not None and bool(piece.style.underline)


async def test_the_lit_row_has_one_look_over_all_of_it_that_no_other_has(
    terminal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("3", "b", "G", "l", "j")
        await pilot.pause()
        tree = app.studio.query_one("#tree").region
        looks = [{ground(piece) for piece in cut(row, tree.right)} for row in drawn(app)[tree.y : tree.bottom]]
        (base,) = looks[-1]
        lit = [look for look in looks if look != {base}]
        assert len(lit) == 1, terminal
        assert len(lit[0]) == 1


def cut(row: list[Segment], width: int) -> list[Segment]:
    """The pieces of a row that begin and end left of a column."""
    pieces, end = [], 0
    for piece in row:
        end += piece.cell_length
        if end > width:
            break
        pieces.append(piece)
    return pieces


async def test_no_other_colours_are_sent_than_the_terminal_has(
    terminal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        for view in "12348":
            await pilot.press(view)
            await pilot.pause()
            styles = [piece.style for row in drawn(app) for piece in row if piece.style is not None]
            kinds = {colour.type for style in styles for colour in (style.color, style.bgcolor) if colour is not None}
            match terminal:
                case "no colours":
                    assert kinds == {ColorType.DEFAULT}
                case "16 colours":
                    assert kinds <= {ColorType.DEFAULT, ColorType.STANDARD}
                case _:
                    assert kinds == {ColorType.TRUECOLOR}


@pytest.mark.parametrize("state", ["ready", "failed", "loading"])
def test_a_state_colours_its_word_and_not_the_whole_view(state: CorpusState) -> None:
    corpus = replace(mirror([story("stories/calm.txt")]), doing=Doing(state=state, device="cpu"))
    for away in ("", "the engine was stopped"):
        shown = report(Path("/c"), Path("/s"), corpus, away)
        assert not shown.style
        assert {span.end for span in shown.spans if span.start == 0} == {len(engine_state(corpus, away).plain)}


async def test_the_palettes_lit_row_is_seen(terminal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("ctrl+p")
        await eventually_async(lambda: bool(app.screen.query(CommandList)))
        options = app.screen.query_one(CommandList)
        await eventually_async(lambda: options.option_count > 1)
        await pilot.press("down", "up")
        await pilot.pause()
        lit, other = (
            {(*ground(piece), underlined(piece)) for row in drawn(app) for piece in row if words in piece.text}
            for words in ("Open the story in your editor  ", "Go back to where n came from  ")
        )
        assert len(lit) == len(other) == 1
        assert lit != other, terminal


JOINED = "می\u200cخواهم \u2014 👩\u200d👩\u200d👧 \u2014 un\u00adhappy \u2014 क्\u200dष"


async def test_joiners_of_a_story_reach_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories/weary.txt").write_text(JOINED, "utf-8")
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, _pilot):
        app.go_to_story("stories/weary.txt")
        await eventually_async(lambda: any(JOINED in "".join(piece.text for piece in row) for row in drawn(app)))
