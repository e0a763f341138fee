"""Every view looks as it did, at 120x40 and at 80x24 (`tests.amygdala_tui.snapshots`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from amygdala_tui.messages import EngineSaid
from amygdala_tui.mirror import Mirror
from engine.corpus import Change, Problem
from engine.results import Cost
from engine.wire.snapshot import Moved, Stages, StoryMove
from tests.amygdala_tui.making import concept, healthy, mirror, misread, story
from tests.amygdala_tui.snapshots import assert_as_before, snapshot
from tests.amygdala_tui.studying import Studied, studied
from tests.waiting import eventually_async

SIZES = [(120, 40), (80, 24)]
TEXTS = {
    "paired/power-cut/ashamed.txt": "Damon took out the trash at night. He drove a long way around the corner.\n"
    "When he ran into her, she said that it was so nice. He said it was.",
    "paired/power-cut/content.txt": "Damon took out the trash at night. The stove ticked as it cooled.",
    "stories/ashamed.txt": "Damon took out the trash at night. He could not look at his own hands.",
    "stories/content.txt": "The bread rose under its cloth. There was nothing to do until noon.",
}
FIRST = next(iter(TEXTS))


def corpus() -> Mirror:
    """Two misread stories, a maybe, an accepted one, a broken one, a stray file, and what an edit has moved."""
    stories = [
        misread(FIRST, "furious", 0),
        misread("paired/late-train/content.txt", "ashamed", 1),
        story(
            "stories/content.txt", strength="none", misfit=0.3, reads_as="ashamed", rank=2,
            shares=[("content", 0.7), ("ashamed", 0.2)], reason="maybe: as content 70%, as ashamed 20%",
        ),
        healthy("stories/ashamed.txt"),
        healthy("paired/power-cut/content.txt"),
        healthy("paired/late-train/furious.txt", accepted="a dream", reason="accepted: a dream"),
        story("paired/late-train/ashamed.txt", state="empty", reason="it has no text"),
        story("paired/power-cut/baseline.txt"),
    ]  # fmt: skip
    moved = Moved(
        revision=4, cause="edited", concepts=[], seconds=0.038, queue=(3, 2),
        changes=[Change(path="paired/power-cut/content.txt", kind="edited")],
        cost=Cost(texts_run=1, texts_cached=0, seconds_forward=0.03, seconds_statistics=0.008),
        stages=Stages(scanning=0.0, waiting=0.0, forward=0.03, statistics=0.008, showing=0.0),
        stories=[
            StoryMove(
                path="paired/power-cut/content.txt", misfit=(0.92, 0.02), own_share=(0.08, 0.98),
                strength=("fair", "none"),
            )
        ],
    )  # fmt: skip
    concepts = [concept("ashamed", first_pc=0.3), concept("content"), concept("furious", n=2)]
    stray = Problem(path="stories/notes.md", severity="warning", code="ending", message="not a .txt file")
    return replace(mirror(stories, concepts, revision=4), problems=(stray,), moves=(moved,))


@asynccontextmanager
async def shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> AsyncIterator[tuple[Studied, Pilot[None]]]:
    """The studio on that corpus, in a folder whose name is the same in every run."""
    folder = tmp_path / "sample"
    for path in corpus().stories:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TEXTS.get(path, ""))
    monkeypatch.setattr("engine.paths.log_path", lambda: Path("/state/engine.log"))
    async with studied(folder, monkeypatch, corpus(), size) as (app, pilot):
        app.post_message(EngineSaid(corpus()))
        head = app.studio.query_one("#story-text", Static)
        await eventually_async(lambda: app.studio.path == FIRST and "Damon" in str(head.content))
        yield app, pilot


VIEWS = {
    "queue": ("m", "MAYBE  1"),
    "triage": ("2m", "ashamed"),
    "corpus": ("3b", "by file"),
    "concept": ("4", "4 Concept"),
    "find": ("/trash", "3 stories"),
    "compare": ("c", "could not look"),
    "engine": ("8", "what moved, newest first"),
    "help": ("?", "What Queue shows"),
    "story": ("\r", "esc back"),
}
"""The keys that lead to a view, and what it shows once all of it is there."""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("name", VIEWS)
async def test_every_view_looks_as_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], name: str
) -> None:
    keys, words = VIEWS[name]
    async with shown(tmp_path, monkeypatch, size) as (app, pilot):
        if name == "engine":  # which tells where all lies
            app.corpus, app.socket = Path("/corpora/sample"), Path("/run/e.sock")
        await pilot.press(*({"/": "slash", "?": "question_mark", "\r": "enter"}.get(key, key) for key in keys))
        seen: list[str] = []
        for _ in range(200):
            await pilot.pause(0.05)
            seen.append(snapshot(app))
            if words in seen[-1] and seen[-6:] == [seen[-1]] * 6:
                break
        assert_as_before(app, f"{name}-{size[0]}x{size[1]}")
