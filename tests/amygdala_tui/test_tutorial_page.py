"""The tutorial in the studio: where it is read from, how it is laid out, and that its place is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Static

from amygdala_tui.app import Studio
from amygdala_tui.screens.studio import StudioScreen
from amygdala_tui.screens.tutorial import Tutorial
from amygdala_tui.tutorial import FILE, MAX_BYTES, page, read
from tests.waiting import eventually_async

MARKDOWN = (
    "# Top\n\nWords.\n\n```sh\na command\n```\n\n## One\n\n"
    "```text\nfirst story, told at length, over more than a line\n```\n\n## Two\n\n"
    + "More words.\n\n" * 40
    + "```text\nsecond story\n```\n"
)


def test_a_corpus_has_its_own_tutorial_or_else_that_of_the_sample(tmp_path: Path) -> None:
    of_sample = read(tmp_path)
    assert of_sample.startswith("# ")
    (tmp_path / FILE).write_text("# Ours\n")
    assert read(tmp_path) == "# Ours\n"
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    assert read(tmp_path) == of_sample
    (tmp_path / FILE).write_bytes(b"#" * (MAX_BYTES + 1))
    assert read(tmp_path) == of_sample


@pytest.mark.parametrize("width", [40, 72, 96])
def test_no_line_is_wider_than_the_page_and_sections_begin_where_it_says(width: int) -> None:
    for markdown in (MARKDOWN, read(Path("/nowhere"))):
        laid_out = page(markdown, width)
        lines = laid_out.text.plain.split("\n")
        assert max(map(cell_len, lines)) <= width
        headings = [line.removeprefix("## ") for line in markdown.split("\n") if line.startswith("## ")]
        assert len(laid_out.sections) == len(headings)
        for start, heading in zip(laid_out.sections, headings, strict=True):
            shown = " ".join(" ".join(lines[start : start + 4]).split())
            assert shown.startswith(heading.replace("`", "").split("`")[0][:20])


def test_the_text_to_be_pasted_is_the_one_on_the_screen_or_else_the_next_one_whole() -> None:
    laid_out = page(MARKDOWN, 30)
    first, second = laid_out.passages
    assert first.last > first.first, "it is wrapped on the page, and not where it is pasted"
    assert laid_out.passage_from(0) == laid_out.passage_from(first.last)
    assert laid_out.passage_from(0) == "first story, told at length, over more than a line\n"
    assert laid_out.passage_from(first.last + 1) == laid_out.passage_from(second.last) == "second story\n"
    assert laid_out.passage_from(second.last + 1) is None


def test_no_control_character_of_a_tutorial_reaches_the_terminal() -> None:
    text = page("# T\x1b[31m\n\na \x07 `b\x9b` \u202e\n\n```text\n\x1b]52;c;x\x07\n```\n", 60).text.plain
    assert not any(char != "\n" and not char.isprintable() for char in text)


def test_the_studio_opens_without_what_only_the_tutorial_needs() -> None:
    code = "import sys, amygdala_tui.app; print([m for m in ('rich.markdown', 'markdown_it') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def open_tutorial(app: Studio, pilot: Pilot[None]) -> Tutorial:
    await pilot.press("T")
    await eventually_async(lambda: isinstance(app.screen, Tutorial))
    shown = app.screen
    assert isinstance(shown, Tutorial)
    await eventually_async(lambda: "reading" not in str(shown.query_one("#page-text", Static).render())[:10])
    await pilot.pause()
    return shown


async def test_t_opens_it_keys_scroll_it_and_its_place_is_kept(tmp_path: Path) -> None:
    (tmp_path / "stories").mkdir()
    (tmp_path / FILE).write_text(MARKDOWN)
    app = Studio(tmp_path, tmp_path / "none.sock")
    async with app.run_test(size=(100, 24)) as pilot:
        await eventually_async(lambda: isinstance(app.screen, StudioScreen) and app.screen.is_up)
        tutorial = await open_tutorial(app, pilot)
        scroll = tutorial.query_one("#page", VerticalScroll)
        await pilot.press("n")
        await pilot.pause()
        assert scroll.scroll_y == page(MARKDOWN, 92).sections[0]
        await pilot.press("y")
        assert app.clipboard == "first story, told at length, over more than a line\n"
        await pilot.press("n", "down", "j", "space")
        await pilot.pause()
        place = scroll.scroll_y
        assert place > page(MARKDOWN, 92).sections[1] + 2
        await pilot.press("escape")
        assert isinstance(app.screen, StudioScreen)
        assert await open_tutorial(app, pilot) is tutorial
        assert scroll.scroll_y == place
        await pilot.press("T")
        assert isinstance(app.screen, StudioScreen)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
async def test_every_line_of_the_page_has_room_on_the_screen(tmp_path: Path, width: int) -> None:
    (tmp_path / "stories").mkdir()
    app = Studio(tmp_path, tmp_path / "none.sock")
    async with app.run_test(size=(width, 24)) as pilot:
        await eventually_async(lambda: isinstance(app.screen, StudioScreen) and app.screen.is_up)
        tutorial = await open_tutorial(app, pilot)
        shown = tutorial.query_one("#page-text", Static)
        lines = str(shown.render()).split("\n")
        assert max(map(cell_len, lines)) <= tutorial.query_one("#page").scrollable_content_region.width
        assert tutorial.query_one("#dialog").region.right <= width
