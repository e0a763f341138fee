"""Accepting a story as it is: the key, the file, what is shown, with an engine and without."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input

from amygdala_tui.app import Studio
from amygdala_tui.mirror import accepting
from amygdala_tui.screens.dialogs import Reason
from amygdala_tui.widgets.story import head
from amygdala_tui.words import state_sign
from engine import client
from engine.corpus import Accepted, Layout, scan, text_id
from engine.corpus.accepted import FILE, text_id_at, write
from engine.errors import AmygdalaError
from engine.wire.snapshot import StoryView
from tests.amygdala_tui.driving import ODD, ODD_TEXT, STORY, choose, queue_of, said, screen, shows, studio
from tests.amygdala_tui.making import mirror, misread, story
from tests.engine.service.running import Engine
from tests.waiting import eventually_async


def accepted_line(corpus: Path) -> str:
    file = corpus / FILE
    return file.read_text() if file.exists() else ""


async def test_a_silences_the_lit_story_and_goes_on_and_a_again_takes_it_back(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    (corpus / STORY).write_text("9 9 9 9 9 9")
    async with studio(corpus, engine.socket) as (app, pilot):
        assert await queue_of(app) == [ODD, STORY]
        await shows(app, "#queue-list", "TO FIX  2")
        assert screen(app).path == ODD
        await pilot.press("a", *"a dream", "enter")
        await shows(app, "#queue-list", lambda shown: "TO FIX  1" in shown and "kept 1" in shown)
        assert accepted_line(corpus) == f"{ODD}\t{text_id(ODD_TEXT)}\ta dream\n"
        await eventually_async(lambda: screen(app).path == STORY)
        assert screen(app).view == "queue"
        assert [view.path for view in screen(app).mirror.queue] == [STORY]

        await choose(app, pilot, ODD)
        await shows(app, "#story-head", "accepted: a dream")
        await pilot.press("a")
        await eventually_async(lambda: ODD in screen(app).mirror.misread)
        await shows(app, "#story-head", "Unlike the other furious stories")
        assert accepted_line(corpus) == ""
        assert screen(app).path == ODD


async def test_engine_says_the_same_as_the_studio_did_and_an_edit_ends_it(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    async with studio(corpus, engine.socket) as (app, _):
        await queue_of(app)
        before = screen(app).mirror
        write(corpus, ODD, Accepted(text_id=text_id(ODD_TEXT), reason="so"))  # as a colleague's studio does
        await eventually_async(lambda: screen(app).mirror.stories[ODD].accepted == "so")
        told, guessed = screen(app).mirror.stories[ODD], accepting(before, ODD, "so").stories[ODD]
        assert told == guessed
        assert screen(app).mirror.revision == before.revision
        (corpus / ODD).write_text(f"{ODD_TEXT} 0")
        await eventually_async(lambda: screen(app).mirror.revision > before.revision)
        assert screen(app).mirror.stories[ODD].accepted is None
        assert "\tso\n" in accepted_line(corpus)


async def test_escape_leaves_the_story_as_it_is(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    async with studio(corpus, engine.socket) as (app, pilot):
        await queue_of(app)
        await pilot.press("a", "x", "escape")
        await pilot.pause()
        assert app.screen is screen(app)
        assert screen(app).path == ODD
        assert accepted_line(corpus) == ""


async def test_keys_of_a_burst_are_the_reasons_not_the_studios(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    async with studio(corpus, engine.socket) as (app, _):
        await queue_of(app)
        await eventually_async(lambda: screen(app).path == ODD)
        app.simulate_key("a")
        for key in "exq":
            app.simulate_key(key)
        await eventually_async(lambda: isinstance(app.screen, Reason) and app.screen.query_one(Input).value == "exq")


async def test_without_an_engine_it_is_kept_and_shown_at_the_next_opening(
    corpus: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RACE_WITHIN", 1.0)
    (short_dir / "e.sock").mkdir()  # a socket that can be neither joined nor served at
    for opening in ("first", "second"):
        async with studio(corpus, short_dir / "e.sock", until="") as (app, pilot):
            await eventually_async(partial(is_there, app, STORY))
            await choose(app, pilot, STORY)
            if opening == "first":
                await pilot.press("a", "enter")
            await shows(app, "#story-head", "accepted as it is")
    assert accepted_line(corpus) == f"{STORY}\t{text_id_at(corpus, STORY)}\t\n"


async def test_with_the_engine_gone_the_queue_follows_all_the_same(corpus: Path, short_dir: Path) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    running = Engine(short_dir)
    async with studio(corpus, running.socket) as (app, pilot):
        queue = await queue_of(app)
        assert running.end() == 0
        await eventually_async(lambda: screen(app).away)
        await choose(app, pilot, ODD)
        await pilot.press("a", "enter")
        await eventually_async(lambda: screen(app).mirror.stories[ODD].accepted == "")
        assert [view.path for view in screen(app).mirror.queue] == queue[1:]
        await choose(app, pilot, ODD)
        await pilot.press("a")
        await eventually_async(lambda: [view.path for view in screen(app).mirror.queue] == queue)


async def test_a_file_that_cannot_be_written_is_said_and_nothing_is_accepted(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    (corpus / FILE).mkdir()
    async with studio(corpus, engine.socket) as (app, pilot):
        await queue_of(app)
        await eventually_async(lambda: screen(app).path == ODD)
        await pilot.press("a", "enter")
        await eventually_async(lambda: said(app, "accepted.tsv: not a regular file; nothing was changed"))
        assert screen(app).mirror.stories[ODD].misread
        assert screen(app).path == ODD


async def test_there_is_nothing_to_accept_of_a_healthy_story(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await eventually_async(lambda: any(view.misfit is not None for view in screen(app).mirror.stories.values()))
        stories = screen(app).mirror.stories.values()
        await choose(app, pilot, next(view.path for view in stories if view.concept is None))
        await pilot.press("a")
        assert said(app, "nothing to accept")
        assert app.screen is screen(app)


def is_there(app: Studio, path: str) -> bool:
    return path in screen(app).mirror.stories


def test_what_is_accepted_is_the_text_that_a_scan_gives(corpus: Path) -> None:
    (corpus / STORY).write_bytes(b"\xef\xbb\xbf  It was so.\r\n ")
    scanned = next(each for each in scan(Layout.of(corpus)).stories if each.path == STORY)
    assert text_id_at(corpus, STORY) == scanned.text_id
    (corpus / STORY).write_text("<<<<<<< HEAD\nno\n")
    with pytest.raises(AmygdalaError, match="conflict markers"):
        text_id_at(corpus, STORY)


def maybe(path: str, rank: int) -> StoryView:
    return story(path, strength="none", misfit=0.3, shares=[("c", 0.7), ("sad", 0.3)], rank=rank)


def test_taking_back_gives_a_story_its_place_again() -> None:
    before = mirror([misread("stories/a.txt", "sad", 0), misread("stories/b.txt", "sad", 1), maybe("stories/c.txt", 2)])
    for path in before.stories:
        silenced = accepting(before, path, "so")
        assert path not in [view.path for view in silenced.queue]
        assert silenced.n_accepted == 1
        assert silenced.stories[path].state == "ok"
        assert str(state_sign(silenced.stories[path])) == "accepted"
        assert "●" not in head(silenced.stories[path], silenced, "", width=80).plain
        back = accepting(silenced, path, None)
        assert [view.path for view in back.queue] == [view.path for view in before.queue]
        assert [view.state for view in back.stories.values()] == [view.state for view in before.stories.values()]
    assert accepting(before, "stories/gone.txt", "so") is before
