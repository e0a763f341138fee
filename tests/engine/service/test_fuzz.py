"""A hundred thousand messages that no client would send; the next honest client is answered all the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import string
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from engine.service.clients import MAX_CLIENTS
from engine.service.server import Server
from engine.wire import protocol
from engine.wire.protocol import MAX_MESSAGE, PROTOCOL
from tests.engine.service.serving import WITHIN, Wire
from tests.waiting import eventually_async

MESSAGES = 100_000
AT_ONCE = 500
"""Messages down one connection, before it is closed, half of the time in the middle of one."""
KINDS = [kind.__name__ for kind in get_args(protocol.Request)]
HELLO = json.dumps({"type": "Hello", "protocol": PROTOCOL, "version": "fuzz"}).encode() + b"\n"
FIELDS = sorted({field for kind in get_args(protocol.Request) for field in kind.__struct_fields__} | {"type", "x"})
HARMLESS = {"Stop", "Close", "Open"}
"""Of these only what cannot be carried out is sent: the server is to go on, with what it has open."""


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything that JSON can say."""
    choice = rng.randrange(9 if depth < 3 else 6)
    if choice == 0:
        return rng.choice([None, True, False])
    if choice == 1:
        return rng.choice([0, 1, -1, 2**31, 2**63, -(2**64), 10**40])
    if choice == 2:
        return rng.choice([0.0, -1.5, 1e308, 1e-308])
    if choice in (3, 4):
        return "".join(rng.choices(string.printable + "\x00\u2028é😀", k=rng.randrange(12)))
    if choice == 5:
        return rng.choice(["../../etc/passwd", "/etc", "stories/../../x.txt", "/nosuch", "paired/a/b.txt"])
    if choice == 6:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(FIELDS): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def message(rng: random.Random, corpus: str) -> bytes:
    """One line: garbage, JSON of any shape, a request with wrong fields, a request that makes sense, or part of one."""
    choice = rng.randrange(6)
    if choice == 0:
        return rng.randbytes(rng.randrange(40)).replace(b"\n", b"")
    if choice == 1:
        return json.dumps(value(rng)).encode()
    kind = rng.choice(KINDS)
    fields: dict[str, Any] = {"type": kind, "id": rng.choice([1, 7, value(rng)])}
    wanted = next(made for made in get_args(protocol.Request) if made.__name__ == kind).__struct_fields__
    for name in wanted:
        if name != "id" and rng.random() < 0.9:
            fields[name] = value(rng)
    if "corpus" in wanted and kind not in HARMLESS and rng.random() < 0.7:
        fields["corpus"] = corpus
    if kind == "Stop":
        fields["id"] = "now"
    if kind == "Close":
        fields["corpus"] = "/nosuch"
    line = json.dumps(fields).encode()
    if choice == 2:
        return line[: rng.randrange(len(line))]
    if choice == 3:
        place = rng.randrange(len(line))
        return (line[:place] + rng.randbytes(1) + line[place + 1 :]).replace(b"\n", b"")
    return line


def batches(rng: random.Random, corpus: str) -> Iterator[bytes]:
    """What goes down each connection."""
    for _ in range(MESSAGES // AT_ONCE):
        lines = [message(rng, corpus) for _ in range(AT_ONCE)]
        sent = (HELLO if rng.random() < 0.95 else b"") + b"\n".join(lines)
        yield sent if rng.random() < 0.5 else sent + b"\n"


async def connect(folder: Path) -> Wire:
    return Wire(*await asyncio.open_unix_connection(folder / "s", limit=MAX_MESSAGE))


async def honest(folder: Path, corpus: Path, *, revision: int = 1) -> None:
    """A client that behaves is answered: handshake, snapshot, status."""
    wire = await connect(folder)
    assert (await wire.reply({"type": "Hello", "protocol": PROTOCOL, "version": "test"}))["type"] == "Welcome"
    assert (await wire.reply({"type": "Open", "id": 1, "corpus": str(corpus)}))["type"] == "Opened"
    status = await wire.reply({"type": "GetStatus", "id": 2})
    assert [open_corpus["revision"] for open_corpus in status["corpora"]] == [revision]
    await wire.close()


@pytest.fixture
async def opened(running: Server, short_dir: Path, corpus: Path) -> Path:
    """A corpus that the server has open and has numbers of."""
    wire = await connect(short_dir)
    await wire.send(HELLO.rstrip())
    await wire.send({"type": "Open", "id": 1, "corpus": str(corpus)})
    await eventually_async(lambda: [hosted.revision for hosted in running._corpora.values()] == [1])
    await wire.close()
    return corpus


@pytest.mark.timeout(600)
async def test_a_hundred_thousand_bad_messages_leave_the_server_answering(
    opened: Path, short_dir: Path, running: Server
) -> None:
    kinds: Counter[str] = Counter()
    for sent in batches(random.Random(0), str(opened)):
        reader, writer = await asyncio.open_unix_connection(short_dir / "s", limit=MAX_MESSAGE)
        drained = asyncio.create_task(reader.read(-1))
        with contextlib.suppress(ConnectionError):  # it may have been refused, and hung up on
            writer.write(sent)
            await asyncio.wait_for(writer.drain(), WITHIN)
            writer.write_eof()
        answers = await asyncio.wait_for(drained, WITHIN)
        writer.close()
        assert b"unexpected error" not in answers
        kinds.update(msgspec.json.decode(line)["type"] for line in answers.splitlines())
    assert sum(kinds.values()) > 0.8 * MESSAGES  # all but those on connections that ended early have an answer
    assert {"Failure", "Done", "Refused", "Status"} <= kinds.keys()
    await eventually_async(lambda: not running._clients)
    (hosted,) = running._corpora.values()
    await eventually_async(lambda: not hosted.is_busy)
    await honest(short_dir, opened, revision=hosted.revision)


async def test_half_open_connections_are_no_hindrance(opened: Path, short_dir: Path) -> None:
    """Clients that connect and say nothing, half a line, or everything but never read."""
    idle = [await asyncio.open_unix_connection(short_dir / "s") for _ in range(20)]
    for _, writer in idle[:10]:
        writer.write(b'{"type": "Hel')
        await writer.drain()
    deaf = [await asyncio.open_unix_connection(short_dir / "s", limit=64) for _ in range(5)]
    for _, writer in deaf:
        writer.write(HELLO)
        for number in range(200):
            writer.write(json.dumps({"type": "Open", "id": number, "corpus": str(opened)}).encode() + b"\n")
    await honest(short_dir, opened)
    for _, writer in (*idle, *deaf):
        writer.close()


async def test_line_over_the_limit_ends_its_connection_with_words(opened: Path, short_dir: Path) -> None:
    assert MAX_MESSAGE == 64 << 20
    wire = await connect(short_dir)
    await wire.send(HELLO.rstrip())
    assert (await wire.read())["type"] == "Welcome"
    chunk = b"x" * (1 << 20)
    for _ in range(66):
        wire.writer.write(chunk)
        await asyncio.wait_for(wire.writer.drain(), WITHIN)
    answer = await wire.read()
    assert answer["type"] == "Failure"
    assert "64 MiB" in answer["message"]
    await wire.close()
    await honest(short_dir, opened)


async def test_too_many_names_or_too_long_a_draft_are_refused(opened: Path, short_dir: Path) -> None:
    wire = await connect(short_dir)
    assert (await wire.reply({"type": "Hello", "protocol": PROTOCOL, "version": "test"}))["type"] == "Welcome"
    requests: list[dict[str, Any]] = [
        {"type": "Retrain", "paths": ["stories/a.txt"] * (protocol.MAX_NAMES + 1)},
        {"type": "Score", "path": "stories/a.txt", "text": "x" * (protocol.MAX_DRAFT + 1)},
        {"type": "GetRevisions", "limit": 10**6},
    ]
    for request in requests:
        answer = await wire.reply({"id": 5, "corpus": str(opened)} | request)
        assert (answer["type"], answer["id"]) == ("Failure", 5)
    await wire.close()


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "stories/../../x.txt", "paired/x/../../../y.txt"])
@pytest.mark.parametrize("kind", ["Retrain", "Score", "GetText"])
async def test_path_outside_the_corpus_is_refused(opened: Path, short_dir: Path, path: str, kind: str) -> None:
    fields: dict[str, dict[str, Any]] = {
        "Retrain": {"paths": [path]},
        "Score": {"path": path, "text": "x"},
        "GetText": {"path": path, "revision": 1},
    }
    wire = await connect(short_dir)
    assert (await wire.reply({"type": "Hello", "protocol": PROTOCOL, "version": "test"}))["type"] == "Welcome"
    answer = await wire.reply({"type": kind, "id": 5, "corpus": str(opened)} | fields[kind])
    assert answer["type"] == "Failure" or answer["text"] is None
    await wire.close()


async def test_crowd_is_refused_with_words(running: Server, short_dir: Path) -> None:
    wires = [await connect(short_dir) for _ in range(MAX_CLIENTS)]
    for wire in wires:
        assert (await wire.reply({"type": "Hello", "protocol": PROTOCOL, "version": "test"}))["type"] == "Welcome"
    late = await connect(short_dir)
    refused = await late.reply({"type": "Hello", "protocol": PROTOCOL, "version": "test"})
    assert "clients already" in refused["message"]
    await wires[0].close()
    await eventually_async(lambda: len(running._clients) < MAX_CLIENTS)
    again = await connect(short_dir)
    assert (await again.reply({"type": "Hello", "protocol": PROTOCOL, "version": "test"}))["type"] == "Welcome"
    for wire in (*wires[1:], late, again):
        await wire.close()
