"""Pictures of the studio on the sample corpus, as SVG: `python -m tests.e2e.picture FOLDER [WxH ...]`."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path

from amygdala_tui.app import Studio
from amygdala_tui.demo import copy_sample
from amygdala_tui.screens.studio import StudioScreen
from engine import client
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire import protocol
from tests.waiting import eventually_async

VIEWS = (
    (("1", "enter"), "queue"),
    (("2",), "triage"),
    (("3",), "corpus"),
    (("4",), "concept"),
    (("8",), "engine"),
)
"""What to press for each picture; Enter shows the story also where there is room for one pane only."""


async def take(folder: Path, sizes: list[tuple[int, int]]) -> None:
    """One picture per view and size."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    os.environ.update(XDG_STATE_HOME=str(home / "state"))
    copy_sample(home / "stories-2026")
    try:
        for width, height in sizes:
            await take_all(folder, home, width, height)
    finally:
        with suppress(AmygdalaError):
            connection = await client.connect(home / "e.sock")
            await connection.request(protocol.Stop)
            await connection.close()
        shutil.rmtree(home, ignore_errors=True)


async def take_all(folder: Path, home: Path, width: int, height: int) -> None:
    """The pictures of one size."""
    app = Studio(home / "stories-2026", home / "e.sock", Settings(model="embedded"))
    async with app.run_test(size=(width, height)) as pilot:
        studio = app.screen
        assert isinstance(studio, StudioScreen)
        await eventually_async(partial(is_ready, studio))
        for keys, view in VIEWS:
            await pilot.press(*keys)
            await pilot.pause()
            if view == "queue":
                await eventually_async(partial(is_explained, studio))
            app.save_screenshot(f"{view}-{width}x{height}.svg", str(folder))


def is_ready(studio: StudioScreen) -> bool:
    """Whether all numbers are there, and all stories are judged."""
    return studio.mirror.doing is not None and studio.mirror.doing.state == "ready" and studio.mirror.is_judged


def is_explained(studio: StudioScreen) -> bool:
    """Whether it is said why the story reads as it does."""
    return bool(studio.query_one("#story-why").display)


if __name__ == "__main__":
    place, *words = sys.argv[1:]
    asked = [(int(w), int(h)) for w, h in (word.split("x") for word in words or ["120x40", "80x24"])]
    asyncio.run(take(Path(place), asked))
