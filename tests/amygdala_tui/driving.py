"""Drives the studio headless, on a real engine process with a tiny model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from amygdala_tui.app import Studio
from amygdala_tui.screens.studio import StudioScreen
from amygdala_tui.widgets.lines import LineList
from engine.settings import Settings
from tests.engine.service.running import SETTINGS
from tests.waiting import eventually_async


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


STORY = "stories/joyful.txt"
ODD = "paired/t08-an-employee-discovers-the-company-is-being-sold-s1/furious.txt"
"""A story that is unlike all others once it holds `ODD_TEXT`, whatever the model."""
ODD_TEXT = "0"


async def choose(app: Studio, pilot: Pilot[None], path: str = STORY) -> str:
    """Open a story."""
    screen(app).show_view("corpus")
    screen(app).select_story(path)
    await pilot.pause()
    return path


async def queue_of(app: Studio) -> list[str]:
    """The queue's paths, once there are any."""
    await eventually_async(lambda: screen(app).mirror.queue)
    return [view.path for view in screen(app).mirror.queue]


def said(app: Studio, words: str) -> bool:
    """Whether a notice with these words is on screen."""
    return any(words in note.message for note in app._notifications)


def dialog(app: Studio) -> str:
    """What the dialog on top shows, as plain text."""
    assert app.screen is not screen(app)
    return "\n".join(str(part.render()) for part in app.screen.query(Static))


async def asked(app: Studio, kind: type[Screen[Any]]) -> str:
    """Wait until a dialog of a kind is asked; returns what it shows."""
    await eventually_async(lambda: isinstance(app.screen, kind) and app.screen.is_mounted)
    return dialog(app)


def write_in_editor(monkeypatch: pytest.MonkeyPatch, *texts: str) -> list[str]:
    """Have the editor write these texts, one a session; returns a list that will have the edited paths.

    Only the suspended terminal is left out, which the headless driver cannot do: an editor that runs is driven in
    tests/e2e.
    """
    edited: list[str] = []
    waiting = list(texts)

    def write(app: Studio, _command: list[str], file: Path) -> None:
        edited.append(str(file.relative_to(app.corpus)))
        file.write_text(waiting.pop(0))

    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.setattr(Studio, "_run_editor", write)
    return edited


async def edit(app: Studio, pilot: Pilot[None], edited: list[str]) -> None:
    """Press `e`, and wait until the editor has ended."""
    n_sessions = len(edited)
    await pilot.press("e")
    await eventually_async(lambda: len(edited) > n_sessions and not app._is_opening)
