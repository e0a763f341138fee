"""The server in this process, with workers that compute nothing: what it answers to whatever is sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine import __version__
from engine.corpus import Story
from engine.errors import AmygdalaError
from engine.results import Results, Work
from engine.service import server
from engine.service.history.recorder import Chronicle
from engine.service.hosting import hosted as hosting
from engine.service.hosting.progress import Announcer
from engine.service.lifecycle import Ownership
from engine.service.server import Client, Server
from engine.settings import Settings
from engine.wire import protocol, snapshot
from engine.wire.jobs import Advanced, Prepared
from engine.wire.protocol import PROTOCOL
from tests.waiting import eventually_async

WITHIN = 30.0


class FakeWorker:
    """Answers every job with no numbers at all."""

    is_loaded, is_busy, device, last_used = True, False, "cpu", 0.0

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.jobs: list[tuple[set[str], set[str]]] = []
        """Per job, the paths computed and the ids run afresh."""
        self.fail = ""

    async def prepare(self, *_arguments: object) -> Prepared:
        return Prepared(job=1, seconds=0.0)

    async def settle(self, _corpus: str) -> None: ...

    async def score(self, *_arguments: object) -> None:
        raise AmygdalaError("nothing here reads drafts")

    def supersede(self, _corpus: str) -> None: ...

    def has_state(self, _corpus: str) -> bool:
        return bool(self.jobs)

    async def apply(
        self,
        _corpus: str,
        _settings: Settings,
        stories: Collection[Story],
        fresh: Collection[str],
        _advance: object,
        **_more: object,
    ) -> Results:
        await asyncio.sleep(0)
        if self.fail:
            raise AmygdalaError(self.fail)
        self.jobs.append(({story.path for story in stories}, set(fresh)))
        cost = Work(texts_run=len(fresh), texts_cached=0, seconds_forward=0.0, seconds_statistics=0.0)
        return Results(
            layers=[1], hidden_size=1, concepts=[], fits=[], without_vector={}, truncated=[], max_tokens=512, work=cost
        )  # fmt: skip

    def forget(self, corpus: str) -> None:
        self.forgotten.append(corpus)

    async def close(self) -> None: ...


class FakePool:
    """One fake worker for everything."""

    def __init__(self) -> None:
        self.worker = FakeWorker()

    def get(self, _settings: Settings) -> FakeWorker:
        return self.worker

    def status(self) -> list[protocol.ModelStatus]:
        return []

    async def rest(self, *_: object) -> None: ...

    async def close(self) -> None: ...


class Wire:
    """A client that sends raw lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, line: bytes | dict[str, Any]) -> None:
        self.writer.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
        await self.writer.drain()

    async def read(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.reader.readline(), WITHIN)
        assert line, "the server hung up"
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def reply(self, line: bytes | dict[str, Any]) -> dict[str, Any]:
        """Send, and the next line that is no event."""
        await self.send(line)
        while (answer := await self.read())["type"] in ("Snapshot", "Changed", "Progressed"):
            pass
        return answer

    async def has_ended(self) -> bool:
        return await asyncio.wait_for(self.reader.readline(), WITHIN) == b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest.fixture
async def running(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server with fake workers."""
    monkeypatch.setattr(server, "WorkerPool", FakePool)
    with Ownership(short_dir / "s") as owner:
        running = Server(owner)
        task = asyncio.create_task(running.serve())
        yield running
        running.stop()
        await asyncio.wait_for(task, WITHIN)
        await eventually_async(lambda: not any("_converse" in repr(task) for task in asyncio.all_tasks()))


Connect = Callable[..., Any]


@pytest.fixture
async def connect(running: Server, short_dir: Path) -> AsyncIterator[Connect]:
    """Connects a wire; it has shaken hands unless told otherwise."""
    assert not running._clients
    wires: list[Wire] = []

    async def connect(*, greet: bool = True) -> Wire:
        wire = Wire(*await asyncio.open_unix_connection(short_dir / "s", limit=protocol.MAX_MESSAGE))
        wires.append(wire)
        if greet:
            answer = await wire.reply({"type": "Hello", "protocol": PROTOCOL, "version": "test"})
            assert answer["type"] == "Welcome"
        return wire

    yield connect
    for wire in wires:
        await wire.close()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A corpus of two stories."""
    (tmp_path / "small" / "stories").mkdir(parents=True)
    for name in ("calm", "eager"):
        (tmp_path / "small" / "stories" / f"{name}.txt").write_text(f"A {name} story.")
    return tmp_path / "small"


# The handshake


async def test_welcome_names_protocol_version_and_pid(connect: Connect) -> None:
    import os

    wire = await connect(greet=False)
    answer = await wire.reply({"type": "Hello", "protocol": PROTOCOL, "version": "0"})
    assert answer == {"type": "Welcome", "protocol": PROTOCOL, "version": __version__, "pid": os.getpid()}


async def test_other_protocol_is_refused_with_what_to_do(connect: Connect) -> None:
    wire = await connect(greet=False)
    answer = await wire.reply({"type": "Hello", "protocol": PROTOCOL + 1, "version": "9"})
    assert answer["type"] == "Refused"
    assert f"protocol {PROTOCOL}, you speak {PROTOCOL + 1}" in answer["message"]
    assert await wire.has_ended()


@pytest.mark.parametrize("line", [b"", b"GET / HTTP/1.1", b'{"type": "GetStatus", "id": 1}', b"\xff\xfe", b"[]"])
async def test_anything_but_a_hello_is_refused(connect: Connect, line: bytes) -> None:
    wire = await connect(greet=False)
    assert (await wire.reply(line))["type"] == "Refused"
    assert await wire.has_ended()


# Messages that are none

BAD = {
    "no JSON": (b"hello?", None),
    "an empty line": (b"", None),
    "no UTF-8": (b"\xff\xfe\xfd", None),
    "no object": (b"[1, 2]", None),
    "no type": (b'{"id": 7}', 7),
    "unknown type": (b'{"type": "Explode", "id": 7}', 7),
    "an event": (b'{"type": "Resync", "id": 7}', 7),
    "ill-typed field": (b'{"type": "SetLive", "id": 7, "corpus": "/x", "live": "yes"}', 7),
    "missing field": (b'{"type": "SetLive", "id": 7, "corpus": "/x"}', 7),
    "ill-typed id": (b'{"type": "GetStatus", "id": "seven"}', None),
    "unknown setting": (b'{"type": "Open", "id": 7, "corpus": "/x", "settings": {"modell": "x"}}', 7),
    "setting out of range": (b'{"type": "Open", "id": 7, "corpus": "/x", "settings": {"max_length": 0}}', 7),
    "deep nesting": (b"[" * 100_000, None),
    "lone surrogate": (b'{"type": "Close", "id": 7, "corpus": "/\\ud800"}', None),
}


@pytest.mark.parametrize("kind", BAD)
async def test_what_is_no_request_gets_a_failure_and_the_server_answers_on(connect: Connect, kind: str) -> None:
    line, number = BAD[kind]
    wire = await connect()
    failure = await wire.reply(line)
    assert failure["type"] == "Failure"
    assert failure.get("id") == number
    assert failure["message"]
    assert (await wire.reply({"type": "GetStatus", "id": 8}))["id"] == 8


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, 10**30])
async def test_any_id_comes_back(connect: Connect, number: int) -> None:
    wire = await connect()
    assert (await wire.reply({"type": "GetStatus", "id": number}))["id"] == number


async def test_oversized_message_is_told_and_other_clients_go_on(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await connect()
    readers: list[asyncio.StreamReader] = []
    line = server._line

    async def small_limit(reader: asyncio.StreamReader, client: Client) -> bytes:
        reader._limit = 4096  # type: ignore[attr-defined]
        readers.append(reader)
        return await line(reader, client)

    monkeypatch.setattr(server, "_line", small_limit)
    wire = await connect()
    failure = await wire.reply(b"x" * 50_000)
    assert failure["type"] == "Failure"
    assert "MiB" in failure["message"]
    assert readers
    assert (await other.reply({"type": "GetStatus", "id": 1}))["clients"] >= 1


async def test_client_that_vanishes_mid_message_hurts_nobody(running: Server, connect: Connect) -> None:
    other = await connect()
    wire = await connect()
    wire.writer.write(b'{"type": "GetSta')
    await wire.writer.drain()
    await wire.close()
    await eventually_async(lambda: len(running._clients) == 1)
    assert (await other.reply({"type": "GetStatus", "id": 1}))["clients"] == 1


# Opening


async def test_open_is_answered_and_followed_by_a_snapshot(connect: Connect, small: Path) -> None:
    wire = await connect()
    await wire.send({"type": "Open", "id": 1, "corpus": str(small)})
    assert await wire.read() == {"type": "Opened", "id": 1, "corpus": str(small)}
    snapshot = await wire.read()
    assert (snapshot["type"], snapshot["corpus"], snapshot["revision"]) == ("Snapshot", str(small), 0)


async def test_open_takes_the_corpus_own_settings(connect: Connect, small: Path) -> None:
    (small / "amygdala.toml").write_text("max_length = 77\n")
    wire = await connect()
    await wire.send({"type": "Open", "id": 1, "corpus": str(small)})
    await wire.read()
    assert (await wire.read())["settings"]["max_length"] == 77


async def test_broken_settings_file_is_a_failure_with_its_line(connect: Connect, small: Path) -> None:
    (small / "amygdala.toml").write_text("\nmax_lenght = 77\n")
    wire = await connect()
    failure = await wire.reply({"type": "Open", "id": 1, "corpus": str(small)})
    assert f"{small / 'amygdala.toml'}:2: max_lenght" in failure["message"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["nosuch", "small/stories/calm.txt", "small/stories"])
async def test_what_is_no_corpus_is_a_failure_by_its_name(connect: Connect, tmp_path: Path, name: str) -> None:
    wire = await connect()
    failure = await wire.reply({"type": "Open", "id": 1, "corpus": str(tmp_path / name)})
    assert (failure["type"], failure["id"]) == ("Failure", 1)
    assert name in failure["message"]


async def test_relative_corpus_is_refused(connect: Connect) -> None:
    wire = await connect()
    failure = await wire.reply({"type": "Open", "id": 1, "corpus": "small"})
    assert "absolute" in failure["message"]


async def test_path_with_a_nul_byte_is_a_failure(connect: Connect) -> None:
    wire = await connect()
    assert (await wire.reply({"type": "Open", "id": 1, "corpus": "/a\0b"}))["type"] == "Failure"
    assert (await wire.reply({"type": "GetStatus", "id": 2}))["id"] == 2


@pytest.mark.parametrize("kind", ["Retrain", "Close"])
async def test_corpus_that_is_not_open_is_named(connect: Connect, small: Path, kind: str) -> None:
    wire = await connect()
    failure = await wire.reply({"type": kind, "id": 3, "corpus": str(small)})
    assert failure["message"] == f"{small} is not open in the engine"


async def test_reopening_while_another_client_opens_leaves_one_state(
    running: Server, connect: Connect, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, go_on = asyncio.Event(), asyncio.Event()
    close = hosting.HostedCorpus.close
    hosted: list[hosting.HostedCorpus] = []
    start = hosting.HostedCorpus.start

    async def slow(self: hosting.HostedCorpus) -> None:
        closing.set()
        await go_on.wait()
        await close(self)

    def counted(self: hosting.HostedCorpus) -> None:
        hosted.append(self)
        start(self)

    monkeypatch.setattr(hosting.HostedCorpus, "start", counted)
    wire, other = await connect(), await connect()
    await wire.reply({"type": "Open", "id": 1, "corpus": str(small)})
    monkeypatch.setattr(hosting.HostedCorpus, "close", slow)
    await wire.send({"type": "Open", "id": 2, "corpus": str(small), "settings": {"max_length": 9}, "insist": True})
    await asyncio.wait_for(closing.wait(), WITHIN)
    await other.send({"type": "Open", "id": 1, "corpus": str(small)})
    asyncio.get_running_loop().call_later(0.2, go_on.set)
    await other.read()
    await wire.reply(b"")
    monkeypatch.setattr(hosting.HostedCorpus, "close", close)
    running_still = [each for each in hosted if any(not task.done() for task in each._tasks)]
    orphans = [each for each in running_still if each not in running._corpora.values()]
    for orphan in orphans:
        await orphan.close()
    assert not orphans


async def test_unwatched_corpus_is_closed(
    running: Server, connect: Connect, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "UNWATCHED_CLOSE", 0.0)
    wire = await connect()
    await wire.reply({"type": "Open", "id": 1, "corpus": str(small)})
    assert running._corpora
    await wire.close()
    await eventually_async(lambda: not running._corpora)


async def test_stop_is_answered_before_the_server_goes(connect: Connect) -> None:
    wire = await connect()
    assert await wire.reply({"type": "Stop", "id": 1}) == {"type": "Done", "id": 1}


# A slow client


class Jammed:
    """A writer whose other end reads only when told."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.open = asyncio.Event()

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    async def drain(self) -> None:
        await self.open.wait()

    @property
    def kinds(self) -> list[str]:
        return [json.loads(line)["type"] for line in self.lines]


def event(size: int) -> protocol.Progressed:
    return protocol.Progressed(corpus="/c", doing=snapshot.Doing(state="computing", detail="x" * size))


async def test_slow_client_is_told_to_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "OUTBOX_BYTES", 1000)
    writer = Jammed()
    client = Client(writer)  # type: ignore[arg-type]
    for _ in range(100):
        client.send(event(100))
    delivery = asyncio.create_task(client.deliver())
    writer.open.set()
    await eventually_async(lambda: not client._outbox)
    delivery.cancel()
    assert writer.kinds.count("Resync") == 1
    assert writer.kinds[0] == "Resync"
    assert len(b"".join(writer.lines)) < 2000


async def test_fast_client_gets_everything_in_order() -> None:
    writer = Jammed()
    writer.open.set()
    client = Client(writer)  # type: ignore[arg-type]
    delivery = asyncio.create_task(client.deliver())
    for number in range(50):
        client.send(protocol.Done(id=number))
    await eventually_async(lambda: len(writer.lines) == 50)
    delivery.cancel()
    assert [json.loads(line)["id"] for line in writer.lines] == list(range(50))


async def test_message_larger_than_the_outbox_still_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "OUTBOX_BYTES", 1000)
    writer = Jammed()
    writer.open.set()
    client = Client(writer)  # type: ignore[arg-type]
    client.send(event(5000))
    await client.flush()
    assert writer.kinds == ["Progressed"]


async def test_overflow_keeps_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "OUTBOX_BYTES", 1000)
    writer = Jammed()
    writer.open.set()
    client = Client(writer)  # type: ignore[arg-type]
    client.send(protocol.Done(id=1))
    for _ in range(20):
        client.send(event(100))
    client.send(protocol.Done(id=2))
    for _ in range(20):
        client.send(event(100))
    await client.flush()
    assert [json.loads(line)["id"] for line in writer.lines if b"Done" in line] == [1, 2]


# One hosted corpus


class Hosted:
    """A hosted corpus with a fake worker, whose changes are announced by hand."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[protocol.Event] = []
        self.worker = FakeWorker()
        self.rounds = 0

        async def by_hand(*_: object, **__: object) -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield

        monkeypatch.setattr(hosting, "changes", by_hand)
        announcer = Announcer(str(path), self.events.append)
        self.corpus = hosting.HostedCorpus(path, Settings(), self.worker, announcer, Chronicle(path))  # type: ignore[arg-type]
        catch_up = self.corpus._catch_up

        async def counted() -> None:
            try:
                await catch_up()
            finally:
                self.rounds += 1

        monkeypatch.setattr(self.corpus, "_catch_up", counted)

    async def round(self) -> list[protocol.Event]:
        """Have it look at the disk once more; the events of that."""
        said, rounds = len(self.events), self.rounds
        self.corpus._changed = None
        self.corpus._wake.set()
        await eventually_async(lambda: self.rounds > rounds)
        await eventually_async(lambda: not self.corpus.is_busy)
        return self.events[said:]


@pytest.fixture
async def hosted(small: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosted]:
    hosted = Hosted(small, monkeypatch)
    hosted.corpus.start()
    await eventually_async(lambda: hosted.corpus.revision == 1)
    yield hosted
    await hosted.corpus.close()


async def test_looking_again_at_the_same_files_says_nothing(hosted: Hosted) -> None:
    await eventually_async(lambda: hosted.rounds == 1)
    assert await hosted.round() == []
    assert len(hosted.worker.jobs) == 1


async def test_removed_story_is_taken_out_of_the_numbers(hosted: Hosted, small: Path) -> None:
    (small / "stories" / "calm.txt").unlink()
    events = await hosted.round()
    assert hosted.worker.jobs[-1] == ({"stories/eager.txt"}, set())
    assert any(isinstance(event, protocol.Changed) and event.removed == ["stories/calm.txt"] for event in events)


async def test_failed_job_says_why_and_shows_the_story_stale(hosted: Hosted, small: Path) -> None:
    hosted.worker.fail = "out of memory on cuda:0"
    (small / "stories" / "calm.txt").write_text("Not so calm.")
    events = await hosted.round()
    assert hosted.corpus.doing.state == "failed"
    assert hosted.corpus.doing.detail == "out of memory on cuda:0"
    last = [event for event in events if isinstance(event, protocol.Changed)][-1]
    assert [(view.path, view.state) for view in last.stories] == [("stories/calm.txt", "stale")]
    hosted.worker.fail = ""
    assert await hosted.round() == [], "what nothing has changed about would fail again"
    (small / "stories" / "calm.txt").write_text("Calmer.")
    await hosted.round()
    assert (hosted.corpus.revision, hosted.corpus.doing.state) == (2, "ready")


async def test_paused_retrain_of_a_removed_storys_concept_drops_it(hosted: Hosted, small: Path) -> None:
    await eventually_async(lambda: hosted.rounds == 1)
    hosted.corpus.set_live(False)
    (small / "stories" / "calm.txt").unlink()
    await hosted.round()
    assert hosted.corpus.revision == 1
    hosted.corpus.retrain(protocol.Retrain(id=1, corpus=str(small), concepts=["calm"]))
    await eventually_async(lambda: hosted.corpus.revision == 2)
    assert hosted.worker.jobs[-1] == ({"stories/eager.txt"}, set())


async def test_story_without_text_has_a_view_of_its_own(hosted: Hosted, small: Path) -> None:
    (small / "stories" / "hush.txt").write_text("  \n")
    events = await hosted.round()
    (changed,) = [event for event in events if isinstance(event, protocol.Changed)]
    assert [(view.path, view.state) for view in changed.stories] == [("stories/hush.txt", "empty")]
    assert [problem.code for problem in changed.problems] == ["empty"]


async def test_problem_that_is_no_storys_is_told_too(hosted: Hosted, small: Path) -> None:
    await eventually_async(lambda: hosted.rounds == 1)
    (small / "paired").write_text("a file where a folder belongs")
    events = await hosted.round()
    assert any(isinstance(event, protocol.Changed) and event.problems for event in events)


async def test_progress_is_told_at_most_four_times_a_second(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    hosted.events.clear()
    for done in range(101):
        hosted.corpus._advance(Advanced(job=1, done=done, total=100, ids=[]))
        clock[0] += 0.02
    told = [event.doing for event in hosted.events if isinstance(event, protocol.Progressed)]
    assert 4 <= len(told) <= 1 + 2 * 4 + 1
    assert [doing.done for doing in told] == sorted(doing.done for doing in told)
    assert hosted.corpus.doing.done == 100
    assert told[-1].rate == pytest.approx(50, rel=0.05)
    assert told[-1].left == pytest.approx((100 - told[-1].done) / told[-1].rate)


def test_settings_travel_whole() -> None:
    request = protocol.Open(id=1, corpus="/c", settings=Settings(model="m", pooling="mean", redundant_r2=0.5))
    assert msgspec.structs.asdict(protocol.decode_request(protocol.encode(request))) == msgspec.structs.asdict(request)


async def test_a_snapshot_is_sent_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what a client asks for that was told to resync: told so again, it would ask for ever."""
    monkeypatch.setattr(server, "OUTBOX_BYTES", 10)
    writer = Jammed()
    client = Client(writer)  # type: ignore[arg-type]
    client.send(protocol.Opened(id=1, corpus="/c"))
    client.send(event(100))
    client.send(
        protocol.Snapshot(
            corpus="/c",
            revision=1,
            settings=Settings(),
            doing=snapshot.Doing(state="ready"),
            layers=[],
            stories=[],
            concepts=[],
            problems=[],
            moved=None,
        )
    )
    delivery = asyncio.create_task(client.deliver())
    writer.open.set()
    await eventually_async(lambda: not client._outbox)
    delivery.cancel()
    assert writer.kinds == ["Opened", "Snapshot"]
