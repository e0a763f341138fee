"""A real engine with a real worker: from a file saved on disk to what its clients are told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from engine import client
from engine.corpus import Change
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire import protocol
from engine.wire.protocol import Changed, Progressed, Retrain, SetLive
from engine.wire.snapshot import StoryView
from tests.engine.service.running import SETTINGS, Engine, Talk, alive, write
from tests.places import GOLDEN
from tests.waiting import eventually


@pytest.fixture
async def talk(engine: Engine, corpus: Path) -> AsyncIterator[Talk]:
    """A client that has a copy of the golden corpus open."""
    talk = await Talk.to(engine.socket, corpus)
    yield talk
    await talk.ask(protocol.Close)
    await talk.close()


def state_of(changed: Changed, path: str) -> str | None:
    return next((view.state for view in changed.stories if view.path == path), None)


def is_stale(path: str, changed: Changed) -> bool:
    return state_of(changed, path) == "stale"


async def test_opening_gives_numbers_for_every_story_and_concept(talk: Talk) -> None:
    snapshot = await talk.ready()
    assert snapshot.revision == 1
    assert snapshot.layers == [1, 2, 4]
    assert snapshot.settings == SETTINGS
    assert len(snapshot.stories) == 46
    assert not snapshot.problems
    assert [view.name for view in snapshot.concepts if view.verdict is not None] == sorted(
        {view.concept for view in snapshot.stories if view.concept is not None}
    )
    assert all(view.own is not None for view in snapshot.stories if view.concept is not None)
    assert {view.state for view in snapshot.stories} <= {"ok", "misread"}
    assert snapshot.moved is not None
    assert snapshot.moved.concepts == []


async def test_an_edit_runs_one_text_and_says_what_moved(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    write(corpus / "stories" / "joyful.txt", "The kettle sang, and so did she.")
    changed = await talk.revision(2)
    assert changed.base == 1
    moved = changed.moved
    assert moved is not None
    assert moved.revision == 2
    assert [(change.path, change.kind) for change in moved.changes] == [("stories/joyful.txt", "edited")]
    assert moved.cost.texts_run == 1
    assert [move.concept for move in moved.concepts if move.affected] == ["joyful"]
    assert [move.path for move in moved.stories] == ["stories/joyful.txt"]
    assert state_of(changed, "stories/joyful.txt") in ("ok", "misread")


async def test_an_edit_tells_how_the_story_read_before_and_after(talk: Talk, corpus: Path) -> None:
    stories = await judged(talk)
    before = stories["stories/joyful.txt"]
    write(corpus / "stories" / "joyful.txt", "The kettle sang, and so did the whole house.")
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.queue[0] == sum(view.misread for view in stories.values())
    (story,) = moved.stories
    assert (story.misfit[0], story.own_share[0], story.strength[0]) == (
        before.misfit, before.shares[0][1], before.strength,
    )  # fmt: skip
    assert story.misfit[1] not in (None, before.misfit)


async def judged(talk: Talk) -> dict[str, StoryView]:
    """Every story of the first revision, by path, once all are judged."""
    snapshot = await talk.ready()
    while any(view.concept is not None and view.strength is None for view in snapshot.stories):
        await asyncio.sleep(0.05)
        await talk.ask(protocol.Open)
        snapshot = await talk.event(protocol.Snapshot)
    return {view.path: view for view in snapshot.stories}


async def test_changes_patch_the_snapshot_into_the_next_one(talk: Talk, corpus: Path) -> None:
    stories = {view.path: view for view in (await talk.ready()).stories}
    write(corpus / "stories" / "new.txt", "A concept of its own.")
    (corpus / "stories" / "lonely.txt").unlink()
    revision = 1
    while not ("stories/new.txt" in stories and stories["stories/new.txt"].own is None and revision > 1) or (
        "stories/lonely.txt" in stories
    ):
        changed = await talk.event(Changed)
        assert changed.base == revision
        revision = changed.revision
        stories |= {view.path: view for view in changed.stories}
        stories = {path: view for path, view in stories.items() if path not in changed.removed}
    await talk.event(Progressed, lambda event: event.doing.state == "ready")
    await talk.ask(protocol.Open)
    snapshot = await talk.event(protocol.Snapshot)
    assert snapshot.revision == revision
    assert {view.path: view for view in snapshot.stories} == stories


async def test_the_same_text_saved_again_is_no_new_revision(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    same = corpus / "stories" / "anxious.txt"
    write(same, same.read_text("utf-8") + "\n\n")
    os.utime(corpus / "stories" / "lonely.txt")
    write(corpus / "stories" / "joyful.txt", "Bells, everywhere bells.")
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert [change.path for change in moved.changes] == ["stories/joyful.txt"]


async def test_reverting_an_edit_runs_nothing(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    file = corpus / "stories" / "furious.txt"
    original = file.read_text("utf-8")
    write(file, "He put the cup down very gently.")
    await talk.revision(2)
    write(file, original)
    moved = (await talk.revision(3)).moved
    assert moved is not None
    assert (moved.cost.texts_run, moved.cost.texts_cached) == (0, 1)


async def test_a_rename_runs_nothing_and_moves_both_concepts(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    (corpus / "stories" / "lonely.txt").rename(corpus / "stories" / "forsaken.txt")
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.cost.texts_run == 0
    assert moved.changes == [Change(path="stories/forsaken.txt", kind="moved", old="stories/lonely.txt")]
    assert {"forsaken", "lonely"} <= {move.concept for move in moved.concepts if move.affected}


async def test_retraining_a_concept_runs_exactly_its_texts(talk: Talk) -> None:
    await talk.ready()
    await talk.ask(Retrain, concepts=["weary"])
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.cost.texts_run == 4
    assert moved.changes == []


async def test_retraining_one_story_runs_one_text(talk: Talk) -> None:
    await talk.ready()
    await talk.ask(Retrain, paths=["stories/ashamed.txt"])
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.cost.texts_run == 1


async def test_retraining_everything_runs_every_text(talk: Talk) -> None:
    await talk.ready()
    await talk.ask(Retrain)
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.cost.texts_run == 46


@pytest.mark.parametrize("fields", [{"concepts": ["nosuch"]}, {"paths": ["stories/nosuch.txt"]}])
async def test_retraining_what_is_not_there_is_refused_by_name(talk: Talk, fields: dict[str, list[str]]) -> None:
    await talk.ready()
    with pytest.raises(AmygdalaError, match="nosuch"):
        await talk.ask(Retrain, **fields)


async def test_paused_changes_go_stale_until_they_are_retrained(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    await talk.ask(SetLive, live=False)
    for concept in ("joyful", "lonely"):
        write(corpus / "stories" / f"{concept}.txt", f"A {concept} thing happened.")
        changed = await talk.event(Changed, partial(is_stale, f"stories/{concept}.txt"))
        assert changed.base == changed.revision == 1
    await talk.ask(Retrain, paths=["stories/joyful.txt"])
    changed = await talk.revision(2)
    assert state_of(changed, "stories/joyful.txt") in ("ok", "misread")
    assert state_of(changed, "stories/lonely.txt") in (None, "stale")
    assert changed.moved is not None
    assert [change.path for change in changed.moved.changes] == ["stories/joyful.txt"]
    await talk.ask(SetLive, live=True)
    changed = await talk.revision(3)
    assert state_of(changed, "stories/lonely.txt") in ("ok", "misread")


async def test_a_bad_file_is_shown_and_the_rest_goes_on(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    (corpus / "stories" / "broken.txt").write_bytes(b"caf\xe9")
    changed = await talk.event(Changed, lambda event: event.problems)
    assert state_of(changed, "stories/broken.txt") == "error"
    assert [problem.path for problem in changed.problems] == ["stories/broken.txt"]
    write(corpus / "stories" / "broken.txt", "café")
    changed = await talk.revision(2)
    assert changed.problems == []
    assert state_of(changed, "stories/broken.txt") == "ok"


async def test_a_story_that_is_cut_says_so(engine: Engine, corpus: Path) -> None:
    import msgspec

    talk = await Talk.to(engine.socket, corpus, msgspec.structs.replace(SETTINGS, max_length=16))
    snapshot = await talk.ready()
    await talk.ask(protocol.Close)
    await talk.close()
    assert any("16 tokens" in view.reason for view in snapshot.stories)


async def test_removing_every_story_fails_with_words_and_recovers(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "small" / "stories" / "a.txt"
    write(file, "First.")
    write(file.with_name("b.txt"), "Second.")
    talk = await Talk.to(engine.socket, tmp_path / "small")
    await talk.ready()
    file.unlink()
    file.with_name("b.txt").unlink()
    failed = await talk.event(Progressed, lambda event: event.doing.state == "failed")
    assert "stories/<concept>.txt" in failed.doing.detail
    write(file, "Third.")
    write(file.with_name("b.txt"), "Fourth.")
    await talk.event(Progressed, lambda event: event.doing.state == "ready")
    await talk.ask(protocol.Close)
    await talk.close()


async def test_two_clients_share_one_state(engine: Engine, talk: Talk, corpus: Path) -> None:
    await talk.ready()
    other = await Talk.to(engine.socket, corpus, None)
    assert (await other.ready()).revision == 1
    write(corpus / "stories" / "joyful.txt", "Two of them were watching.")
    assert await talk.revision(2) == await other.revision(2)
    status = await other.status()
    assert [(open_corpus.corpus, open_corpus.clients) for open_corpus in status.corpora] == [(str(corpus), 2)]
    await other.close()


async def test_other_settings_are_a_conflict_unless_insisted_on(engine: Engine, talk: Talk, corpus: Path) -> None:
    await talk.ready()
    others = Settings(model=SETTINGS.model, device="cpu", target_layers="3")
    other = Talk(await _connection(engine), corpus)
    conflict = await other.ask(protocol.Open, settings=others)
    assert isinstance(conflict, protocol.Conflict)
    assert conflict.differences == {"target_layers": ("3", "1,2,4")}
    reopened = await other.ask(protocol.Open, settings=others, insist=True)
    assert isinstance(reopened, protocol.Opened)
    snapshot = await other.ready()
    assert snapshot.settings == others
    assert snapshot.layers == [3]
    told = await talk.event(protocol.Snapshot, lambda event: event.settings == others)
    assert told.revision == 0
    assert (await talk.revision(2)).layers == [3]
    await other.close()


async def _connection(engine: Engine) -> client.Connection:
    return await client.connect(engine.socket)


async def test_closing_a_corpus_is_told_to_its_clients(engine: Engine, talk: Talk, corpus: Path) -> None:
    await talk.ready()
    other = await Talk.to(engine.socket, corpus, None)
    await other.ask(protocol.Close)
    closed = await talk.event(protocol.Closed)
    assert closed.corpus == str(corpus)
    with pytest.raises(AmygdalaError, match="not open"):
        await talk.ask(Retrain)
    await other.close()
    await talk.ask(protocol.Open, settings=SETTINGS)


async def test_a_killed_worker_is_replaced_at_the_next_edit(talk: Talk, corpus: Path) -> None:
    await talk.ready()
    (model,) = [model for model in (await talk.status()).models if model.model == SETTINGS.model]
    assert model.state == "idle"
    pid = model.pid
    assert pid is not None
    assert model.bytes > 0
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
    write(corpus / "stories" / "joyful.txt", "It went on as if nothing had happened.")
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.cost.texts_run == 1
    (model_now,) = [model for model in (await talk.status()).models if model.model == SETTINGS.model]
    assert model_now.pid not in (None, model.pid)


async def test_a_model_that_is_not_there_fails_by_its_name(engine: Engine, corpus: Path) -> None:
    talk = await Talk.to(engine.socket, corpus, Settings(model=str(corpus / "nosuch"), device="cpu"))
    failed = await talk.event(Progressed, lambda event: event.doing.state == "failed")
    assert failed.doing.detail == f"--model {corpus / 'nosuch'}: no such folder"
    assert (await talk.status()).pid == talk.connection.welcome.pid
    await talk.ask(protocol.Close)
    await talk.close()


async def test_a_corpus_named_through_a_link_is_the_same_one(talk: Talk, tmp_path: Path) -> None:
    await talk.ready()
    (tmp_path / "link").symlink_to(talk.corpus)
    other = Talk(talk.connection, tmp_path / "link")
    opened = await other.ask(protocol.Open)
    assert isinstance(opened, protocol.Opened)
    assert opened.corpus == str(talk.corpus)


def test_the_golden_corpus_itself_was_not_touched() -> None:
    assert (GOLDEN / "corpus" / "stories" / "joyful.txt").stat().st_size == 575
