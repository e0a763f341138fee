"""A server in this process, a client of it, and a corpus that it may open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.service import server
from engine.service.lifecycle import Ownership
from engine.service.server import Server
from engine.wire import protocol
from engine.wire.protocol import PROTOCOL
from tests.engine.service.serving import WITHIN, Connect, FakePool, Wire
from tests.waiting import eventually_async


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
