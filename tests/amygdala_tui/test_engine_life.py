"""The studio and its engine: what is asked of it, what is seen of it, and what happens when it goes."""

from __future__ import annotations

import os
from pathlib import Path

from amygdala_tui.screens.dialogs import Choice
from engine import client
from engine.settings import Settings
from engine.wire import protocol
from tests.amygdala_tui.driving import choose, screen, shows, state, studio
from tests.engine.service.running import SETTINGS, WITHIN, Engine
from tests.waiting import eventually_async


async def test_retrain_asks_for_the_scope_and_runs_it(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("r")
        assert isinstance(app.screen, Choice)
        concept = screen(app).concept
        assert concept is not None
        await pilot.press("c")
        await eventually_async(lambda: screen(app).mirror.revision == 2)
        moved = screen(app).mirror.moves[0]
        assert moved.cost.texts_run == len(screen(app).mirror.stories_of(concept))
        await pilot.press("r", "s")
        await eventually_async(lambda: screen(app).mirror.revision == 3)
        assert screen(app).mirror.moves[0].cost.texts_run == 1
        await pilot.press("r", "a")
        await eventually_async(lambda: screen(app).mirror.revision == 4)
        assert screen(app).mirror.moves[0].cost.texts_run == 46
        await pilot.press("r", "escape")
        assert app.screen_stack == [screen(app)]


async def test_paused_changes_are_stale_until_retrained(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("L")
        await shows(app, "#status", "paused")
        path = await choose(app, pilot)
        (corpus / path).write_text("A short note about nothing in particular, written while the engine rested.")
        await eventually_async(lambda: screen(app).mirror.stories[path].state == "stale")
        assert screen(app).mirror.revision == 1
        await pilot.press("r", "s")
        await eventually_async(lambda: screen(app).mirror.revision == 2)
        assert screen(app).mirror.stories[path].state != "stale"
        await pilot.press("L")
        await shows(app, "#status", "up to date")


async def test_an_engine_that_dies_is_a_state_and_a_new_one_takes_over(corpus: Path, short_dir: Path) -> None:
    first = Engine(short_dir)
    async with studio(corpus, first.socket) as (app, pilot):
        await pilot.press("L")
        await shows(app, "#status", "paused")
        os.kill(first.process.pid, 9)
        first.process.wait()
        await shows(app, "#status", "no engine")
        await shows(app, "#moved", "reconnecting")
        assert len(screen(app).mirror.stories) == 46
        (corpus / "stories/joyful.txt").unlink()
        # the studio starts one itself, with the settings that were in force, paused as the last one was
        await eventually_async(lambda: screen(app).away == "" and state(app) == "ready")
        mirror = screen(app).mirror
        assert mirror.settings == SETTINGS
        assert "stories/joyful.txt" not in mirror.stories
        assert len(mirror.stories) == 45
        await shows(app, "#status", "paused")
    await stop(short_dir)


async def test_an_engine_stopped_on_purpose_is_left_alone_until_asked_for(corpus: Path, short_dir: Path) -> None:
    first = Engine(short_dir)
    async with studio(corpus, first.socket) as (app, pilot):
        assert first.end() == 0
        await pilot.press("8")
        await shows(app, "#engine-text", "the engine was stopped; press S")
        assert not first.socket.exists()
        await pilot.press("S")
        await eventually_async(lambda: screen(app).away == "" and state(app) == "ready")
    await stop(short_dir)


async def stop(folder: Path) -> None:
    """Stop the engine that a studio started."""
    connection = await client.connect(folder / "e.sock")
    await connection.request(protocol.Stop)
    await connection.close()
    for process in client._started:
        process.wait(WITHIN)


async def test_other_settings_than_those_in_force_are_told_and_either_can_be_had(corpus: Path, engine: Engine) -> None:
    other = Settings(**{field: getattr(SETTINGS, field) for field in Settings.__struct_fields__} | {"min_positives": 3})
    async with studio(corpus, engine.socket) as (first, _):
        async with studio(corpus, engine.socket, settings=other, until="") as (app, pilot):
            await eventually_async(lambda: isinstance(app.screen, Choice))
            await pilot.press("t")
            await eventually_async(lambda: state(app) == "ready")
            assert screen(app).mirror.settings == SETTINGS
        async with studio(corpus, engine.socket, settings=other, until="") as (app, pilot):
            await eventually_async(lambda: isinstance(app.screen, Choice))
            await pilot.press("o")
            await eventually_async(lambda: state(app) == "ready" and screen(app).mirror.settings == other)
            await eventually_async(lambda: "content" in screen(app).mirror.concepts)
            assert screen(app).mirror.concepts["content"].verdict is None
        await eventually_async(lambda: screen(first).mirror.settings == other and state(first) == "ready")
        assert first.screen is screen(first)  # the others follow, and are not asked


async def test_a_model_that_is_not_there_is_shown_in_full(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket, settings=Settings(model="/no/such/model"), until="failed") as (app, pilot):
        await pilot.press("8")
        await shows(app, "#engine-text", "--model /no/such/model: no such folder")


async def test_a_failure_is_told_whatever_view_is_shown(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket, settings=Settings(model="/no/such/model"), until="failed") as (app, _):
        await shows(app, "#moved", "failed: --model /no/such/model: no such folder")


async def test_cancel_says_when_there_is_nothing_to_cancel(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("8", "x")
        await eventually_async(lambda: any("nothing waits" in note.message for note in app._notifications))


async def test_the_story_on_screen_is_told_to_the_engine_and_to_the_next_one(corpus: Path, short_dir: Path) -> None:
    first = Engine(short_dir)
    async with studio(corpus, first.socket) as (app, _):
        asked: list[object] = []
        request = app._link.request

        async def recorded(kind: type[protocol.Request], **fields: object) -> protocol.Reply:
            asked.append((kind, fields))
            return await request(kind, **fields)

        app._link.request = recorded  # type: ignore[method-assign]
        screen(app).select_story("stories/lonely.txt")
        told = (protocol.Showing, {"path": "stories/lonely.txt"})
        await eventually_async(lambda: asked == [told])
        os.kill(first.process.pid, 9)
        first.process.wait()
        await eventually_async(lambda: asked == [told, told])
        await eventually_async(lambda: screen(app).away == "" and state(app) == "ready")
    await stop(short_dir)
