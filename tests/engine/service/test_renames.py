"""What an engine tells of stories that were moved, renamed or deleted: over a real socket, with a real model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.corpus.mending import operations
from engine.corpus.mending.kept import Kept
from engine.wire import protocol
from engine.wire.protocol import Progressed
from engine.wire.snapshot import Ended, Renamed
from tests.engine.service.running import Engine, Talk, write


@pytest.fixture
async def talk(engine: Engine, corpus: Path) -> AsyncIterator[Talk]:
    """A client that has a copy of the golden corpus open."""
    talk = await Talk.to(engine.socket, corpus)
    yield talk
    await talk.ask(protocol.Close)
    await talk.close()


async def test_a_renamed_concept_is_told_as_one_runs_nothing_and_moves_no_number(talk: Talk, corpus: Path) -> None:
    before = {view.name: view.quality for view in (await talk.ready()).concepts}
    task = await asyncio.to_thread(operations.rename_concept, corpus, Kept(corpus.parent / "kept"), "weary", "tired")
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.cost.texts_run == 0
    assert moved.renamed == [Renamed(kind="concept", old="weary", new="tired")]
    assert {change.old: change.path for change in moved.changes} == task.moves
    assert (moved.ended, moved.concepts) == ([], [])
    await talk.event(Progressed, lambda event: event.doing.state == "ready")
    await talk.ask(protocol.Open)
    after = {view.name: view.quality for view in (await talk.event(protocol.Snapshot)).concepts}
    assert before.keys() - after.keys() == {"weary"}
    assert after.keys() - before.keys() == {"tired"}


async def test_a_concept_whose_only_story_is_deleted_is_told_to_be_gone(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    write(corpus / "stories" / "curious.txt", "What was in the box?")
    await talk.revision(2)
    (corpus / "stories" / "curious.txt").unlink()
    moved = (await talk.revision(3)).moved
    assert moved is not None
    assert moved.ended == [Ended(concept="curious", n_deleted=1, n_moved=0)]


async def test_a_move_that_comes_in_two_pieces_is_two_events(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    write(corpus / "stories" / "forsaken.txt", (corpus / "stories" / "lonely.txt").read_text())
    copied = (await talk.revision(2)).moved
    (corpus / "stories" / "lonely.txt").unlink()
    removed = (await talk.revision(3)).moved
    assert copied is not None
    assert removed is not None
    kinds = [(change.path, change.kind) for change in (*copied.changes, *removed.changes)]
    assert kinds == [("stories/forsaken.txt", "added"), ("stories/lonely.txt", "removed")]
    assert removed.cost.texts_run == 0
