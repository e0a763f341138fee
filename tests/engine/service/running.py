"""A real engine process and a client that waits for what it tells."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest

from engine import client
from engine.settings import Settings
from engine.wire import protocol
from engine.wire.protocol import Changed
from engine.wire.revisions import Revision
from tests.engine.service import forkserver
from tests.places import GOLDEN
from tests.waiting import eventually

WITHIN = 60.0
SETTINGS = Settings(model=str(GOLDEN / "models" / "llama"), device="cpu", target_layers="1,2,4")
E = TypeVar("E")


class Engine:
    """`engine serve` at a socket."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.socket = folder / "e.sock"
        self.log = folder / "log"
        forkserver.start()
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "engine", "serve", "--socket", str(self.socket), *arguments]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(lambda: self.process.poll() is not None or b"serving at" in self.log.read_bytes())
        assert self.process.poll() is None, self.log.read_text()

    def end(self) -> int:
        """Terminate it and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextlib.contextmanager
def serving(cache: Path) -> Iterator[Engine]:
    """An engine with a cache of its own, which must end as it was told to and take its socket away."""
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMYGDALA_CACHE", str(cache))
        running = Engine(folder)
    yield running
    code = running.end()
    socket_left = running.socket.exists()
    shutil.rmtree(folder)
    assert (code, socket_left) == (0, False)


class Talk:
    """One client's conversation about one corpus."""

    def __init__(self, connection: client.Connection, corpus: Path) -> None:
        self.connection = connection
        self.corpus = corpus
        self._events = connection.events()

    @classmethod
    async def to(cls, socket: Path, corpus: Path, settings: Settings | None = SETTINGS) -> Self:
        """Connect and open the corpus."""
        talk = cls(await client.connect(socket), corpus)
        opened = await talk.ask(protocol.Open, settings=settings)
        assert isinstance(opened, protocol.Opened)
        return talk

    async def ask(self, kind: type[protocol.Request], **fields: Any) -> protocol.Reply:
        """Send a request about the corpus and await its reply."""
        if "corpus" in kind.__struct_fields__:
            fields.setdefault("corpus", str(self.corpus))
        return await asyncio.wait_for(self.connection.request(kind, **fields), WITHIN)

    async def event(self, kind: type[E], condition: Callable[[E], object] = lambda _: True) -> E:
        """The next event of a kind that meets a condition; others are passed over."""

        async def wait() -> E:
            async for event in self._events:
                if isinstance(event, kind) and condition(event):
                    return event
            raise AssertionError("the connection ended")

        return await asyncio.wait_for(wait(), WITHIN)

    async def revision(self, number: int | None = None) -> protocol.Changed:
        """The next change to a new revision (to `number`, if given), with none left out before it."""
        changed = await self.event(protocol.Changed, lambda event: event.base != event.revision)
        assert number is None or changed.revision == number
        return changed

    async def ready(self) -> protocol.Snapshot:
        """The corpus's snapshot once its first numbers are there."""
        snapshot = await self.event(protocol.Snapshot)
        if snapshot.revision:
            return snapshot
        await self.revision()
        await self.ask(protocol.Open)
        return await self.event(protocol.Snapshot, lambda event: event.revision > 0)

    async def status(self) -> protocol.Status:
        status = await self.ask(protocol.GetStatus)
        assert isinstance(status, protocol.Status)
        return status

    async def close(self) -> None:
        await self.connection.close()


def heed_interrupts() -> None:
    """For a child process: who runs the tests in the background may have it, and so its children, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def write(file: Path, text: str) -> None:
    """Save a story as editors do: a new file beside it, then a rename."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.swp")
    temporary.write_text(text, "utf-8")
    temporary.replace(file)


def alive(pid: int) -> bool:
    """Whether a process runs (and is no zombie)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


@contextlib.contextmanager
def held(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def states(changed: Changed | protocol.Snapshot) -> dict[str, str]:
    return {view.path: view.state for view in changed.stories}


async def worker_of(talk: Talk, model: str = SETTINGS.model) -> int:
    """The pid of a model's process."""
    (pid,) = [process.pid for process in (await talk.status()).models if process.model == model]
    assert pid is not None
    return pid


async def revisions(talk: Talk) -> list[Revision]:
    """The newest first."""
    told = await talk.ask(protocol.GetRevisions)
    assert isinstance(told, protocol.Revisions)
    return told.revisions
