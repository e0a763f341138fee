"""What ^p finds: verbs with their keys, stories and concepts; nothing of the framework's own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit
from textual.pilot import Pilot

from amygdala_tui.actions import ACTIONS
from amygdala_tui.palette import Palette, matching, verb
from amygdala_tui.themes import LOOKS
from tests.amygdala_tui.studying import Studied, corpus_of, studied


async def hits(app: Studied, query: str) -> list[DiscoveryHit | Hit]:
    provider = Palette(app.studio)
    return [hit async for hit in (provider.search(query) if query else provider.discover())]


async def choose(pilot: Pilot[None], query: str) -> None:
    """Open the palette, type, and take the first hit."""
    await pilot.press("ctrl+p")
    await pilot.pause()
    assert isinstance(pilot.app.screen, CommandPalette)
    await pilot.press(*("space" if char == " " else char for char in query))
    end = time.monotonic() + 10
    while not pilot.app.screen.query_one(CommandList).option_count and time.monotonic() < end:
        await pilot.pause(0.05)
    await pilot.pause(0.1)
    await pilot.press("enter")
    await pilot.pause(0.1)
    await pilot.pause()


async def test_it_lists_every_action_as_a_verb_with_its_key_and_the_themes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, _pilot):
        app.keys = {"edit": "E"}
        told = {str(hit.text) for hit in await hits(app, "")}
        assert len(told) == len(ACTIONS) + len(LOOKS)
        assert any(words.startswith("Open the story in your editor ") and words.endswith(" E") for words in told)
        assert any(words.startswith("Go to the worst story to fix") and words.endswith(" n") for words in told)
        assert not any(left_over in words for words in told for left_over in ("Maximize", "Screenshot", "Keys"))


def test_every_action_has_a_verb_of_its_own() -> None:
    verbs = [verb(action) for action in ACTIONS]
    assert len(set(verbs)) == len(verbs)
    assert all(words and len(words) <= 60 for words in verbs)


async def test_a_story_is_found_by_words_of_its_name_and_becomes_the_selection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await choose(pilot, "weary snow")
        assert app.screen is app.studio
        assert app.studio.path == "paired/snow/weary.txt"
        assert app.studio.view == "corpus"


async def test_a_concept_is_found_by_name_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await choose(pilot, "joyful")
        assert app.studio.view == "concept"
        assert app.studio.concept == "joyful"


async def test_a_verb_does_what_its_key_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        await choose(pilot, "show triage")
        assert app.studio.view == "triage"


async def test_a_theme_is_worn_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        before = drawn_colours(app)
        await choose(pilot, "theme light")
        assert app.theme == "light"
        assert drawn_colours(app).isdisjoint(before)


def drawn_colours(app: Studied) -> set[object]:
    """The colours of what is on the screen."""
    strips = app.screen._compositor.render_strips()
    return {piece.style.color for strip in strips for piece in strip if piece.style is not None and piece.text.strip()}


def test_names_hold_every_word_and_the_shortest_come_first() -> None:
    names = ["paired/bus/joyful.txt", "stories/joyful.txt", "paired/bus/weary.txt"]
    assert matching("JOY", names) == ["stories/joyful.txt", "paired/bus/joyful.txt"]
    assert matching("joy bus", names) == ["paired/bus/joyful.txt"]
    assert matching("", names) == []


async def test_ctrl_c_names_the_key_that_quits_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        app.keys = {"leave": "Q"}
        await pilot.press("ctrl+c")
        assert [note.message for note in app._notifications] == ["Q quits the studio; the engine goes on"]


async def test_the_path_is_copied_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, corpus_of()) as (app, pilot):
        app.copy_path("paired/snow/weary.txt")
        assert app.clipboard == str(tmp_path.resolve() / "paired/snow/weary.txt")
        app.copy_path(None)
        await pilot.pause()
        assert "choose a story" in [note.message for note in app._notifications][-1]
