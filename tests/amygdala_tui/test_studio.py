"""The whole studio, headless, on a real engine process with a tiny model."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from amygdala_tui.screens.dialogs import Help
from amygdala_tui.widgets.lines import LineList
from amygdala_tui.widgets.story import read
from amygdala_tui.words import share_of_pairs
from engine import client
from tests.amygdala_tui.driving import ODD, ODD_TEXT, choose, queue_of, screen, shows, studio, text
from tests.engine.compute.model.altered import UNKNOWN
from tests.engine.service.running import SETTINGS, Engine
from tests.waiting import eventually_async


async def test_the_tree_is_there_before_any_engine_answers(
    corpus: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RACE_WITHIN", 1.0)
    (short_dir / "e.sock").mkdir()  # a socket that can be neither joined nor served at
    async with studio(corpus, short_dir / "e.sock", until="") as (app, pilot):
        await pilot.press("3")
        await shows(app, "#tree", "▾ stories")
        await shows(app, "#status", "no engine")
        assert len(screen(app).mirror.stories) == 46


async def test_triage_leads_with_the_evidence_and_has_the_bucket_beside_it(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("2", "w")
        await shows(app, "#triage-list", "─ no verdict yet")
        await shows(app, "#triage-list", "0 worth a look")
        mirror = screen(app).mirror
        assert mirror.middle is not None
        for name, view in mirror.concepts.items():
            assert view.quality is not None
            assert view.verdict is not None
            row = next(line for line in text(app, "#triage-list").splitlines() if line.split()[:1] == [name])
            assert view.evidence is not None
            assert share_of_pairs(view.evidence.auroc) in row
            assert f" {view.verdict.label[:6]}" in row
        await shows(app, "#triage-list", "<0.4 fragmented")
        await pilot.press("s")
        await shows(app, "#triage-list", "sorted by reads")


async def test_enter_on_a_concept_shows_it_and_enter_on_its_story_shows_that(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("2", "enter")
        first = screen(app).concept
        assert first is not None
        await shows(app, "#concept-head", first)
        assert screen(app).view == "concept"
        await pilot.press("enter")
        story = screen(app).mirror.stories_of(first)[0]
        await shows(app, "#story-text", (corpus / story.path).read_text()[:30])
        await pilot.press("escape")
        await shows(app, "#concept-head", first)
        await pilot.press("escape")
        assert screen(app).query_one("#triage-list", LineList).key == f"concept:{first}"
        assert app.focused is screen(app).query_one("#triage-list")


async def test_n_walks_the_queue_from_the_worst(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    async with studio(corpus, engine.socket) as (app, pilot):
        queue = await queue_of(app)
        assert queue[0] == ODD
        await shows(app, "#story-head", "Unlike the other furious stories")
        await pilot.press("3", "j", "n")
        assert screen(app).path == ODD
        assert screen(app).view == "queue"
        await shows(app, "#queue-list", "TO FIX  1")
        assert screen(app).query_one("#queue-list", LineList).key == ODD


async def test_a_save_from_anywhere_shows_what_moved(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        path = await choose(app, pilot)
        (corpus / path).write_text("Something else entirely happened by the river that day, and no one minded.")
        await shows(app, "#moved", "joyful edited")
        await shows(app, "#story-text", "by the river")


async def test_e_says_when_there_is_no_editor(corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The headless driver cannot suspend; an editor that runs is driven in a real terminal (tests/e2e)."""
    for name in ("VISUAL", "EDITOR", "PATH"):
        monkeypatch.setenv(name, "")
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("e")
        await eventually_async(lambda: any("no editor found" in note.message for note in app._notifications))
        assert app.is_running


async def test_on_a_narrow_screen_list_and_story_take_turns(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket, size=(80, 24)) as (app, pilot):

        def shown() -> list[bool]:
            panes = (screen(app).query_one(name) for name in ("#lists", "#details"))
            return [pane.display and pane.region.width > 0 for pane in panes]

        await choose(app, pilot)
        assert shown() == [True, False]
        await pilot.press("enter")
        await pilot.pause()
        assert shown() == [False, True]
        await shows(app, "#keys", "esc back")
        await pilot.press("escape")
        await pilot.pause()
        assert shown() == [True, False]
        await pilot.press("8")
        await pilot.pause()
        assert shown() == [False, True]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (200, 60), (40, 12)])
async def test_every_view_and_its_help_draw_at_any_size(corpus: Path, engine: Engine, size: tuple[int, int]) -> None:
    async with studio(corpus, engine.socket, size=size) as (app, pilot):
        for key in "12348":
            await pilot.press(key)
            await pilot.pause()
            await pilot.press("question_mark")
            assert isinstance(app.screen, Help)
            await pilot.press("escape")
        assert app.screen is screen(app)


async def test_find_shows_stories_with_the_words_and_escape_lets_go(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("slash", *"weary", "enter")
        await shows(app, "#find-list", lambda shown: "weary" in shown and "furious" not in shown)
        await pilot.press("escape", "3")
        await shows(app, "#tree", "furious")


async def test_hostile_story_text_is_shown_as_text(corpus: Path, engine: Engine) -> None:
    (corpus / "stories/joyful.txt").write_text("\x1b]0;owned\x07[bold]not bold[/bold] [@click=app.exit]x[/]")
    async with studio(corpus, engine.socket) as (app, pilot):
        screen(app).select_story("stories/joyful.txt")
        await pilot.pause()
        shown = text(app, "#story-text")
        assert "\x1b" not in shown
        assert "[bold]not bold[/bold]" in shown


async def test_a_pipe_of_a_storys_name_does_not_hold_up_the_studio(corpus: Path, engine: Engine) -> None:
    os.mkfifo(corpus / "stories/pipe.txt")
    async with studio(corpus, engine.socket) as (app, _):
        await eventually_async(lambda: screen(app).mirror.stories["stories/pipe.txt"].state == "error")
        screen(app).select_story("stories/pipe.txt")
        await shows(app, "#story-text", "(not read)")
    assert "not a regular file" in str(read(corpus / "stories/pipe.txt"))


async def test_a_story_that_the_model_cannot_take_says_why_and_can_be_read(
    corpus: Path, engine: Engine, unknowing_folder: Path
) -> None:
    (corpus / "stories/joyful.txt").write_text(f"{UNKNOWN} She laughed.")
    chosen = msgspec.structs.replace(SETTINGS, model=str(unknowing_folder))
    async with studio(corpus, engine.socket, settings=chosen) as (app, pilot):
        screen(app).select_story("stories/joyful.txt")
        await shows(app, "#story-head", "x left out")
        await shows(app, "#story-head", "the model cannot take it: its tokenizer makes token")
        await shows(app, "#story-text", f"{UNKNOWN} She laughed.")
        await pilot.press("8")
        await shows(app, "#engine-text", "stories/joyful.txt: left out, since the model cannot take it")


async def test_when_the_selected_story_goes_the_selection_moves_with_the_light(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, _):
        screen(app).select_story("stories/lonely.txt")
        for file in corpus.rglob("lonely.txt"):
            file.unlink()
        await eventually_async(lambda: "stories/lonely.txt" not in screen(app).mirror.stories)
        await eventually_async(lambda: screen(app).concept != "lonely")
        assert screen(app).query_one("#tree", LineList).key == screen(app).path
