"""The studio without an engine, on states that a test gives it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from textual import events
from textual.pilot import Pilot

from amygdala_tui.app import Studio
from amygdala_tui.link import Link
from amygdala_tui.messages import EngineSaid
from amygdala_tui.mirror import Mirror
from amygdala_tui.screens.studio import StudioScreen
from amygdala_tui.selection import Selection
from amygdala_tui.widgets.lines import LineList
from amygdala_tui.widgets.lists import Lists
from engine.corpus import Change
from engine.results import Cost
from engine.wire.snapshot import Moved, Stages, StoryView
from tests.amygdala_tui.making import concept, healthy, mirror, misread, story

SCENARIOS = ("bus", "cake", "snow", "train")
CONCEPTS = ("calm", "joyful", "weary")


class Studied(Studio):
    """A studio without an engine, which notes what it would open in an editor."""

    CSS_PATH = str(Path(inspect.getfile(Studio)).with_name("app.tcss"))

    def __init__(self, corpus: Path) -> None:
        super().__init__(corpus, corpus / "e.sock")
        self.opened: list[str | None] = []

    def edit(self, path: str | None) -> None:
        self.opened.append(path)

    @property
    def studio(self) -> StudioScreen:
        return self._studio

    def burst(self, *keys: str) -> None:
        """Type keys so fast that all wait before the first is handled."""
        for key in keys:
            name, character = {"/": ("slash", "/"), "\r": ("enter", "\r")}.get(key, (key, key))
            self.post_message(events.Key(name, character))


@asynccontextmanager
async def studied(
    folder: Path, monkeypatch: pytest.MonkeyPatch, corpus: Mirror, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[Studied, Pilot[None]]]:
    async def nothing(_self: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(Link, "run", nothing)
    monkeypatch.setattr(Studio, "_look", nothing)
    app = Studied(folder)
    async with app.run_test(size=size) as pilot:
        app.post_message(EngineSaid(corpus))
        await pilot.pause()
        yield app, pilot


def corpus_of(n_misread: int = 4) -> Mirror:
    paths = [f"paired/{scenario}/{name}.txt" for scenario in SCENARIOS for name in CONCEPTS]
    views = [misread(path, "other", rank) for rank, path in enumerate(paths[:n_misread])]
    views += [healthy(path, rank=rank) for rank, path in enumerate(paths[n_misread:9], n_misread)]
    views += [story(path) for path in paths[9:]]
    views += [story(f"stories/{name}.txt") for name in CONCEPTS]
    return mirror(views, [concept(name) for name in CONCEPTS])


def with_story(corpus: Mirror, view: StoryView) -> Mirror:
    return replace(corpus, stories=corpus.stories | {view.path: view}, revision=corpus.revision + 1)


def without_story(corpus: Mirror, path: str) -> Mirror:
    return replace(
        corpus,
        stories={kept: view for kept, view in corpus.stories.items() if kept != path},
        revision=corpus.revision + 1,
    )


def with_moved(corpus: Mirror, changes: dict[str, str]) -> Mirror:
    """Once stories have other paths: old -> new."""
    stories = {changes.get(path, path): view for path, view in corpus.stories.items()}
    stories = {path: view if path == view.path else moved_to(view, path) for path, view in stories.items()}
    revision = corpus.revision + 1
    moved = Moved(
        revision=revision, cause="edited", concepts=[], stories=[], queue=(0, 0), seconds=0.1,
        changes=[Change(path=new, kind="moved", old=old) for old, new in changes.items()],
        cost=Cost(texts_run=0, texts_cached=0, seconds_forward=0.0, seconds_statistics=0.0),
        stages=Stages(scanning=0, waiting=0, forward=0, statistics=0, showing=0),
    )  # fmt: skip
    return replace(corpus, stories=stories, revision=revision, moves=(moved, *corpus.moves))


def moved_to(view: StoryView, path: str) -> StoryView:
    """A story under another path, with the concept and the scenario that this stands for."""
    place = story(path)
    return structs.replace(view, path=path, concept=place.concept, scenario=place.scenario)


def assert_the_light_is_the_selection(app: Studied) -> None:
    """What is lit in the shown list is the selection, and what `e` opens; no story is lit, and nothing is opened."""
    studio = app.studio
    rows = studio.query_one(Lists).of(studio.view)
    if rows is not None:
        assert studio.selection == Selection.of(rows.key, studio.mirror)
        assert not rows.size.height or (lit_row(rows) == "") == (rows.key is None)
    n_opened = len(app.opened)
    studio.action_edit()
    path = app.opened.pop(n_opened)
    if rows is not None:
        assert path == (rows.key if rows.key in studio.mirror.stories else None)
    assert path is None or path in studio.mirror.stories
    assert studio._targets == (list(studio.marked) or ([] if path is None else [path]))
    assert studio.marked.keys() <= studio.mirror.stories.keys()
    view = studio.mirror.stories.get(studio.path or "")
    assert view is None or view.concept == studio.concept


def shown_list(app: Studied) -> str | None:
    return app.studio.query_one(Lists).current


def lit_row(rows: LineList) -> str:
    """The text of the row that has a background of its own; over all of it, as is checked."""
    lit = []
    for strip in (rows.render_line(y) for y in range(rows.size.height)):
        grounds = {piece.style.bgcolor for piece in strip if piece.style is not None}
        assert len(grounds) == 1
        if grounds != {rows.rich_style.bgcolor}:
            lit.append(strip.text)
    assert len(lit) <= 1
    return lit[0] if lit else ""
