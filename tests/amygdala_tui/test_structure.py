"""Move, rename, new and delete, from the lit or the marked rows: the keys, the files, what an engine makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input

from amygdala_tui.messages import EngineSaid
from amygdala_tui.screens.dialogs import Choice
from amygdala_tui.screens.structure import Delete, Move, New, Rename
from engine.corpus import Accepted
from engine.corpus.accepted import FILE, text_id_at, write
from engine.paths import trash_dir
from tests.amygdala_tui.driving import (
    ODD,
    STORY,
    asked,
    choose,
    said,
    screen,
    shows,
    studio,
    write_in_editor,
)
from tests.engine.service.running import Engine
from tests.waiting import eventually_async

GRADE = "paired/t21-a-student-receives-a-much-lower-grade-than-expected-s1"
COMPANY = "paired/t08-an-employee-discovers-the-company-is-being-sold-s1"


def text_at(corpus: Path, path: str) -> str | None:
    file = corpus / path
    return file.read_text() if file.exists() else None


async def test_a_story_is_filed_under_the_concept_that_is_chosen_and_the_light_goes_with_it(
    corpus: Path, engine: Engine
) -> None:
    text = text_at(corpus, STORY)
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("M")
        question = await asked(app, Move)
        assert "File joyful as" in question
        assert "weary" in question
        assert "stories/anxious.txt stands there already" not in question.split("weary")[0]  # free places come first
        await pilot.press(*"wear", "enter")
        await shows(app, "#moved", "joyful moved to weary")
        assert (text_at(corpus, STORY), text_at(corpus, "stories/weary.txt")) == (None, text)
        assert screen(app).path == "stories/weary.txt"
        await shows(app, "#story-head", "weary · stories")
        assert said(app, "moved stories/joyful.txt to stories/weary.txt; u takes it back")
        assert not said(app, "is gone")


async def test_the_rival_of_a_misread_story_is_offered_first(corpus: Path, engine: Engine) -> None:
    path = f"{GRADE}/weary.txt"
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot, path)
        mirror = screen(app).mirror
        # the tiny model reads no story as another concept: the engine says so here
        shares = [("weary", 0.1), ("content", 0.8)]
        view = msgspec.structs.replace(mirror.stories[path], strength="fair", reads_as="content", shares=shares)
        app.post_message(EngineSaid(replace(mirror, stories=mirror.stories | {path: view})))
        await pilot.pause()
        await pilot.press("M")
        question = await asked(app, Move)
        assert question.split("\n\n")[1].split()[0] == "content"
        assert "content.txt is free" in question
        await pilot.press("enter")
        await eventually_async(lambda: f"{GRADE}/content.txt" in screen(app).mirror.stories)
        assert text_at(corpus, path) is None


async def test_marked_stories_move_together_and_a_concept_may_be_new(corpus: Path, engine: Engine) -> None:
    paths = [f"{GRADE}/weary.txt", f"{COMPANY}/weary.txt"]
    texts = [text_at(corpus, path) for path in paths]
    async with studio(corpus, engine.socket) as (app, pilot):
        for path in paths:
            await choose(app, pilot, path)
            await pilot.press("space")
        await pilot.press("M", *"tired")
        assert "a new concept: 2 places are free" in await asked(app, Move)
        await pilot.press("enter")
        moved = [path.replace("weary", "tired") for path in paths]
        await eventually_async(lambda: set(moved) <= screen(app).mirror.stories.keys())
        assert [text_at(corpus, path) for path in moved] == texts
        await eventually_async(lambda: list(screen(app).marked) == moved)
        assert said(app, "and 1 more to tired")


async def test_a_place_that_is_taken_is_said_and_is_not_written_over(corpus: Path, engine: Engine) -> None:
    before = text_at(corpus, "stories/anxious.txt")
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("M", *"anxious", "enter")
        assert "anxious.txt stands there already" in await asked(app, Move)
        await pilot.press("escape")
        assert app.screen is screen(app)
        assert text_at(corpus, "stories/anxious.txt") == before
        assert text_at(corpus, STORY) is not None


async def test_an_accepted_story_stays_accepted_where_it_is_moved_to(corpus: Path, engine: Engine) -> None:
    text_id = text_id_at(corpus, STORY)
    write(corpus, STORY, Accepted(text_id=text_id, reason="a dream"))
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await shows(app, "#story-head", "accepted: a dream")
        await pilot.press("M", *"weary", "enter")
        await eventually_async(lambda: screen(app).path == "stories/weary.txt")
        await shows(app, "#story-head", "accepted: a dream")
        assert (corpus / FILE).read_text() == f"stories/weary.txt\t{text_id}\ta dream\n"


async def test_a_concept_is_renamed_with_all_its_stories_and_told_as_one(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        n_stories = len(screen(app).mirror.stories_of("joyful"))
        await pilot.press("4", "R")
        question = await asked(app, Rename)
        assert f"the concept joyful ({n_stories} stories)" in question
        name = app.screen.query_one(Input)
        assert name.value == "joyful"
        await pilot.press("ctrl+u", *"glad", "enter")
        await shows(app, "#moved", "renamed joyful → glad")
        await eventually_async(lambda: screen(app).concept == "glad")
        assert len(screen(app).mirror.stories_of("glad")) == n_stories
        assert not list(corpus.rglob("joyful.txt"))
        assert screen(app).path == "stories/glad.txt"


async def test_of_a_story_the_concept_or_the_scenario_can_be_renamed(corpus: Path, engine: Engine) -> None:
    names = sorted(file.name for file in (corpus / GRADE).iterdir())
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot, f"{GRADE}/weary.txt")
        await pilot.press("R")
        assert "Rename what?" in await asked(app, Choice)
        await pilot.press("s")
        await asked(app, Rename)
        await pilot.press("ctrl+u", *"exam", "enter")
        await eventually_async(lambda: screen(app).path == "paired/exam/weary.txt")
        assert sorted(file.name for file in (corpus / "paired/exam").iterdir()) == names
        assert not (corpus / GRADE).exists()
        await shows(app, "#moved", "→ exam")


async def test_a_name_that_cannot_be_is_refused_while_it_is_typed(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("R", "ctrl+u", *"weary")
        assert "there is a concept weary already" in await asked(app, Rename)
        await pilot.press("enter")
        assert len(app.screen_stack) == 2
        await pilot.press("escape")
        assert app.screen is screen(app)
        assert text_at(corpus, STORY) is not None


async def test_a_new_story_is_written_in_the_editor_and_is_the_selection(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = write_in_editor(monkeypatch, "The lamp flickered, and she put down her book at last.")
    path = f"{GRADE}/content.txt"
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot, f"{GRADE}/weary.txt")
        await pilot.press("+", *"content")
        assert f"{path.removeprefix('paired/')}, begins empty" in await asked(app, New)
        await pilot.press("enter")
        await eventually_async(lambda: path in screen(app).mirror.stories)
        assert edited == [path]
        await eventually_async(lambda: screen(app).mirror.stories[path].misfit is not None)
        assert text_at(corpus, path) == "The lamp flickered, and she put down her book at last."


async def test_a_new_story_can_begin_with_the_baseline_and_an_occupied_place_is_refused(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[str] = []
    write_in_editor(monkeypatch)
    monkeypatch.setattr("amygdala_tui.app.Studio._run_editor", lambda _app, _, file: began.append(file.read_text()))
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot, f"{GRADE}/weary.txt")
        await pilot.press("+", *"weary", "enter")
        assert "weary.txt stands there already" in await asked(app, New)
        await pilot.press("ctrl+u", *"content", "ctrl+b")
        assert "begins with the baseline's text" in await asked(app, New)
        await pilot.press("enter")
        await eventually_async(lambda: began)
        assert began == [text_at(corpus, f"{GRADE}/baseline.txt")]


async def test_a_deleted_story_lies_in_the_trash_and_the_selection_goes_on(corpus: Path, engine: Engine) -> None:
    text = text_at(corpus, STORY)
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("D")
        question = await asked(app, Delete)
        assert "Delete 1 story?" in question
        assert f"A copy goes to {trash_dir(corpus)}" in question.replace("\n", "")
        await pilot.press("escape")
        assert text_at(corpus, STORY) == text
        await pilot.press("D", "enter")
        await eventually_async(lambda: STORY not in screen(app).mirror.stories)
        assert text_at(corpus, STORY) is None
        assert [file.read_text() for file in trash_dir(corpus).rglob("joyful.txt")] == [text]
        assert screen(app).path not in (None, STORY)
        assert said(app, "deleted stories/joyful.txt; u takes it back")
        assert not said(app, "is gone")


async def test_marked_stories_are_deleted_together(corpus: Path, engine: Engine) -> None:
    paths = [STORY, ODD]
    async with studio(corpus, engine.socket) as (app, pilot):
        for path in paths:
            await choose(app, pilot, path)
            await pilot.press("space")
        await pilot.press("D")
        question = await asked(app, Delete)
        assert "Delete 2 stories?" in question
        await pilot.press("enter")
        await eventually_async(lambda: not set(paths) & screen(app).mirror.stories.keys())
        assert [text_at(corpus, path) for path in paths] == [None, None]
        assert not screen(app).marked


async def test_where_nothing_is_selected_nothing_is_moved_deleted_or_renamed(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("2", "M", "D", "e")
        assert app.screen is screen(app)
        screen(app)._select(None)
        screen(app).action_rename()
        await pilot.pause()
        assert said(app, "there is nothing to rename here")
