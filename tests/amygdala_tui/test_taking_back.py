"""Undo and redo of everything a writer or a colleague does, by keys, with what there is to ask."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from amygdala_tui.app import Studio
from amygdala_tui.screens.dialogs import Choice
from amygdala_tui.screens.structure import Conflict, Move, Rename
from engine.corpus.accepted import FILE
from tests.amygdala_tui.driving import (
    ODD,
    ODD_TEXT,
    STORY,
    asked,
    choose,
    edit,
    queue_of,
    said,
    screen,
    shows,
    studio,
    write_in_editor,
)
from tests.engine.service.running import Engine
from tests.waiting import eventually_async

WEARY = "stories/weary.txt"


def text_at(corpus: Path, path: str) -> str | None:
    file = corpus / path
    return file.read_text() if file.exists() else None


async def press_until(app: Studio, pilot: Pilot[None], key: str, words: str) -> None:
    """Press a key, and wait until the studio says what that has done."""
    app.clear_notifications()
    await pilot.press(key)
    await eventually_async(lambda: said(app, words))


async def test_sessions_in_the_editor_are_taken_back_one_after_the_other_and_done_again(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = write_in_editor(monkeypatch, "One.", "Two.")
    began = text_at(corpus, STORY)
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        for written in ("One.", "Two."):
            await edit(app, pilot, edited)
            assert text_at(corpus, STORY) == written
        assert edited == [STORY, STORY]
        for key, words, text in (
            ("u", "took back: edited", "One."),
            ("u", "took back: edited", began),
            ("U", "did again: edited", "One."),
            ("U", "did again: edited", "Two."),
        ):
            await press_until(app, pilot, key, words)
            assert text_at(corpus, STORY) == text
        await shows(app, "#story-text", "Two.")


async def test_a_move_is_taken_back_from_where_the_story_went_and_done_again(corpus: Path, engine: Engine) -> None:
    began = text_at(corpus, STORY)
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("M", *"weary")
        await asked(app, Move)
        await pilot.press("enter")
        await eventually_async(lambda: screen(app).path == WEARY)
        await press_until(app, pilot, "u", "took back: moved stories/joyful.txt")
        assert (text_at(corpus, STORY), text_at(corpus, WEARY)) == (began, None)
        await eventually_async(lambda: screen(app).path == STORY)
        await press_until(app, pilot, "U", "did again: moved stories/joyful.txt")
        assert (text_at(corpus, STORY), text_at(corpus, WEARY)) == (None, began)
        await eventually_async(lambda: screen(app).path == WEARY)


async def test_a_renamed_concept_has_its_name_again_in_every_scenario(corpus: Path, engine: Engine) -> None:
    stories = {file.relative_to(corpus): file.read_text() for file in corpus.rglob("joyful.txt")}
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("R")
        await asked(app, Rename)
        await pilot.press("ctrl+u", *"glad", "enter")
        await eventually_async(lambda: screen(app).path == "stories/glad.txt")
        await press_until(app, pilot, "u", "took back: renamed joyful → glad")
        assert {file.relative_to(corpus): file.read_text() for file in corpus.rglob("joyful.txt")} == stories
        assert not list(corpus.rglob("glad.txt"))
        await eventually_async(lambda: screen(app).path == STORY)


async def test_a_deleted_story_comes_back_by_the_last_thing_of_all_and_goes_again(corpus: Path, engine: Engine) -> None:
    began = text_at(corpus, STORY)
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("D", "enter")
        await eventually_async(lambda: STORY not in screen(app).mirror.stories)
        # the selection is another story by now, with nothing to take back: what the writer did last is meant
        await press_until(app, pilot, "u", "took back: deleted stories/joyful.txt")
        assert text_at(corpus, STORY) == began
        await eventually_async(lambda: STORY in screen(app).mirror.stories)
        screen(app).select_story(STORY)
        await pilot.pause()
        await press_until(app, pilot, "U", "did again: deleted stories/joyful.txt")
        assert text_at(corpus, STORY) is None


async def test_an_acceptance_is_taken_back_and_done_again(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    async with studio(corpus, engine.socket) as (app, pilot):
        await queue_of(app)
        await choose(app, pilot, ODD)
        await pilot.press("a", *"so", "enter")
        await eventually_async(lambda: screen(app).mirror.stories[ODD].accepted == "so")
        line = (corpus / FILE).read_text()
        await choose(app, pilot, ODD)
        await press_until(app, pilot, "u", "took back: accepted")
        await eventually_async(lambda: screen(app).mirror.stories[ODD].accepted is None)
        assert (corpus / FILE).read_text() == ""
        await press_until(app, pilot, "U", "did again: accepted")
        await eventually_async(lambda: screen(app).mirror.stories[ODD].accepted == "so")
        assert (corpus / FILE).read_text() == line


async def test_a_new_story_is_taken_back_with_what_was_written_since_only_if_the_writer_says_so(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = write_in_editor(monkeypatch, "At last she slept.")
    async with studio(corpus, engine.socket) as (app, pilot):
        await eventually_async(lambda: screen(app).mirror.revision == 1)
        await pilot.press("+", *"weary", "enter")
        await eventually_async(lambda: edited == [WEARY] and WEARY in screen(app).mirror.stories)
        await choose(app, pilot, WEARY)
        await press_until(app, pilot, "u", "took back: edited stories/weary.txt")
        assert text_at(corpus, WEARY) == ""
        await press_until(app, pilot, "u", "took back: new story stories/weary.txt")
        assert text_at(corpus, WEARY) is None


async def test_what_a_colleague_saved_is_taken_back_as_well(corpus: Path, engine: Engine) -> None:
    began = text_at(corpus, STORY)
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        (corpus / STORY).write_text("Theirs.")
        await shows(app, "#moved", "joyful edited")
        await press_until(app, pilot, "u", "took back: stories/joyful.txt was saved elsewhere")
        assert text_at(corpus, STORY) == began
        await press_until(app, pilot, "U", "did again: stories/joyful.txt was saved elsewhere")
        assert text_at(corpus, STORY) == "Theirs."


async def paused_with_an_edit_and_a_save(app: Studio, pilot: Pilot[None], corpus: Path, edited: list[str]) -> None:
    """The writer has edited a story; a colleague has saved it since, of which no engine has told."""
    await pilot.press("L")
    await shows(app, "#status", "paused")
    await choose(app, pilot)
    await edit(app, pilot, edited)
    (corpus / STORY).write_text("Theirs.")


@pytest.mark.parametrize(("key", "stands", "words"), [
    ("t", "Theirs.", "kept what stands there; u takes that back"),
    ("m", "began", "took back: edited"),
    ("escape", "Theirs.", None),
])  # fmt: skip
async def test_a_save_that_stands_in_the_way_is_shown_and_the_writer_decides(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, key: str, stands: str, words: str | None
) -> None:
    edited = write_in_editor(monkeypatch, "Mine.")
    began = text_at(corpus, STORY)
    assert began is not None
    async with studio(corpus, engine.socket) as (app, pilot):
        await paused_with_an_edit_and_a_save(app, pilot, corpus, edited)
        await pilot.press("u")
        question = await asked(app, Conflict)
        assert "stories/joyful.txt was changed elsewhere; nothing was written" in question
        assert "Theirs." in question
        assert began.splitlines()[0] in question
        assert text_at(corpus, STORY) == "Theirs."
        await pilot.press(key)
        await eventually_async(lambda: app.screen is screen(app) and (not words or said(app, words)))
        assert text_at(corpus, STORY) == (began if stands == "began" else stands)
        if key == "t":
            await press_until(app, pilot, "u", "took back: stories/joyful.txt was saved elsewhere")
            assert text_at(corpus, STORY) == "Mine."


async def test_later_things_are_named_and_go_first_if_the_writer_says_so(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = write_in_editor(monkeypatch, "Glad at last.")
    other = next(str(file.relative_to(corpus)) for file in sorted(corpus.rglob("paired/*/joyful.txt")))
    texts = [text_at(corpus, path) for path in (STORY, other)]
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("R")
        await asked(app, Rename)
        await pilot.press("ctrl+u", *"glad", "enter")
        await eventually_async(lambda: screen(app).path == "stories/glad.txt")
        await edit(app, pilot, edited)
        await choose(app, pilot, other.replace("joyful", "glad"))
        await pilot.press("u")
        question = await asked(app, Choice)
        assert "Later things would have to go first:\n  edited stories/glad.txt" in question
        await pilot.press("escape")
        assert text_at(corpus, "stories/glad.txt") == "Glad at last."
        await pilot.press("u")
        await asked(app, Choice)
        await press_until(app, pilot, "y", "took back: renamed joyful → glad")
        assert [text_at(corpus, path) for path in (STORY, other)] == texts


async def test_at_the_start_there_is_nothing_to_take_back_nor_to_do_again(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await press_until(app, pilot, "u", "there is nothing to take back")
        await press_until(app, pilot, "U", "there is nothing to do again")
        assert app.screen is screen(app)
