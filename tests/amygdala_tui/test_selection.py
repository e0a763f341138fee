"""One selection: the row that is lit is the one that keys act on, whatever came before."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text
from textual.widgets import Input, Static

from amygdala_tui import app as app_module
from amygdala_tui import place
from amygdala_tui.app import Studio
from amygdala_tui.messages import EngineSaid
from amygdala_tui.mirror import Mirror
from amygdala_tui.screens.studio import StudioScreen
from amygdala_tui.widgets import story as story_module
from amygdala_tui.widgets.lines import LineList
from tests.amygdala_tui.making import healthy
from tests.amygdala_tui.studying import (
    Studied,
    assert_the_light_is_the_selection,
    corpus_of,
    lit_row,
    shown_list,
    studied,
    with_moved,
    with_story,
    without_story,
)
from tests.waiting import eventually_async


async def test_a_search_selects_what_it_lights_and_escape_returns_to_where_one_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("j")
        app.burst(*"/weary\r\r", "e")
        await pilot.pause()
        assert_the_light_is_the_selection(app)
        assert app.opened == [app.studio.path]
        assert app.studio.path is not None
        assert "weary" in app.studio.path
        await pilot.press("escape")
        assert app.studio.path == "paired/bus/joyful.txt"
        assert shown_list(app) == "queue-list"


async def test_a_word_typed_at_once_after_a_slash_is_a_search_not_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("n")
        app.burst(*"/never")
        await pilot.pause()
        assert app.opened == []
        assert app.is_running
        await pilot.press("escape")
        assert app.studio.path == "paired/bus/joyful.txt"


async def test_words_typed_in_two_bursts_are_one_search_and_a_slash_begins_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        field = app.studio.query_one("#find-field", Input)
        app.burst(*"/we")
        await pilot.pause()
        await pilot.press(*"ary")
        assert field.value == "weary"
        await pilot.press("enter", "slash", *"calm")
        assert field.value == "calm"


async def test_a_search_finds_texts_and_counts_its_hits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in corpus_of().stories:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"It was {file.parent.name}.")
    (tmp_path / "paired/cake/calm.txt").write_text("The Zeppelin rose.")
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("slash", *"zeppelin")
        await eventually_async(lambda: app.studio.path == "paired/cake/calm.txt")
        told = app.studio.query_one("#find-told", Static)
        assert str(told.content).strip() == "1 story"
        await pilot.press("ctrl+u", *"calm", "down", "enter")
        assert str(told.content).strip() == "5 stories, by name"
        assert app.studio.focused is app.studio.query_one("#find-list")


async def test_a_fixed_story_stays_lit_where_it_was_until_the_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        queue = app.studio.query_one("#queue-list", LineList)
        await pilot.press("j")
        assert app.studio.path == "paired/bus/joyful.txt"
        app.post_message(EngineSaid(with_story(corpus_of(), healthy("paired/bus/joyful.txt"))))
        await pilot.pause()
        await pilot.press("e")
        assert app.opened == ["paired/bus/joyful.txt"]
        assert "joyful" in lit_row(queue)
        assert "cleared" in lit_row(queue)
        await pilot.press("j", "e")
        assert app.opened[1:] == ["paired/bus/weary.txt"]
        drawn = [queue.render_line(y).text for y in range(queue.size.height)]
        assert not any("cleared" in line for line in drawn)


async def test_a_story_that_is_deleted_hands_the_light_and_the_selection_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("j")
        app.post_message(EngineSaid(without_story(corpus_of(), "paired/bus/joyful.txt")))
        await pilot.pause()
        await pilot.press("e")
        assert app.opened == ["paired/bus/weary.txt"]
        assert "weary" in lit_row(app.studio.query_one("#queue-list", LineList))


async def test_a_story_that_is_moved_is_followed_although_its_file_is_gone_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = "paired/bus/joyful.txt", "paired/bus/proud.txt"
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("j")
        app.post_message(EngineSaid(gone := without_story(corpus_of(), old)))
        await pilot.pause()
        moves = with_moved(corpus_of(), {old: new}).moves
        app.post_message(EngineSaid(replace(with_story(gone, healthy(new)), moves=moves)))
        await pilot.pause()
        queue = app.studio.query_one("#queue-list", LineList)
        assert "cleared" in lit_row(queue)
        assert "fixed 1" in queue.render_line(0).text
        await pilot.press("e")
        assert app.opened == [new]
        assert not app._notifications


async def test_at_the_start_the_lit_row_is_the_selection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("e")
        assert app.opened == ["paired/bus/calm.txt"]
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("2", "e", "4", "e")
        assert app.opened == ["paired/bus/calm.txt"]  # in Triage no story is lit, so that e opens none
        assert app.studio.concept == "calm"


async def test_the_tree_grouped_otherwise_lights_the_same_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("3")
        for _ in range(2):
            await pilot.press("b")
            assert app.studio.query_one("#tree", LineList).key == app.studio.path == "paired/bus/calm.txt"


async def test_n_leads_to_the_worst_misread_story_not_visited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of(n_misread=3)) as (app, pilot):
        first = app.studio.path
        assert first == "paired/bus/calm.txt"
        await pilot.press("j", "k")
        mended = with_story(corpus_of(n_misread=3), healthy(first, rank=8))
        app.post_message(EngineSaid(mended))
        await pilot.pause()
        await pilot.press("n")
        assert app.studio.path == "paired/bus/joyful.txt"
        await pilot.press("n", "n")
        assert app.studio.path == "paired/bus/weary.txt"  # no misread story is left
        assert any("All 3 looked at: 1 fixed" in said.message for said in app._notifications)
        await pilot.press("m", "n")
        assert app.studio.path == "paired/cake/calm.txt"  # the maybes that m has shown, by rank
        await pilot.press("N", "N", "N", "N")
        assert app.studio.path == first
        await pilot.press("n")
        assert app.studio.path == "paired/cake/joyful.txt"


async def test_on_a_narrow_screen_n_first_shows_the_lit_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of(), (80, 24)) as (app, pilot):
        await pilot.press("n")
        assert app.studio.path == "paired/bus/calm.txt"
        assert app.studio.query_one("#story").display
        await pilot.press("n")
        assert app.studio.path == "paired/bus/joyful.txt"


async def test_a_burst_of_engine_events_is_one_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draws: list[int] = []
    draw = StudioScreen.draw

    def counted(self: StudioScreen, state: Mirror, away: str) -> None:
        draws.append(state.revision)
        draw(self, state, away)

    monkeypatch.setattr(StudioScreen, "draw", counted)
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        draws.clear()
        for revision in range(2, 200):
            app.post_message(EngineSaid(replace(corpus_of(), revision=revision)))
        await pilot.pause()
        assert draws[-1] == 199
        assert len(draws) <= 2


async def test_keys_from_before_the_editors_end_reach_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        app.burst("2")
        app._terminal_back = time.monotonic() + 0.001
        await pilot.pause()
        assert shown_list(app) == "queue-list"
        await pilot.press("2")
        assert shown_list(app) == "triage-list"


@pytest.mark.parametrize("key", ["2", "4", "n", "/"])
async def test_a_key_typed_before_the_panes_are_there_is_of_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    early: list[bool] = []

    def on_load(app: Studied) -> None:
        app.burst(key)
        early.append(app.studio.is_up)

    monkeypatch.setattr(Studied, "on_load", on_load, raising=False)
    async with studied(tmp_path, monkeypatch, corpus_of(), (80, 24)) as (app, pilot):
        assert early == [False]
        assert shown_list(app) == "queue-list"
        await pilot.press("2")
        assert shown_list(app) == "triage-list"


async def test_a_file_system_that_does_not_answer_is_said_and_holds_up_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    (tmp_path / "story.txt").write_text("Once.")
    monkeypatch.setattr(app_module, "find_editor", gate.wait)
    monkeypatch.setattr(app_module, "ANSWERS_WITHIN_S", 0.2)
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        Studio.edit(app, "story.txt")
        await eventually_async(lambda: any("has not answered" in said.message for said in app._notifications))
        await pilot.press("n")
        assert app.studio.path is not None
    gate.set()


async def test_a_story_that_cannot_be_read_yet_is_said_to_be_silent_and_then_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(story_module, "read", lambda _: Text("Once.") if gate.wait() else Text())
    monkeypatch.setattr(story_module, "ANSWERS_WITHIN_S", 0.1)
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("n")
        shown = app.studio.query_one("#story-text", Static)
        await eventually_async(lambda: "does not answer" in str(shown.content))
        gate.set()
        await eventually_async(lambda: str(shown.content) == "Once.")


async def test_the_next_sitting_begins_where_the_last_one_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("j", "3", "b")
        last = app.studio.path
        assert last is not None
        app.wear("light")
    app = Studied(tmp_path)
    kept = place.load(tmp_path)
    assert (kept.view, kept.story, kept.grouping, kept.theme) == ("corpus", last, "concept", "light")
    async with app.run_test():
        app.studio.take_up(kept)
        app.studio.draw(corpus_of(), "")
        assert shown_list(app) == "tree"
        assert app.studio.path == last
        assert_the_light_is_the_selection(app)


async def test_a_last_place_that_is_read_before_there_are_panes_is_taken_up_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = place.Place(view="corpus", story="paired/bus/weary.txt", grouping="concept")

    def on_load(app: Studied) -> None:
        app.studio.take_up(kept)
        assert not app.studio.is_up

    monkeypatch.setattr(Studied, "on_load", on_load, raising=False)
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, _):
        assert shown_list(app) == "tree"
        assert app.studio.path == kept.story
        assert_the_light_is_the_selection(app)


async def test_a_last_place_in_the_queue_gives_way_to_the_worst_story_once_it_is_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, Mirror()) as (app, _):
        app.studio.take_up(place.Place(view="queue", story="paired/bus/weary.txt"))
        app.studio.draw(corpus_of(), "")
        assert app.studio.path == "paired/bus/weary.txt"
        app.studio.draw(with_story(corpus_of(), healthy("paired/bus/weary.txt")), "")
        assert app.studio.path == "paired/bus/calm.txt"


async def test_the_story_is_still_selected_after_a_look_at_its_concept_in_triage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await pilot.press("j", "2", "3")
        assert app.studio.path == "paired/bus/joyful.txt"
        assert_the_light_is_the_selection(app)
