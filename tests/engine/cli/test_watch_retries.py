"""`engine watch` goes on through what will pass, and comes back to it by itself."""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine import client
from engine.cli import watch
from engine.corpus import Problem
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire import protocol

QUICK = 0.01


class Engine:
    """An engine that tells of one revision."""

    def __init__(self) -> None:
        self.refusals: list[Exception] = []
        """What opening the corpus raises, one after the other."""

    async def connect_or_start(self, _: Path) -> Engine:
        return self

    async def request(self, *_: object, **__: object) -> None:
        if self.refusals:
            raise self.refusals.pop(0)

    async def events(self) -> AsyncIterator[protocol.Event]:
        yield protocol.Resync()
        await asyncio.Event().wait()

    async def close(self) -> None: ...


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    fake = Engine()
    monkeypatch.setattr(client, "connect_or_start", fake.connect_or_start)
    for name in ("RECONNECT_S", "RETRY_S", "MAX_RETRY_S"):
        monkeypatch.setattr(watch, name, QUICK)
    return fake


async def followed(monkeypatch: pytest.MonkeyPatch, corpus: Path, outcomes: list[Exception | None]) -> None:
    """Follow until all these outcomes of an export came to pass."""
    done = asyncio.Event()

    async def export(*_: object) -> list[Problem]:
        outcome = outcomes.pop(0)
        if not outcomes:
            done.set()
        if outcome is not None:
            raise outcome
        return []

    monkeypatch.setattr(watch, "_export", export)
    arguments = argparse.Namespace(corpus=corpus, socket=None)
    following: asyncio.Task[Any] = asyncio.create_task(watch._follow(arguments, Settings()))
    waiting = asyncio.create_task(done.wait())
    await asyncio.wait({following, waiting}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    for task in (following, waiting):
        task.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    with suppress(asyncio.CancelledError):
        await following
    assert done.is_set()


@pytest.mark.usefixtures("engine")
async def test_export_that_fails_is_tried_again_without_a_change_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = AmygdalaError("cannot write: No space left on device")
    await followed(monkeypatch, tmp_path, [full, full, full, AmygdalaError("64 clients are connected"), None])
    said = capsys.readouterr().err
    assert said.count("No space left on device; trying again") == 1
    assert said.count("64 clients are connected; trying again") == 1


async def test_refusal_after_it_was_open_is_waited_out(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = client.NoEngine("the engine has gone")
    outcomes: list[Exception | None] = [None]

    async def closed() -> AsyncIterator[protocol.Event]:
        engine.refusals += [AmygdalaError("does not answer as an engine"), gone]
        engine.events = told  # type: ignore[method-assign]
        return
        yield

    told = engine.events
    monkeypatch.setattr(engine, "events", closed)
    await followed(monkeypatch, tmp_path, outcomes)
    assert engine.refusals == []


async def test_refusal_at_the_start_ends_it(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.refusals.append(AmygdalaError("no such model"))
    with pytest.raises(AmygdalaError, match="no such model"):
        await followed(monkeypatch, tmp_path, [None])


@pytest.mark.parametrize("hangs", [False, True])
async def test_an_interrupt_waits_for_files_that_are_being_written_but_not_for_a_hung_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    begun, gate = threading.Event(), threading.Event()

    def write(*_: object) -> list[Path]:
        begun.set()
        gate.wait()
        (tmp_path / "written").write_text("the last file of the set")
        return []

    monkeypatch.setattr(watch, "prepare", lambda _: None)
    monkeypatch.setattr(watch, "write", write)
    monkeypatch.setattr(watch, "WRITTEN_WITHIN_S", 0.1 if hangs else 60)
    computed: Any = None
    writing = asyncio.create_task(watch._write(argparse.Namespace(), Settings(), computed))
    await asyncio.to_thread(begun.wait)
    writing.cancel()
    if not hangs:
        gate.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (tmp_path / "written").exists() is not hangs
    gate.set()
