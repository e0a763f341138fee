"""What may go wrong while people work, done to real processes: what is lost, and what goes on."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine import client, paths
from engine.errors import AmygdalaError
from engine.wire import protocol
from engine.wire.protocol import Changed, Progressed
from tests.engine.service.running import SETTINGS, Engine, Talk, alive, held, revisions, states, worker_of, write
from tests.engine.service.scenes import BULK, ONE_BY_ONE, scenes
from tests.places import GOLDEN
from tests.waiting import eventually, eventually_async

GPT2 = msgspec.structs.replace(SETTINGS, model=str(GOLDEN / "models" / "gpt2"), target_layers="1")


def entries(cache: Path) -> int:
    """Texts whose activations are kept."""
    return sum(not file.name.startswith(".") for file in (cache / "activations").glob("*/*.safetensors"))


@pytest.fixture
async def talk(engine: Engine, corpus: Path) -> AsyncIterator[Talk]:
    """A client that has a copy of the golden corpus open, all computed."""
    talk = await Talk.to(engine.socket, corpus)
    assert (await talk.ready()).revision == 1
    yield talk
    assert talk.connection.welcome.pid == engine.process.pid == (await talk.status()).pid
    await talk.ask(protocol.Close)
    await talk.close()


async def edited(talk: Talk, number: int, text: str) -> None:
    """The next edit is computed, and is all that is."""
    write(talk.corpus / "stories" / "joyful.txt", text)
    moved = (await talk.revision(number)).moved
    assert moved is not None
    assert [change.path for change in moved.changes] == ["stories/joyful.txt"]
    assert moved.cost.texts_run == 1


# Processes that are killed


async def test_killed_engine_loses_no_text_and_no_number_is_told_twice(
    short_dir: Path, cache: Path, corpus: Path, tmp_path: Path
) -> None:
    killed = Engine(short_dir)
    small = await Talk.to(killed.socket, corpus)
    await small.ready()
    await edited(small, 2, "It was the last thing that it saw.")
    before = entries(cache)
    many = await Talk.to(killed.socket, scenes(tmp_path / "many"), ONE_BY_ONE)
    await eventually_async(lambda: entries(cache) >= before + 5)
    worker = await worker_of(many)
    killed.process.kill()
    killed.process.wait()
    killed.log.unlink()
    for talk in (small, many):
        await talk.close()
    eventually(lambda: not alive(worker))
    done = entries(cache) - before
    assert 5 <= done < BULK

    engine = Engine(short_dir)
    many = await Talk.to(engine.socket, many.corpus, ONE_BY_ONE)
    moved = (await many.ready()).moved
    assert moved is not None
    assert (moved.revision, moved.cost.texts_cached, moved.cost.texts_run) == (1, done, BULK - done)
    small = await Talk.to(engine.socket, corpus)
    snapshot = await small.ready()
    assert snapshot.moved is not None
    resumed = snapshot.revision
    assert resumed > 2  # 3 may have been told just before the end
    assert snapshot.moved.cost.texts_run == 0
    assert [revision.number for revision in await revisions(small)] == [resumed, 2, 1]
    await edited(small, resumed + 1, "It went on as if nothing had happened.")
    for talk in (small, many):
        await talk.close()
    assert engine.end() == 0


async def test_killed_worker_costs_the_text_at_hand_and_leaves_another_models_work_alone(
    engine: Engine, module_cache: Path, corpus: Path, tmp_path: Path
) -> None:
    before = entries(module_cache)
    talk = await Talk.to(engine.socket, scenes(tmp_path / "many"), ONE_BY_ONE)
    other = await Talk.to(engine.socket, corpus, GPT2)
    await talk.event(Progressed, lambda event: event.doing.done > 0)
    worker = await worker_of(talk)
    with held(worker):
        moved = (await other.ready()).moved
        assert moved is not None
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: not alive(worker))
    others = await worker_of(other, GPT2.model)
    done = entries(module_cache) - before - moved.cost.texts_run
    assert 1 <= done < BULK
    await edited(other, 2, "Nobody noticed a thing.")
    status = {open_corpus.corpus: open_corpus for open_corpus in (await talk.status()).corpora}
    assert status[str(talk.corpus)].revision == 0, "the killed one is not back yet"
    moved = (await talk.revision(1)).moved
    assert moved is not None
    assert (moved.cost.texts_cached, moved.cost.texts_run) == (done, BULK), "by the two of them, each text once"
    assert await worker_of(other, GPT2.model) == others
    assert await worker_of(talk) != worker
    for each in (talk, other):
        await each.ask(protocol.Close)
        await each.close()


# The machine's doing


async def test_cache_that_is_removed_is_made_again(talk: Talk, module_cache: Path, tmp_path: Path) -> None:
    module_cache.rename(tmp_path / "gone")  # in one go, whoever is writing there
    await edited(talk, 2, "The shelves were empty, and she laughed.")
    assert entries(module_cache) == 1


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux's prlimit")
async def test_full_disk_costs_what_would_be_kept_and_nothing_else(
    engine: Engine, talk: Talk, module_cache: Path
) -> None:
    before = entries(module_cache)
    with contextlib.ExitStack() as stack:
        for pid in (engine.process.pid, await worker_of(talk)):
            limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            stack.callback(resource.prlimit, pid, resource.RLIMIT_FSIZE, limits)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, limits[1]))  # no file may grow: cache, history, log
        await edited(talk, 2, "There was no room, and they danced in the yard.")
        await edited(talk, 3, "There was no room left at all.")
        assert entries(module_cache) == before
    await edited(talk, 4, "There was room again.")
    assert entries(module_cache) == before + 1
    assert (await revisions(talk))[0].number == 4


async def test_damaged_history_is_begun_anew(engine: Engine, corpus: Path) -> None:
    file = paths.history_path(corpus)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"not a database, " * 300)
    talk = await Talk.to(engine.socket, corpus)
    first = (await talk.ready()).revision
    assert first > time.time()  # without a mark, nobody knows which numbers were told
    assert [revision.number for revision in await revisions(talk)] == [first]
    file.write_bytes(b"nor now, " * 3000)  # under the open connection
    file.with_name(f"{file.name}-wal").unlink(missing_ok=True)
    await edited(talk, first + 1, "They forgot everything and were glad.")
    assert file.with_name(f"{file.name}.damaged").exists()
    await talk.ask(protocol.Close)
    await talk.close()


# What becomes of a corpus


async def test_corpus_that_vanishes_and_comes_back_is_followed_on(talk: Talk, corpus: Path) -> None:
    corpus.rename(corpus.with_name("away"))
    failed = await talk.event(Progressed, lambda event: event.doing.state == "failed")
    assert str(corpus) in failed.doing.detail
    corpus.with_name("away").rename(corpus)
    await talk.event(Progressed, lambda event: event.doing.state == "ready")
    await edited(talk, 2, "They were all back.")


async def test_files_that_are_no_stories_are_named_and_the_rest_goes_on(
    talk: Talk, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("Nobody's business.")
    (corpus / "stories" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with (corpus / "stories" / "huge.txt").open("wb") as huge:
        huge.truncate(50 << 20)
    (corpus / "stories" / "broken.txt").write_bytes(b"caf\xe9")
    bad = {"stories/link.txt", "stories/huge.txt", "stories/broken.txt"}
    (corpus / "amygdala.toml").write_text(
        "\nmax_lenght = 3\n"
    )  # read when the corpus is opened, so it changes nothing now
    changed = await talk.event(Changed, lambda event: {problem.path for problem in event.problems} == bad)
    assert all(problem.message for problem in changed.problems)
    await edited(talk, 2, "She read the good ones.")
    await talk.ask(protocol.Open)
    snapshot = await talk.event(protocol.Snapshot)
    assert {path for path, state in states(snapshot).items() if state == "error"} == bad
    other = Talk(talk.connection, corpus)
    await talk.ask(protocol.Close)
    with pytest.raises(AmygdalaError, match=r"amygdala\.toml:2: max_lenght"):
        await other.ask(protocol.Open)
    await talk.ask(protocol.Open, settings=SETTINGS)


# Versions


async def test_client_of_another_protocol_is_told_what_to_do(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "PROTOCOL", protocol.PROTOCOL + 1)
    with pytest.raises(AmygdalaError, match=f"you speak {protocol.PROTOCOL}.*kill {engine.process.pid}") as refusal:
        await client.connect_or_start(engine.socket)
    assert not isinstance(refusal.value, client.NoEngine), "else it would be taken for one that is not there"
