"""What goes first in a live engine: drafts, the story on screen, edits, then bulk; and what becomes of each.

Where something must happen while a bulk is under way, the worker is stopped in its midst (SIGSTOP), so that it waits.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine.corpus import Change, text_id
from engine.errors import AmygdalaError
from engine.service.hosting.progress import EVERY_S
from engine.wire import codec, protocol
from engine.wire.protocol import Cancel, Changed, Progressed, Retrain, Score, SetLive, Showing
from tests.engine.service.running import Engine, Talk, held, revisions, states, worker_of, write
from tests.engine.service.scenes import BULK, CONCEPTS, ONE_BY_ONE, SCENES, scenes, story

SOON = 5.0
"""Seconds; for what hangs where it fails."""


@pytest.fixture
async def cached(engine: Engine, tmp_path: Path) -> None:
    """The cache has the texts that `talk` opens, whichever test is the first to ask for them."""
    talk = await Talk.to(engine.socket, scenes(tmp_path / "before"), ONE_BY_ONE)
    await talk.ready()
    await talk.ask(protocol.Close)
    await talk.close()


@pytest.fixture
async def talk(engine: Engine, tmp_path: Path) -> AsyncIterator[Talk]:
    """A client that has a corpus of many texts open, all computed."""
    talk = await Talk.to(engine.socket, scenes(tmp_path / "corpus"), ONE_BY_ONE)
    assert (await talk.ready()).revision == 1
    yield talk
    await talk.ask(protocol.Close)
    await talk.close()


async def begun(talk: Talk, total: int) -> Progressed:
    """Wait until texts go through the model in the background."""
    return await talk.event(Progressed, lambda event: event.doing.total == total)


async def write_as_one(talk: Talk, files: list[Path], title: str) -> None:
    """Write stories that are computed together, however slowly the engine hears of one after another."""
    await talk.ask(SetLive, live=False)
    for file in files:
        write(file, story(f"{title}, {file.parent.name}", file.stem))
    unseen = {file.relative_to(talk.corpus).as_posix() for file in files}
    while unseen:
        changed = await talk.event(Changed)
        unseen -= {path for path, state in states(changed).items() if state == "stale"}
    await talk.ask(SetLive, live=True)


async def ready(talk: Talk) -> protocol.Snapshot:
    """The corpus once there is nothing more to do."""
    await talk.event(Progressed, lambda event: event.doing.state == "ready")
    await talk.ask(protocol.Open)
    return await talk.event(protocol.Snapshot)


async def test_an_edit_goes_before_the_bulk_and_the_bulk_comes_whole(talk: Talk) -> None:
    await talk.ask(Retrain, concepts=["calm", "sad"])
    await begun(talk, 2 * SCENES)
    with held(await worker_of(talk)):
        write(talk.corpus / "paired" / "s3" / "wild.txt", "The horses got out.")
        await talk.event(Changed, lambda event: states(event).get("paired/s3/wild.txt") == "computing")
        await asyncio.sleep(EVERY_S)  # after which progress is told again
    edited = (await talk.revision(2)).moved
    assert edited is not None
    assert (edited.cause, edited.cost.texts_run) == ("edited", 1)
    assert [change.path for change in edited.changes] == ["paired/s3/wild.txt"]
    retrained = (await talk.revision(3)).moved
    assert retrained is not None
    assert (retrained.cause, retrained.cost.texts_run) == ("retrained", 2 * SCENES)
    assert retrained.changes == []


@pytest.mark.usefixtures("cached")
async def test_an_edit_within_the_bulk_is_taken_out_of_it(talk: Talk) -> None:
    last = min(talk.corpus.rglob("*.txt"), key=lambda file: len(file.read_text("utf-8")))  # the longest are run first
    await talk.ask(Retrain)
    await begun(talk, BULK)
    write(last, "A word changed everything.")
    await ready(talk)
    assert [(recorded.cause, recorded.texts_run) for recorded in await revisions(talk)] == [
        ("retrained", BULK - 1),
        ("edited", 1),
        ("opened", 0),
    ]


async def test_time_left_is_told(talk: Talk) -> None:
    await talk.ask(Retrain)
    first = await begun(talk, BULK)
    assert (first.doing.done, first.doing.left) == (0, None)
    with held(await worker_of(talk)):
        await asyncio.sleep(EVERY_S)  # after which progress is told again
    later = await begun(talk, BULK)
    assert 0 < later.doing.done < BULK
    assert later.doing.rate > 0
    assert later.doing.left == pytest.approx((BULK - later.doing.done) / later.doing.rate)
    await talk.revision(2)


async def test_cancelled_stories_stay_stale_and_one_of_them_can_be_retrained(talk: Talk) -> None:
    files = [talk.corpus / "paired" / f"s{scene}" / f"{c}.txt" for scene in range(SCENES) for c in ("calm", "sad")]
    paths = {file.relative_to(talk.corpus).as_posix() for file in files}
    await write_as_one(talk, files, "Anew")
    await begun(talk, len(files))
    with held(await worker_of(talk)):
        await talk.ask(Cancel)
    snapshot = await ready(talk)
    stale = {path for path, state in states(snapshot).items() if state == "stale"}
    assert len(files) / 2 < len(stale) == snapshot.doing.waiting
    assert stale <= paths
    if snapshot.revision > 1:  # what had gone through the model by then
        assert snapshot.moved is not None
        assert {change.path for change in snapshot.moved.changes} == paths - stale
    one = min(stale)
    await talk.ask(Retrain, paths=[one])
    moved = (await talk.revision(snapshot.revision + 1)).moved
    assert moved is not None
    assert moved.cost.texts_run == 1
    assert [change.path for change in moved.changes] == [one]
    await talk.ask(protocol.Open)
    assert sum(state == "stale" for state in states(await talk.event(protocol.Snapshot)).values()) == len(stale) - 1


async def test_cancelled_retrain_leaves_nothing_waiting(talk: Talk) -> None:
    await talk.ask(Retrain)
    await begun(talk, BULK)
    with held(await worker_of(talk)):
        await talk.ask(Cancel)
    async with asyncio.timeout(SOON):
        assert set(states(await ready(talk)).values()) <= {"ok", "misread"}


async def test_story_on_screen_goes_before_those_that_wait(talk: Talk) -> None:
    files = [talk.corpus / "paired" / f"s{scene}" / f"{c}.txt" for scene in range(SCENES) for c in ("calm", "sad")]
    await write_as_one(talk, files, "Shown")
    last = max(files, key=lambda file: text_id(file.read_text("utf-8")))  # they are run in the order of their ids
    path = last.relative_to(talk.corpus).as_posix()
    await begun(talk, len(files))
    with held(await worker_of(talk)):
        await talk.ask(Showing, path=path)
    shown = (await talk.revision(2)).moved
    assert shown is not None
    assert path in [change.path for change in shown.changes]
    assert len(shown.changes) < len(files)
    rest = (await talk.revision(3)).moved
    assert rest is not None
    assert len(rest.changes) == len(files) - len(shown.changes)


# Drafts


async def test_newer_draft_takes_the_place_of_an_older_and_goes_before_the_bulk(talk: Talk) -> None:
    await talk.ask(Retrain)
    await begun(talk, BULK)
    with held(await worker_of(talk)):
        drafts = []
        for number in range(3):
            drafts.append(asyncio.create_task(talk.ask(Score, path="paired/s0/calm.txt", text=f"Draft {number}.")))
            await talk.status()  # answered once the draft is under way
        older = await asyncio.gather(*drafts[:2])
        assert not drafts[2].done()
    assert {type(reply) for reply in older} == {protocol.Superseded}
    scored = await drafts[2]
    assert isinstance(scored, protocol.Scored)
    (corpus,) = [open_corpus for open_corpus in (await talk.status()).corpora if open_corpus.corpus == str(talk.corpus)]
    assert (corpus.revision, corpus.doing.state) == (1, "computing")
    assert scored.revision == 1
    assert scored.draft.own is not None
    assert scored.draft.concepts[0] == "calm"
    assert "".join("Draft 2."[token.start : token.end] for token in scored.draft.tokens) == "Draft 2."
    await talk.revision(2)


async def test_every_draft_has_an_answer_however_fast_they_come(engine: Engine, talk: Talk) -> None:
    reader, writer = await asyncio.open_unix_connection(str(engine.socket), limit=protocol.MAX_MESSAGE)
    drafts = [
        Score(id=number, corpus=str(talk.corpus), path="paired/s0/calm.txt", text=f"Draft {number}.")
        for number in range(3)
    ]
    hello = protocol.Hello(protocol=protocol.PROTOCOL, version="test")
    writer.write(b"".join(map(codec.encode, [hello, *drafts])))
    try:
        async with asyncio.timeout(SOON):
            answers = [codec.decode_from_server(await reader.readline()) for _ in range(4)]
    finally:
        writer.close()
        await writer.wait_closed()
    assert {getattr(answer, "id", None): type(answer) for answer in answers[1:]} == {
        0: protocol.Superseded,
        1: protocol.Superseded,
        2: protocol.Scored,
    }


BAD_DRAFTS = {
    "no place": ({"path": "notes/calm.txt", "text": "A draft."}, "is no place for a story"),
    "outside": ({"path": "stories/../../calm.txt", "text": "A draft."}, "is no place for a story"),
    "baseline": ({"path": "paired/s0/baseline.txt", "text": "A draft."}, "is a baseline's place"),
    "empty": ({"path": "paired/s0/calm.txt", "text": " \n"}, "the draft is empty"),
}


@pytest.mark.parametrize("case", BAD_DRAFTS)
async def test_draft_that_cannot_be_read_is_a_failure_with_words(talk: Talk, case: str) -> None:
    fields, words = BAD_DRAFTS[case]
    with pytest.raises(AmygdalaError, match=words):
        await talk.ask(Score, **fields)


async def test_draft_before_there_are_numbers_is_a_failure_with_words(
    engine: Engine, talk: Talk, tmp_path: Path
) -> None:
    with held(await worker_of(talk)):
        other = await Talk.to(engine.socket, scenes(tmp_path / "other"), ONE_BY_ONE)
        with pytest.raises(AmygdalaError, match="has no numbers yet"):
            await other.ask(Score, path="paired/s0/calm.txt", text="A draft.")
    await other.ready()
    await other.ask(protocol.Close)
    await other.close()


async def test_draft_of_a_story_that_is_not_there_yet_is_read(talk: Talk) -> None:
    scored = await talk.ask(Score, path="stories/calm.txt", text="A lake. A boat on it! Nobody rows.")
    assert isinstance(scored, protocol.Scored)
    assert len(scored.draft.sentences) == 3
    assert scored.draft.before is not None
    assert scored.draft.after is not None
    assert scored.draft.after.n_positive_stories == scored.draft.before.n_positive_stories + 1
    assert (await talk.ask(protocol.Open)) is not None
    assert (await talk.event(protocol.Snapshot)).revision == 1


async def test_a_draft_is_explained_where_it_is_asked_for_behind_the_edits_and_before_the_bulk(talk: Talk) -> None:
    await talk.ask(Retrain)
    await begun(talk, BULK)
    path = "paired/s0/calm.txt"
    text = "Calm. He was calm, and he told her so."
    plain = await talk.ask(Score, path=path, text=text)
    explained = await talk.ask(Score, path=path, text=text, explain=True)
    assert isinstance(plain, protocol.Scored)
    assert isinstance(explained, protocol.Scored)
    assert plain.draft.prose is None
    prose = explained.draft.prose
    assert prose is not None
    assert prose.n_others == SCENES - 1
    assert len(prose.giveaways) == 2
    assert msgspec.structs.replace(explained.draft, prose=None, effects=None, evidence=None) == plain.draft
    (corpus,) = [open_corpus for open_corpus in (await talk.status()).corpora if open_corpus.corpus == str(talk.corpus)]
    assert corpus.doing.state == "computing"
    await talk.revision(2)


# What is told


async def test_stages_are_the_whole_time_and_what_is_expensive_is_settled_in_the_end(talk: Talk) -> None:
    write(talk.corpus / "paired" / "s0" / "sad.txt", "It rained, and it would go on raining.")
    changed = await talk.revision(2)
    moved = changed.moved
    assert moved is not None
    assert sum(msgspec.structs.astuple(moved.stages)) == pytest.approx(moved.seconds)
    assert all(seconds >= 0 for seconds in msgspec.structs.astuple(moved.stages))
    assert moved.stages.forward > 0
    if not all(view.quality.settled for view in changed.concepts or [] if view.quality is not None):
        changed = await talk.event(Changed, lambda event: event.concepts is not None)
        assert changed.base == changed.revision == 2
    assert changed.concepts is not None
    assert [view.name for view in changed.concepts] == list(CONCEPTS)
    assert all(view.quality is not None and view.quality.settled for view in changed.concepts)


async def test_history_is_told_over_the_socket(talk: Talk) -> None:
    path = "paired/s0/sad.txt"
    before = (talk.corpus / path).read_text("utf-8")
    write(talk.corpus / path, "Rain.")
    await talk.revision(2)
    told = await talk.ask(protocol.GetRevisions)
    assert isinstance(told, protocol.Revisions)
    assert (told.revisions[0].cause, told.revisions[0].texts_run) == ("edited", 1)
    assert [recorded.number for recorded in told.revisions] == [2, 1]
    earlier = await talk.ask(protocol.GetRevisions, before=2, limit=1)
    assert isinstance(earlier, protocol.Revisions)
    assert [recorded.number for recorded in earlier.revisions] == [1]
    compared = await talk.ask(protocol.Compare, before=1, after=2)
    assert isinstance(compared, protocol.Compared)
    assert [(change.path, change.kind) for change in compared.comparison.changes] == [(path, "edited")]
    assert "sad" in compared.comparison.metrics
    texts = [await talk.ask(protocol.GetText, revision=number, path=path) for number in (1, 2)]
    assert [text.text for text in texts if isinstance(text, protocol.EarlierText)] == [before.strip(), "Rain."]
    with pytest.raises(AmygdalaError, match="no revision 9"):
        await talk.ask(protocol.GetText, revision=9, path=path)


async def test_burst_of_200_files_is_a_few_revisions_and_touches_nothing_else(talk: Talk) -> None:
    new = {f"paired/b{number}/calm.txt" for number in range(200)}
    for path in new:
        write(talk.corpus / path, f"A still day, the one with the number {path}.")
    revisions = 1
    changes: list[Change] = []
    while len(changes) < len(new):
        moved = (await talk.revision()).moved
        assert moved is not None
        changes += moved.changes
        revisions += 1
        # a step that is under way while more files come is taken back, and what it ran is not told
        assert len(moved.changes) / 2 < moved.cost.texts_run <= len(moved.changes)
    assert {(change.path, change.kind) for change in changes} == {(path, "added") for path in new}
    assert revisions <= 5
    await talk.event(Progressed, lambda event: event.doing.state == "ready")


async def test_draft_whose_worker_is_killed_under_it_is_read_by_the_next(talk: Talk) -> None:
    pid = await worker_of(talk)
    with held(pid):
        draft = asyncio.create_task(talk.ask(Score, path="paired/s0/calm.txt", text="A draft."))
        await talk.status()  # answered once the draft is under way
        os.kill(pid, signal.SIGKILL)
    assert isinstance(await draft, protocol.Scored)


async def test_draft_after_the_worker_was_killed_is_read_all_the_same(talk: Talk) -> None:
    write(talk.corpus / "paired" / "s0" / "sad.txt", "Rain.")  # where the model's process is gone, another is started
    await talk.revision(2)
    pid = await worker_of(talk)
    os.kill(pid, signal.SIGKILL)
    while pid in [model.pid for model in (await talk.status()).models]:
        await asyncio.sleep(0)
    scored = await talk.ask(Score, path="paired/s0/calm.txt", text="A draft.")
    assert isinstance(scored, protocol.Scored)
    assert scored.revision == 2
    assert await worker_of(talk) != pid
