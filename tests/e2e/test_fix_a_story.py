"""The main job with real processes and the embedded model: a misfiled story is mended, and its concept gets better."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from amygdala_tui.demo import copy_sample
from engine import client
from engine.client import connect_or_start
from engine.corpus import Change
from engine.settings import Settings
from engine.triage import Bucket
from engine.wire import protocol
from engine.wire.snapshot import ConceptView, StoryView
from tests.e2e.sample import CONCEPT, MISFILED, mended
from tests.engine.service.running import WITHIN, Talk


@pytest.mark.usefixtures("cache")
async def test_mending_the_misfiled_story_takes_its_concept_out_of_its_bucket(tmp_path: Path, short_dir: Path) -> None:
    corpus = tmp_path / "demo"
    copy_sample(corpus)
    connection = await connect_or_start(short_dir / "e.sock")
    talk = Talk(connection, corpus)
    await talk.ask(protocol.Open, settings=Settings(model="embedded", device="cpu"))
    first = await talk.event(protocol.Changed, lambda event: event.revision == 1 and event.base == 0)
    assert first.moved is not None
    assert first.moved.cost.texts_run == 58  # 60 files: one is empty, and one text stands in two

    assert first.concepts is not None
    concepts = {view.name: view for view in first.concepts}
    assert bucket(concepts[CONCEPT]) is Bucket.FRAGMENTED
    stories = await judged(talk)
    assert [path for path, view in stories.items() if view.misread] == [MISFILED]
    assert stories[MISFILED] == min(stories.values(), key=lambda view: 9 if view.rank is None else view.rank)
    assert stories[MISFILED].reads_as == "disgusted"

    (corpus / MISFILED).write_text(mended())
    second = await talk.event(protocol.Changed, lambda event: event.revision == 2 and event.base == 1)
    moved = second.moved
    assert moved is not None
    assert second.concepts is not None
    assert moved.changes == [Change(path=MISFILED, kind="edited")]
    assert moved.cost.texts_run == 1
    assert moved.cost.texts_cached == 0
    assert bucket(next(view for view in second.concepts if view.name == CONCEPT)) is Bucket.MIXED
    move = next(move for move in moved.concepts if move.concept == CONCEPT)
    assert move.affected
    assert move.bucket == ("fragmented", "mixed")
    before, after = move.first_pc
    assert before is not None
    assert after is not None
    assert after > before
    assert moved.queue == (1, 0)
    assert [(story.path, story.strength) for story in moved.stories] == [(MISFILED, ("fair", "none"))]

    await talk.ask(protocol.Stop)
    await connection.close()
    assert client._started[-1].wait(WITHIN) == 0
    assert not (short_dir / "e.sock").exists()


async def judged(talk: Talk) -> dict[str, StoryView]:
    """Every story by path, once all are judged."""
    while True:
        await talk.ask(protocol.Open, settings=None)
        stories = (await talk.event(protocol.Snapshot)).stories
        if any(view.strength is not None for view in stories):
            return {view.path: view for view in stories}
        await asyncio.sleep(0.1)


def bucket(view: ConceptView) -> Bucket:
    assert view.verdict is not None
    return view.verdict.bucket
