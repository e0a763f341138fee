"""The open corpora: which folders can be opened, by whose settings, and when one is closed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from engine import paths
from engine.service import corpora, exports, server
from engine.service.hosting import hosted as hosting
from engine.service.server import Server
from engine.settings import Settings
from tests.engine.service.serving import WITHIN, Connect
from tests.waiting import eventually_async


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
    close = hosting.OpenCorpus.close
    hosted: list[hosting.OpenCorpus] = []
    start = hosting.OpenCorpus.start

    async def slow(self: hosting.OpenCorpus) -> None:
        closing.set()
        await go_on.wait()
        await close(self)

    def counted(self: hosting.OpenCorpus) -> None:
        hosted.append(self)
        start(self)

    monkeypatch.setattr(hosting.OpenCorpus, "start", counted)
    wire, other = await connect(), await connect()
    await wire.reply({"type": "Open", "id": 1, "corpus": str(small)})
    monkeypatch.setattr(hosting.OpenCorpus, "close", slow)
    await wire.send({"type": "Open", "id": 2, "corpus": str(small), "settings": {"max_length": 9}, "insist": True})
    await asyncio.wait_for(closing.wait(), WITHIN)
    await other.send({"type": "Open", "id": 1, "corpus": str(small)})
    asyncio.get_running_loop().call_later(0.2, go_on.set)
    await other.read()
    await wire.reply(b"")
    monkeypatch.setattr(hosting.OpenCorpus, "close", close)
    running_still = [each for each in hosted if any(not task.done() for task in each._tasks)]
    orphans = [each for each in running_still if each not in running._corpora.values()]
    for orphan in orphans:
        await orphan.close()
    assert not orphans


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server that starts next keeps house all the time."""
    monkeypatch.setattr(server, "HOUSEKEEPING_EVERY_S", 0.01)


@pytest.mark.usefixtures("often")
async def test_unwatched_corpus_is_closed(
    running: Server, connect: Connect, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "UNWATCHED_CLOSE_S", 0.0)
    wire = await connect()
    await wire.reply({"type": "Open", "id": 1, "corpus": str(small)})
    assert running._corpora
    await wire.close()
    await eventually_async(lambda: not running._corpora)


async def test_a_folder_served_twice_is_one_corpus(running: Server, connect: Connect, small: Path) -> None:
    (small.parent / "again").symlink_to(small)
    chosen = Settings(max_length=77)
    for path in (small, small.parent / "again", small):
        running._corpora.pin(path, chosen)
    assert list(running._corpora) == [str(small)]
    wire = await connect()
    await wire.send({"type": "Open", "id": 1, "corpus": str(small.parent / "again")})
    assert (await wire.read())["corpus"] == str(small)


async def test_a_folder_that_does_not_answer_is_said_and_others_go_on(
    connect: Connect, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    real = paths.real

    def hanging(path: str | Path) -> str:
        if "hung" in str(path):
            gate.wait()
        return real(path)

    monkeypatch.setattr("engine.paths.real", hanging)
    monkeypatch.setattr(corpora, "ANSWERS_WITHIN_S", 0.3)
    wire, other = await connect(), await connect()
    await wire.send({"type": "Open", "id": 1, "corpus": "/mnt/hung"})
    await other.send({"type": "Open", "id": 2, "corpus": str(small)})
    assert (await other.read())["type"] == "Opened"
    failure = await wire.read()
    assert (failure["type"], failure["id"]) == ("Failure", 1)
    assert "/mnt/hung: its file system has not answered" in failure["message"]
    gate.set()


@pytest.mark.parametrize("hung", ["Layout.of", "scan"])
async def test_an_export_whose_folder_does_not_answer_is_refused_and_others_go_on(
    connect: Connect, small: Path, monkeypatch: pytest.MonkeyPatch, hung: str
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(f"engine.service.exports.{hung}", lambda _: gate.wait())
    monkeypatch.setattr(exports, "ANSWERS_WITHIN_S" if hung == "Layout.of" else "SCANNED_WITHIN_S", 0.3)
    wire, other = await connect(), await connect()
    settings = msgspec.to_builtins(Settings())
    folders = {"root": str(small), "stories": str(small / "stories"), "paired": str(small / "paired")}
    await wire.send({"type": "Export", "id": 1, "settings": settings, **folders})
    await other.send({"type": "GetStatus", "id": 2})
    assert (await other.read())["type"] == "Status"
    failure = await wire.read()
    assert (failure["type"], failure["id"]) == ("Failure", 1)
    assert f"{small}: its file system has not answered" in failure["message"]
    gate.set()
