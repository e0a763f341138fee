"""What the studio shows in each state of an engine, from what a real one has said (`tests.amygdala_tui.wire`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from amygdala_tui.widgets.lines import LineList
from engine import client
from tests.amygdala_tui.driving import screen, shows, studio
from tests.amygdala_tui.wire import STORIES, Replay
from tests.waiting import eventually_async


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The corpus that the recordings are of; no engine is started."""
    monkeypatch.setattr(client, "start", refuse)
    for path, text in STORIES.items():
        file = tmp_path / "corpus" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "corpus"


def refuse(_: Path) -> None:
    raise client.NoEngine("no engine could be started")


def is_dim(rows: LineList) -> bool:
    return rows.is_dim


async def test_without_an_engine_the_stories_are_there_and_the_reason_is_told(recorded: Path, short_dir: Path) -> None:
    async with studio(recorded, short_dir / "e.sock", until="") as (app, pilot):
        await shows(app, "#status", "○ no engine")
        await shows(app, "#moved", "no engine could be started")
        await eventually_async(lambda: len(screen(app).mirror.stories) == len(STORIES))
        await pilot.press("3")
        await shows(app, "#tree", "dusk")
        assert is_dim(screen(app).query_one("#tree", LineList))


async def test_an_engine_that_opens_a_corpus_is_followed_from_state_to_state(recorded: Path, short_dir: Path) -> None:
    async with (
        Replay("opening", recorded).at(short_dir / "e.sock") as replay,
        studio(recorded, short_dir / "e.sock", until="") as (app, _),
    ):
        await replay.opened.wait()
        await shows(app, "#status", "○ looking for the engine")
        for state, words in (
            ("scanning", "◌ looking at the files"),
            ("loading", "◌ loading the model"),
            ("computing", "◌ reading"),
            ("ready", "● up to date"),
        ):
            replay.send_until(state)
            await shows(app, "#status", words)
        await eventually_async(lambda: screen(app).mirror.revision == 1)
        assert not is_dim(screen(app).query_one("#queue-list", LineList))
        replay.send_until("computing")
        await shows(app, "#status", "◌ reading")
        replay.send_rest()
        await shows(app, "#moved", "dusk / calm edited")
        await shows(app, "#status", "● up to date")


async def test_a_worker_that_falls_is_work_that_goes_on_and_a_stopped_engine_leaves_the_last_numbers_dimmed(
    recorded: Path, short_dir: Path
) -> None:
    async with (
        Replay("falling", recorded).at(short_dir / "e.sock") as replay,
        studio(recorded, short_dir / "e.sock", until="") as (app, pilot),
    ):
        await replay.opened.wait()
        replay.send_until("ready")
        await shows(app, "#status", "● up to date")
        replay.send_until("computing")
        await shows(app, "#status", "◌ reading")
        assert screen(app).mirror.revision == 2
        replay.send_until("ready")
        await eventually_async(lambda: screen(app).mirror.revision == 3)
        await shows(app, "#moved", "rain / sad edited")
        replay.send_rest()
        await shows(app, "#status", "○ no engine")
        await shows(app, "#moved", "the engine was stopped; press S to start it again")
        await pilot.press("3")
        assert is_dim(screen(app).query_one("#tree", LineList))
        assert screen(app).mirror.revision == 3


async def test_a_lost_connection_is_said_and_the_numbers_stay_dimmed_until_it_is_back(
    recorded: Path, short_dir: Path
) -> None:
    socket = short_dir / "e.sock"
    async with studio(recorded, socket, until="") as (app, pilot):
        async with Replay("opening", recorded).at(socket) as replay:
            await pilot.press("S")
            await replay.opened.wait()
            replay.send_rest()
            await shows(app, "#status", "● up to date")
            await replay.hang_up()
            await shows(app, "#moved", "the connection to the engine was lost; reconnecting")
            await shows(app, "#status", "○ no engine")
            assert is_dim(screen(app).query_one("#queue-list", LineList))
            assert screen(app).mirror.revision == 2
        socket.unlink(missing_ok=True)
        async with Replay("falling", recorded).at(socket) as replay:
            await replay.opened.wait()
            replay.send_until("ready")
            await shows(app, "#status", "● up to date")
            assert not is_dim(screen(app).query_one("#queue-list", LineList))


async def test_an_engine_of_another_version_is_told_in_its_own_words(recorded: Path, short_dir: Path) -> None:
    async with (
        Replay("refusing", recorded).at(short_dir / "e.sock"),
        studio(recorded, short_dir / "e.sock", until="") as (app, _),
    ):
        await shows(app, "#moved", "speaks protocol")
        await shows(app, "#status", "○ no engine")
