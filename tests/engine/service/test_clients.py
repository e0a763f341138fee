"""A client of the server: how it is greeted, and what it is sent, however slowly it reads."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine import __version__
from engine.service import clients, server
from engine.service.clients import Client
from engine.service.server import Server
from engine.settings import Settings
from engine.wire import protocol, snapshot
from engine.wire.protocol import PROTOCOL
from tests.engine.service.serving import Connect
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


async def test_client_that_vanishes_mid_message_hurts_nobody(running: Server, connect: Connect) -> None:
    other = await connect()
    wire = await connect()
    wire.writer.write(b'{"type": "GetSta')
    await wire.writer.drain()
    await wire.close()
    await eventually_async(lambda: len(running._clients) == 1)
    assert (await other.reply({"type": "GetStatus", "id": 1}))["clients"] == 1


# A slow client


class Jammed:
    """A writer whose other end reads only when told."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.open = asyncio.Event()
        self.is_aborted = False

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    async def drain(self) -> None:
        await self.open.wait()

    @property
    def transport(self) -> Jammed:
        return self

    def abort(self) -> None:
        self.is_aborted = True

    @property
    def kinds(self) -> list[str]:
        return [json.loads(line)["type"] for line in self.lines]


def event(size: int) -> protocol.Progressed:
    return protocol.Progressed(corpus="/c", doing=snapshot.Doing(state="computing", detail="x" * size))


async def test_slow_client_is_told_to_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "OUTBOX_BYTES", 1000)
    writer = Jammed()
    client = Client(asyncio.StreamReader(), writer)  # type: ignore[arg-type]
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
    client = Client(asyncio.StreamReader(), writer)  # type: ignore[arg-type]
    delivery = asyncio.create_task(client.deliver())
    for number in range(50):
        client.send(protocol.Done(id=number))
    await eventually_async(lambda: len(writer.lines) == 50)
    delivery.cancel()
    assert [json.loads(line)["id"] for line in writer.lines] == list(range(50))


async def test_message_larger_than_the_outbox_still_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "OUTBOX_BYTES", 1000)
    writer = Jammed()
    writer.open.set()
    client = Client(asyncio.StreamReader(), writer)  # type: ignore[arg-type]
    client.send(event(5000))
    await client.flush()
    assert writer.kinds == ["Progressed"]


async def test_overflow_keeps_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "OUTBOX_BYTES", 1000)
    writer = Jammed()
    writer.open.set()
    client = Client(asyncio.StreamReader(), writer)  # type: ignore[arg-type]
    client.send(protocol.Done(id=1))
    for _ in range(20):
        client.send(event(100))
    client.send(protocol.Done(id=2))
    for _ in range(20):
        client.send(event(100))
    await client.flush()
    assert [json.loads(line)["id"] for line in writer.lines if b"Done" in line] == [1, 2]


async def test_a_snapshot_is_sent_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what a client asks for that was told to resync: told so again, it would ask for ever."""
    monkeypatch.setattr(clients, "OUTBOX_BYTES", 10)
    writer = Jammed()
    client = Client(asyncio.StreamReader(), writer)  # type: ignore[arg-type]
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


# Bounds


async def test_who_does_not_greet_is_let_go(running: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "GREET_WITHIN_S", 0.05)
    silent = await connect(greet=False)
    assert (await silent.read())["type"] == "Refused"
    assert await silent.has_ended()
    await eventually_async(lambda: running._connections == 0)


async def test_connections_that_never_greet_are_bounded(
    running: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    for _ in range(3):
        await connect(greet=False)
    await eventually_async(lambda: running._connections == 3)
    assert await (await connect(greet=False)).has_ended()


async def test_half_a_greeting_takes_little_memory(connect: Connect) -> None:
    wire = await connect(greet=False)
    failure = await wire.reply(b"x" * (clients.MAX_HELLO + 1))
    assert failure["type"] == "Failure"
    assert "64 KiB" in failure["message"]
    assert await wire.has_ended()


async def test_client_that_asks_and_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "UNREAD_BYTES", 10_000)
    writer = Jammed()
    client = Client(asyncio.StreamReader(), writer)  # type: ignore[arg-type]
    for number in range(1000):
        client.send(protocol.Failure(id=number, message="x" * 100))
    assert writer.is_aborted
    assert not client._outbox
