"""The engine's socket: clients come, ask, subscribe to corpora, and leave; nobody waits for a slow one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from engine import __version__, paths, protocol, settings
from engine.corpus import Layout
from engine.errors import AmygdalaError
from engine.service.host import HostedCorpus
from engine.service.lifecycle import Ownership
from engine.service.workers import WorkerPool
from engine.settings import Settings

log = logging.getLogger(__name__)

OUTBOX_BYTES = 16 << 20
"""What may wait for one slow client before it is told to resync."""
HOUSEKEEPING_EVERY = 2.0
UNWATCHED_CLOSE = 30 * 60.0
"""Seconds until a corpus that nobody shows is closed."""
IDLE_UNLOAD = 5 * 60.0
"""Seconds until a model that no open corpus uses is unloaded."""


class Client:
    """One connection: its outbox, and the corpora it shows."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.corpora: set[str] = set()
        self._writer = writer
        self._outbox: deque[tuple[bytes, bool]] = deque()
        self._waiting = 0
        self._ready = asyncio.Event()

    def send(self, message: protocol.Message) -> None:
        """Put a message into the outbox; never waits. When it overflows, its events give way to one `Resync`."""
        line = protocol.encode(message)
        is_event = isinstance(message, protocol.Event)
        if is_event and self._waiting + len(line) > OUTBOX_BYTES and self._outbox:
            self._outbox = deque((kept, False) for kept, was_event in self._outbox if not was_event)
            self._waiting = sum(len(kept) for kept, _ in self._outbox)
            if not isinstance(message, protocol.Snapshot):  # which is what a resync asks for, so it must get through
                line = protocol.encode(protocol.Resync())
        self._outbox.append((line, is_event))
        self._waiting += len(line)
        self._ready.set()

    async def deliver(self) -> None:
        """Write what is in the outbox, as fast as the client reads."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._outbox:
                line, _ = self._outbox.popleft()
                self._waiting -= len(line)
                self._writer.write(line)
                await self._writer.drain()

    async def flush(self) -> None:
        """Give the last messages a moment to leave before the connection closes."""
        with contextlib.suppress(Exception):
            while self._outbox:
                self._writer.write(self._outbox.popleft()[0])
            await asyncio.wait_for(self._writer.drain(), 1)


class Server:
    """The engine: corpora by real path, workers by model, clients by connection.

    Args:
        owner: the right to serve, and the bound socket.
        idle_exit: seconds without clients and work after which to exit; None serves until stopped.
    """

    def __init__(self, owner: Ownership, idle_exit: float | None = None) -> None:
        self._owner = owner
        self._idle_exit = idle_exit
        self._clients: set[Client] = set()
        self._corpora: dict[str, HostedCorpus] = {}
        self._unwatched: dict[str, float] = {}
        self._pinned: set[str] = set()
        self._workers = WorkerPool()
        self._opening = asyncio.Lock()
        """Held while a corpus is opened or closed, so that two clients who meet in it leave one state, not two."""
        self._stopping = asyncio.Event()
        self._started = time.monotonic()
        self._last_active = time.monotonic()

    def stop(self) -> None:
        """Begin to shut down."""
        self._stopping.set()

    async def serve(self, corpora: Iterable[tuple[Path, Settings]] = ()) -> None:
        """Serve until stopped, idle for long enough, or no longer reachable at the socket's path."""
        for path, chosen in corpora:
            self._pinned.add(str(self._open(path, chosen).path))
        server = await asyncio.start_unix_server(
            self._converse, sock=self._owner.listener, limit=protocol.MAX_MESSAGE, start_serving=True
        )
        log.info("serving at %s (pid %d)", self._owner.path, os.getpid())
        keeper = asyncio.create_task(self._keep_house())
        try:
            await self._stopping.wait()
        finally:
            keeper.cancel()
            server.close()
            for client in self._clients:
                for name in client.corpora:
                    client.send(protocol.Closed(corpus=name, reason="the engine was stopped"))
            await asyncio.gather(*(corpus.close() for corpus in self._corpora.values()))
            await self._workers.close()
            await asyncio.gather(*(client.flush() for client in self._clients))
            log.info("stopped")

    # Conversations

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not paths.is_mine(writer.get_extra_info("socket")):
            log.warning("refused a connection of another user")
            writer.close()
            return
        client = Client(writer)
        delivery = asyncio.create_task(client.deliver())
        try:
            if await self._greet(reader, client):
                self._clients.add(client)
                await self._listen(reader, client)
            await client.flush()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(client)
            self._last_active = time.monotonic()
            delivery.cancel()
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, client: Client) -> bool:
        """The handshake; whether to go on."""
        line = await _line(reader, client)
        if not line:
            return False
        try:
            hello = protocol.decode_hello(line)
        except protocol.ProtocolError as error:
            client.send(protocol.Refused(message=str(error)))
            return False
        if hello.protocol != protocol.PROTOCOL:
            client.send(
                protocol.Refused(
                    message=f"this engine (version {__version__}, pid {os.getpid()}) speaks protocol "
                    f"{protocol.PROTOCOL}, you speak {hello.protocol}. Stop it (kill {os.getpid()}) and start again; "
                    "nothing computed is lost."
                )
            )
            return False
        client.send(protocol.Welcome(protocol=protocol.PROTOCOL, version=__version__, pid=os.getpid()))
        return True

    async def _listen(self, reader: asyncio.StreamReader, client: Client) -> None:
        while line := await _line(reader, client):
            self._last_active = time.monotonic()
            try:
                request = protocol.decode_request(line)
            except protocol.ProtocolError as error:
                client.send(protocol.Failure(id=protocol.request_id(line), message=str(error)))
                continue
            try:
                await self._answer(client, request)
            except AmygdalaError as error:
                client.send(protocol.Failure(id=request.id, message=str(error)))
            except Exception as error:
                log.exception("request failed: %s", type(request).__name__)
                client.send(protocol.Failure(id=request.id, message=f"unexpected error: {error!r}"))

    async def _answer(self, client: Client, request: protocol.Request) -> None:
        match request:
            case protocol.Open():
                async with self._opening:
                    await self._join(client, request)
                return
            case protocol.GetStatus(id=number):
                client.send(self._status(number))
                return
            case protocol.Retrain(corpus=path):
                self._hosted(path).retrain(request)
            case protocol.SetLive(corpus=path, live=live):
                self._hosted(path).set_live(live)
            case protocol.Close(corpus=path):
                async with self._opening:
                    await self._close(self._hosted(path), "it was closed on request")
            case protocol.Stop():
                log.info("asked to stop")
                self.stop()
        client.send(protocol.Done(id=request.id))

    async def _join(self, client: Client, request: protocol.Open) -> None:
        path = Path(request.corpus)
        if not path.is_absolute():
            raise AmygdalaError(f"{path}: a corpus is named by its absolute path")
        hosted = self._corpora.get(str(path.resolve()))
        wanted = request.settings
        if hosted is not None and wanted is not None and wanted != hosted.settings:
            name = str(hosted.path)
            if not request.insist and (self._watchers(name) or name in self._pinned):
                client.send(
                    protocol.Conflict(
                        id=request.id,
                        corpus=str(hosted.path),
                        differences=settings.differences(wanted, hosted.settings),
                    )
                )
                return
            Layout.of(path)
            showing = [other for other in self._clients if name in other.corpora]
            await self._close(hosted, "it is being reopened with other settings", keep_clients=True)
            hosted = self._open(path, wanted)
            for other in showing:
                other.send(hosted.snapshot())
        elif hosted is None:
            hosted = self._open(path, wanted or settings.load(path.resolve(), {}))
        client.corpora.add(str(hosted.path))
        client.send(protocol.Opened(id=request.id, corpus=str(hosted.path)))
        client.send(hosted.snapshot())

    # Corpora

    def _open(self, path: Path, chosen: Settings) -> HostedCorpus:
        Layout.of(path)
        real = path.resolve()
        if not str(real).isprintable():
            raise AmygdalaError(f"{str(real)!r}: a corpus's path must be printable UTF-8; rename the folder")
        hosted = HostedCorpus(real, chosen, self._workers.get(chosen), self._publish)
        self._corpora[str(real)] = hosted
        hosted.start()
        log.info("opened %s with %s", real, chosen.model)
        return hosted

    async def _close(self, hosted: HostedCorpus, reason: str, *, keep_clients: bool = False) -> None:
        name = str(hosted.path)
        del self._corpora[name]
        self._unwatched.pop(name, None)
        await hosted.close()
        log.info("closed %s: %s", name, reason)
        for client in self._clients:
            if name in client.corpora and not keep_clients:
                client.corpora.discard(name)
                client.send(protocol.Closed(corpus=name, reason=reason))

    def _hosted(self, corpus: str) -> HostedCorpus:
        found = self._corpora.get(str(Path(corpus).resolve()))
        if found is None:
            raise AmygdalaError(f"{corpus} is not open in the engine")
        return found

    def _publish(self, event: protocol.Event) -> None:
        corpus = getattr(event, "corpus", None)
        for client in self._clients:
            if corpus in client.corpora:
                client.send(event)

    def _status(self, number: int) -> protocol.Status:
        return protocol.Status(
            id=number,
            version=__version__,
            pid=os.getpid(),
            uptime=time.monotonic() - self._started,
            socket=str(self._owner.path),
            log=str(paths.log_path()),
            clients=len(self._clients),
            corpora=[hosted.status(self._watchers(name)) for name, hosted in sorted(self._corpora.items())],
            models=self._workers.status(),
        )

    def _watchers(self, corpus: str) -> int:
        return sum(corpus in client.corpora for client in self._clients)

    # Housekeeping

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_EVERY)
            now = time.monotonic()
            if not self._owner.still_ours():
                log.warning("the socket at %s is gone or another's: nobody can reach this engine", self._owner.path)
                self.stop()
                return
            for name, hosted in list(self._corpora.items()):
                if self._watchers(name) or name in self._pinned or hosted.is_busy:
                    self._unwatched.pop(name, None)
                elif now - self._unwatched.setdefault(name, now) > UNWATCHED_CLOSE and not self._opening.locked():
                    async with self._opening:
                        await self._close(hosted, "nobody was looking at it")
            await self._workers.close_unused([hosted.worker for hosted in self._corpora.values()], IDLE_UNLOAD)
            if self._clients or any(hosted.is_busy for hosted in self._corpora.values()):
                self._last_active = now
            elif self._idle_exit is not None and now - self._last_active > self._idle_exit:
                log.info("idle for %.0f s", self._idle_exit)
                self.stop()
                return


async def _line(reader: asyncio.StreamReader, client: Client) -> bytes:
    """The next line; empty at the end, and after a line longer than a message may be (the sender is told)."""
    try:
        return await reader.readline()
    except ValueError:
        client.send(
            protocol.Failure(id=None, message=f"a message has at most {protocol.MAX_MESSAGE >> 20} MiB; goodbye")
        )
        return b""
