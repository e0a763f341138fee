"""The server in this process, with workers that compute nothing: what it answers to whatever is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine import __version__
from engine.service import server
from engine.service.history.recorder import Chronicle
from engine.service.hosting import hosted as hosting
from engine.service.hosting import progress
from engine.service.hosting.progress import Announcer
from engine.service.server import Client, Server
from engine.settings import Settings
from engine.wire import protocol, snapshot
from engine.wire.jobs import Advanced
from engine.wire.protocol import PROTOCOL
from tests.engine.service.serving import WITHIN, Connect, FakeWorker
from tests.waiting import eventually_async

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
        reader._limit = 4096
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


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that starts next keeps house all the time."""
    monkeypatch.setattr(server, "HOUSEKEEPING_EVERY", 0.01)


@pytest.mark.usefixtures("often")
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
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
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
