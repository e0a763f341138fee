"""The whole studio, headless, on a real engine process with a tiny model."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from amygdala_tui.app import Studio
from amygdala_tui.screens.dialogs import Choice, Help
from amygdala_tui.screens.studio import StudioScreen
from amygdala_tui.widgets.lines import LineList
from amygdala_tui.widgets.story import read
from engine import client
from engine.settings import Settings
from engine.wire import protocol
from tests.engine.compute.model.altered import UNKNOWN
from tests.engine.service.running import SETTINGS, WITHIN, Engine
from tests.waiting import eventually_async

MISREAD = "paired/t08-an-employee-discovers-the-company-is-being-sold-s1/furious.txt"


@asynccontextmanager
async def studio(
    corpus: Path,
    socket: Path,
    *,
    size: tuple[int, int] = (120, 40),
    settings: Settings | None = SETTINGS,
    until: str = "ready",
) -> AsyncIterator[tuple[Studio, Pilot[None]]]:
    """The running app, once the engine has come to a state."""
    app = Studio(corpus, socket, settings)
    async with app.run_test(size=size) as pilot:
        if until:
            await eventually_async(lambda: screen(app).mirror.doing is not None and state(app) == until)
            await pilot.pause()
        yield app, pilot


def screen(app: Studio) -> StudioScreen:
    lowest = app.screen_stack[0]
    assert isinstance(lowest, StudioScreen)
    return lowest


def state(app: Studio) -> str:
    doing = screen(app).mirror.doing
    return doing.state if doing is not None else ""


def text(app: Studio, selector: str) -> str:
    """What a widget shows, as plain text."""
    widget = screen(app).query_one(selector)
    if isinstance(widget, LineList):
        return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))
    assert isinstance(widget, Static)
    return str(widget.render())


async def shows(app: Studio, selector: str, words: str | Callable[[str], bool]) -> None:
    """Wait until a widget shows these words."""
    check = (lambda shown: words in shown) if isinstance(words, str) else words
    await eventually_async(lambda: check(text(app, selector)))


async def test_the_tree_is_there_before_any_engine_answers(
    corpus: Path, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RACE_WITHIN", 1.0)
    (short_dir / "e.sock").mkdir()  # a socket that can be neither joined nor served at
    async with studio(corpus, short_dir / "e.sock", until="") as (app, _):
        await shows(app, "#tree", "▾ stories")
        await shows(app, "#status", "no engine")
        assert len(screen(app).mirror.stories) == 46


async def test_triage_shows_the_numbers_behind_each_bucket(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("2")
        await shows(app, "#triage-list", "─ mixed")
        mirror = screen(app).mirror
        assert mirror.middle is not None
        for name, view in mirror.concepts.items():
            assert view.quality is not None
            row = next(line for line in text(app, "#triage-list").splitlines() if line.split()[:1] == [name])
            assert f"{view.quality.per_layer[mirror.middle].first_pc_variance_ratio:.2f}" in row
            assert f"{view.quality.nearest_concepts[0][1]:.2f} {view.quality.nearest_concepts[0][0]}" in row
        await shows(app, "#triage-head", "<0.4 fragmented")
        await pilot.press("s")
        await shows(app, "#triage-head", "sorted by first PC")


async def test_enter_on_a_concept_shows_it_and_enter_on_its_story_shows_that(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("2", "enter")
        first = screen(app).concept
        assert first is not None
        await shows(app, "#concept-head", first)
        assert screen(app).view == "concept"
        await pilot.press("enter")
        assert screen(app).view == "story"
        story = screen(app).mirror.stories_of(first)[0]
        await shows(app, "#story-text", (corpus / story.path).read_text()[:30])


async def test_n_walks_the_queue_from_the_worst(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        queue = [view.path for view in screen(app).mirror.queue]
        await pilot.press("n")
        assert screen(app).path == queue[0]
        await pilot.press("n", "n", "N")
        assert screen(app).path == queue[1]
        await pilot.press("3")
        await shows(app, "#queue-head", "read as another concept")
        listed = screen(app).query_one("#queue-list", LineList)
        assert listed.key == queue[1]


async def test_a_save_from_anywhere_shows_what_moved(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("n")
        path = screen(app).path
        assert path is not None
        (corpus / path).write_text("Something else entirely happened by the river that day, and no one minded.")
        await shows(app, "#moved", lambda shown: "rev 2" in shown and "1 text run" in shown)
        await shows(app, "#story-text", "by the river")


async def test_e_opens_the_editor_and_says_when_it_fails(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The headless driver cannot suspend; that part is driven in a real terminal (tests/e2e)."""
    monkeypatch.setenv("VISUAL", "no-such-editor-anywhere")
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("e")
        assert screen(app).path is None  # nothing is chosen, so nothing is opened
        assert app.is_running


async def test_retrain_asks_for_the_scope_and_runs_it(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("n", "r")
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
        await shows(app, "#status", "PAUSED")
        await pilot.press("n")
        path = screen(app).path
        assert path is not None
        (corpus / path).write_text("A short note about nothing in particular, written while the engine rested.")
        await eventually_async(lambda: screen(app).mirror.stories[path].state == "stale")
        assert screen(app).mirror.revision == 1
        await pilot.press("r", "s")
        await eventually_async(lambda: screen(app).mirror.revision == 2)
        assert screen(app).mirror.stories[path].state != "stale"
        await pilot.press("L")
        await shows(app, "#status", "live")


async def test_an_engine_that_dies_is_a_state_and_a_new_one_takes_over(corpus: Path, short_dir: Path) -> None:
    first = Engine(short_dir)
    async with studio(corpus, first.socket) as (app, pilot):
        await pilot.press("L")
        await shows(app, "#status", "PAUSED")
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
        await shows(app, "#status", "PAUSED")
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


async def test_on_a_narrow_screen_the_panes_take_turns(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket, size=(80, 24)) as (app, pilot):
        side, views, inspector = (screen(app).query_one(name) for name in ("#side", "#views", "#inspector"))

        def visible() -> list[bool]:
            return [pane.region.width > 0 and pane.display for pane in (side, views, inspector)]

        assert visible() == [True, False, False]
        await pilot.press("n")
        await pilot.pause()
        assert visible() == [False, True, False]
        await pilot.press("i")
        await pilot.pause()
        assert visible() == [False, False, True]
        await pilot.press("t")
        await pilot.pause()
        assert visible() == [True, False, False]


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


async def test_the_filter_finds_files_and_escape_lets_go(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("slash", *"weary", "enter")
        await shows(app, "#tree", lambda shown: "weary" in shown and "furious" not in shown)
        await pilot.press("escape")
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
    assert "not a regular file" in read(corpus / "stories/pipe.txt").plain


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


async def test_a_failure_is_told_whatever_view_is_shown(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket, settings=Settings(model="/no/such/model"), until="failed") as (app, _):
        await shows(app, "#moved", "failed: --model /no/such/model: no such folder")


async def test_when_the_selected_story_goes_the_selection_moves_with_the_light(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, _):
        screen(app).select_story("stories/lonely.txt")
        for file in corpus.rglob("lonely.txt"):
            file.unlink()
        await eventually_async(lambda: "stories/lonely.txt" not in screen(app).mirror.stories)
        await eventually_async(lambda: screen(app).concept != "lonely")
        assert screen(app).query_one("#tree", LineList).key == screen(app).path


async def test_cancel_says_when_there_is_nothing_to_cancel(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("x")
        await eventually_async(lambda: any("nothing waits" in note.message for note in app._notifications))


async def test_the_story_on_screen_is_told_to_the_engine_and_to_the_next_one(corpus: Path, short_dir: Path) -> None:
    first = Engine(short_dir)
    async with studio(corpus, first.socket) as (app, _):
        asked: list[object] = []
        request = app._link.request

        async def recorded(kind: type[protocol.Request], **fields: object) -> None:
            asked.append((kind, fields))
            await request(kind, **fields)

        app._link.request = recorded  # type: ignore[method-assign]
        screen(app).select_story("stories/lonely.txt")
        told = (protocol.Showing, {"path": "stories/lonely.txt"})
        await eventually_async(lambda: asked == [told])
        os.kill(first.process.pid, 9)
        first.process.wait()
        await eventually_async(lambda: asked == [told, told])
        await eventually_async(lambda: screen(app).away == "" and state(app) == "ready")
    await stop(short_dir)
