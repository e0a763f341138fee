"""The dialogs that change a corpus ask, and answer with what the writer decided."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Static

from amygdala_tui.screens.structure import Conflict, Delete, Move, New, NewStory, Rename
from amygdala_tui.targets import target, targets
from engine.corpus.mending.names import trouble_with_concept

HOSTILE = "\x1b[31m[bold]red"
PATHS = ["paired/power-cut/jealous.txt", "paired/power-cut/ashamed.txt"]
FISH = PATHS[0]


class Host(App[None]):
    """Holds one dialog and notes its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Any] = []


@asynccontextmanager
async def asking(dialog: ModalScreen[Any], size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[Host, Pilot[None]]]:
    app = Host()
    async with app.run_test(size=size) as pilot:
        app.push_screen(dialog, app.answers.append)
        await pilot.pause()
        yield app, pilot


def shown(app: App[None]) -> str:
    return "\n".join(str(widget.render()) for widget in app.screen.query(Static))


def move() -> Move:
    listed = targets([FISH], ["ashamed", "curious", "disgusted", HOSTILE], PATHS, rival="disgusted")
    return Move("power-cut / jealous", listed, lambda name: target([FISH], name, PATHS))


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["enter"], "disgusted"),
        (["down", "enter"], "curious"),
        ([*"cur", "enter"], "curious"),
        ([*"calm", "enter"], "calm"),
        (["escape"], None),
        (["up", "up", "enter"], "disgusted"),
    ],
)
async def test_a_story_is_filed_as_the_lit_concept(keys: list[str], answer: str | None) -> None:
    async with asking(move()) as (app, pilot):
        assert "power-cut/disgusted.txt is free" in shown(app)
        await pilot.press(*keys)
        await pilot.pause()
        assert app.answers == [answer]


async def test_a_taken_place_cannot_be_chosen_and_a_new_concept_is_called_new() -> None:
    async with asking(move()) as (app, pilot):
        await pilot.press(*"ashamed", "enter")
        assert "ashamed.txt stands there already" in shown(app)
        assert app.answers == []
        await pilot.press(*"x")
        assert "a new concept: power-cut/ashamedx.txt is free" in shown(app)
        await pilot.press(*"/", "enter")
        assert "leave “/” away" in shown(app)
        assert app.answers == []


async def test_many_concepts_are_a_window_that_follows_the_light() -> None:
    listed = targets([FISH], [f"c{number:02}" for number in range(30)], PATHS)
    async with asking(Move("it", listed, lambda name: target([FISH], name, PATHS))) as (app, pilot):
        assert "20 more concepts" in shown(app)
        assert "c25" not in shown(app)
        await pilot.press(*["down"] * 25)
        assert "c25" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == ["c25"]


async def test_a_name_is_checked_while_it_is_typed() -> None:
    async with asking(Rename("the concept ashamed (3 stories)", "ashamed", trouble_with_concept)) as (app, pilot):
        await pilot.press("end", *"/", "enter")
        assert "leave “/” away" in shown(app)
        assert app.answers == []
        await pilot.press("backspace", *"2", "enter")
        await pilot.pause()
        assert app.answers == ["ashamed2"]


async def test_the_old_name_and_escape_leave_it() -> None:
    for key in ("enter", "escape"):
        async with asking(Rename("the concept ashamed", "ashamed", lambda _: "taken")) as (app, pilot):
            await pilot.press(key)
            await pilot.pause()
            assert app.answers == [None]


def place(story: NewStory) -> tuple[str, str]:
    trouble = trouble_with_concept(story.concept)
    return f"{story.scenario or 'stories'}/{story.concept}.txt", trouble


async def test_a_new_story_has_a_concept_a_scenario_and_a_beginning() -> None:
    async with asking(New("", "power-cut", place)) as (app, pilot):
        assert "type a name" in shown(app)
        await pilot.press("enter")
        assert app.answers == []
        await pilot.press(*"calm", "ctrl+b")
        assert "power-cut/calm.txt, begins with the baseline's text" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == [NewStory("calm", "power-cut", from_baseline=True)]


async def test_without_a_scenario_there_is_no_baseline_to_begin_with() -> None:
    async with asking(New("calm", "", place)) as (app, pilot):
        await pilot.press("ctrl+b")
        assert "stories/calm.txt, begins empty" in shown(app)
        await pilot.press("enter")
        await pilot.pause()
        assert app.answers == [NewStory("calm", None, from_baseline=False)]


async def test_deleting_names_what_goes_and_where() -> None:
    for key, answer in (("enter", True), ("escape", False)):
        paths = [f"paired/s/c{number}.txt" for number in range(12)]
        async with asking(Delete(paths, "/state/trash/x")) as (app, pilot):
            assert "Delete 12 stories?" in shown(app)
            assert "s/c9.txt\n and 2 more" in shown(app)
            assert "/state/trash/x; u takes it back" in shown(app)
            await pilot.press(key)
            await pilot.pause()
            assert app.answers == [answer]


@pytest.mark.parametrize(("key", "answer"), [("t", "theirs"), ("m", "mine"), ("escape", ""), ("q", "")])
@pytest.mark.parametrize("size", [(120, 40), (60, 20)])
async def test_a_conflict_shows_both_texts_and_decides_nothing_itself(
    key: str, answer: str, size: tuple[int, int]
) -> None:
    async with asking(Conflict(FISH, "The same.\nMine.", "The same.\nTheirs."), size) as (app, pilot):
        assert "power-cut/jealous.txt was changed elsewhere; nothing was written" in shown(app)
        assert "Mine." in shown(app)
        assert "Theirs." in shown(app)
        assert app.screen.query_one("#dialog").region.right <= size[0]
        assert app.screen.query_one("#dialog").region.bottom <= size[1]
        await pilot.press(key)
        await pilot.pause()
        assert app.answers == [answer]


async def test_a_file_that_is_gone_is_called_so() -> None:
    async with asking(Conflict(FISH, "Mine.", None)) as (app, _):
        assert "no file" in shown(app)


@pytest.mark.parametrize(
    "dialog",
    [
        lambda: Move(HOSTILE, targets([FISH], [HOSTILE], PATHS), lambda name: target([FISH], name, PATHS)),
        lambda: Rename(HOSTILE, HOSTILE, lambda _: HOSTILE),
        lambda: New(HOSTILE, HOSTILE, lambda _: (HOSTILE, HOSTILE)),
        lambda: Delete([HOSTILE], HOSTILE),
        lambda: Conflict(HOSTILE, HOSTILE, None),
    ],
)
async def test_names_and_texts_are_data(dialog: Any) -> None:
    async with asking(dialog()) as (app, _):
        assert "\x1b" not in shown(app)
        assert "[bold]red" in shown(app)
