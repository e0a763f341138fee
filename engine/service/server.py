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

from engine import __version__, paths, settings
from engine.corpus import Layout
from engine.errors import AmygdalaError
from engine.service.exports import Exports
from engine.service.history.recorder import Chronicle
from engine.service.hosting import views
from engine.service.hosting.hosted import HostedCorpus
from engine.service.hosting.progress import Announcer
from engine.service.lifecycle import Ownership
from engine.service.process.pool import WorkerPool
from engine.service.process.proxy import JobDropped, StateLost
from engine.settings import Settings
from engine.wire import codec, protocol

log = logging.getLogger(__name__)

OUTBOX_BYTES = 16 << 20
"""What may wait for one slow client before it is told to resync."""
HOUSEKEEPING_EVERY = 2.0
UNWATCHED_CLOSE = 30 * 60.0
"""Seconds until a corpus that nobody shows is closed."""
UNUSED_UNLOAD = 5 * 60.0
"""Seconds until a model that no open corpus uses is unloaded."""
IDLE_UNLOAD = 30 * 60.0
"""Seconds without work until a model is unloaded although a corpus is open: the next change loads it again."""
LAST_WORDS = 2.0
"""Seconds for which what else a client sends is read and ignored before it is hung up on."""
MAX_CLIENTS = 64
MAX_PENDING = 8
"""Requests of one client that take long, at a time."""
LONG = (protocol.Score, protocol.Export, protocol.GetRevisions, protocol.Compare, protocol.GetText)
"""Requests during which their client may ask for other things."""


class Client:
    """One connection: its outbox, and the corpora it shows."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.corpora: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """Requests that take long, each answered when it is done."""
        self.draft: tuple[asyncio.Task[None], int] | None = None
        """The one whose draft was asked about last, and its request's id."""
        self._writer = writer
        self._outbox: deque[tuple[bytes, bool]] = deque()
        self._waiting = 0
        self._ready = asyncio.Event()

    def send(self, message: protocol.Message) -> None:
        """Put a message into the outbox; never waits. When it overflows, its events give way to one `Resync`."""
        line = codec.encode(message)
        is_event = isinstance(message, protocol.Event)
        if is_event and self._waiting + len(line) > OUTBOX_BYTES and self._outbox:
            self._outbox = deque((kept, False) for kept, was_event in self._outbox if not was_event)
            self._waiting = sum(len(kept) for kept, _ in self._outbox)
            if not isinstance(message, protocol.Snapshot):  # which is what a resync asks for, so it must get through
                line = codec.encode(protocol.Resync())
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
        self._exports = Exports(self._workers)
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
            for hosted in self._corpora.values():
                hosted.show(client, None)
            for task in client.tasks:
                task.cancel()
            self._last_active = time.monotonic()
            delivery.cancel()
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, client: Client) -> bool:
        """The handshake; whether to go on."""
        line = await _line(reader, client)
        if not line:
            return False
        try:
            hello = codec.decode_hello(line)
        except codec.ProtocolError as error:
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
        if len(self._clients) >= MAX_CLIENTS:
            client.send(protocol.Refused(message=f"this engine has {MAX_CLIENTS} clients already; close some of them"))
            return False
        client.send(protocol.Welcome(protocol=protocol.PROTOCOL, version=__version__, pid=os.getpid()))
        return True

    async def _listen(self, reader: asyncio.StreamReader, client: Client) -> None:
        while line := await _line(reader, client):
            self._last_active = time.monotonic()
            try:
                request = codec.decode_request(line)
            except codec.ProtocolError as error:
                client.send(protocol.Failure(id=codec.request_id(line), message=str(error)))
                continue
            if not isinstance(request, LONG):
                await self._carry_out(client, request)
            elif len(client.tasks) >= MAX_PENDING:
                words = f"{MAX_PENDING} requests of this client are under way; wait for one of them"
                client.send(protocol.Failure(id=request.id, message=words))
            else:
                self._begin(client, request)

    def _begin(self, client: Client, request: protocol.Request) -> None:
        """Carry out a request beside others. A client's newer draft takes the place of an older one."""
        task = asyncio.create_task(self._carry_out(client, request))
        if isinstance(request, protocol.Score):
            if client.draft is not None and not client.draft[0].done():
                client.draft[0].cancel()
                client.send(protocol.Superseded(id=client.draft[1]))
            client.draft = task, request.id
        client.tasks.add(task)
        task.add_done_callback(client.tasks.discard)

    async def _carry_out(self, client: Client, request: protocol.Request) -> None:
        try:
            reply = await self._answer(client, request)
            if reply is not None:
                client.send(reply)
        except (AmygdalaError, JobDropped, StateLost) as error:
            words = str(error) or "the model's process was busy with something that failed; ask again"
            client.send(protocol.Failure(id=request.id, message=words))
        except Exception as error:
            log.exception("request failed: %s", type(request).__name__)
            client.send(protocol.Failure(id=request.id, message=f"unexpected error: {error!r}"))

    async def _answer(self, client: Client, request: protocol.Request) -> protocol.Reply | None:
        number = request.id
        match request:
            case protocol.Open():
                async with self._opening:
                    return await self._join(client, request)
            case protocol.GetStatus():
                return self._status(number)
            case protocol.Retrain(corpus=path):
                self._hosted(path).retrain(request)
            case protocol.Cancel(corpus=path):
                self._hosted(path).cancel()
            case protocol.Showing(corpus=path, path=story):
                self._hosted(path).show(client, story)
            case protocol.SetLive(corpus=path, live=live):
                self._hosted(path).set_live(live)
            case protocol.Score(corpus=path):
                hosted = self._hosted(path)
                draft, revision = await hosted.score(request)
                verdicts = views.verdicts(draft, hosted.settings, hosted.middle)
                return protocol.Scored(id=number, revision=revision, draft=draft, verdicts=verdicts)
            case protocol.Export():
                return await self._exports.export(request, self._corpora, client.send)
            case protocol.GetRevisions(corpus=path, limit=limit, before=before):
                found = await self._hosted(path).chronicle.ask(lambda history: history.revisions(limit, before))
                return protocol.Revisions(id=number, revisions=found)
            case protocol.Compare(corpus=path, before=before, after=after):
                comparison = await self._hosted(path).chronicle.compare(before, after)
                return protocol.Compared(id=number, comparison=comparison)
            case protocol.GetText(corpus=path, revision=revision, path=story):
                text = await self._hosted(path).chronicle.ask(lambda history: history.text(revision, story))
                return protocol.EarlierText(id=number, text=text)
            case protocol.Close(corpus=path):
                async with self._opening:
                    await self._close(self._hosted(path), "it was closed on request")
            case protocol.Stop():
                log.info("asked to stop")
                self.stop()
        return protocol.Done(id=number)

    async def _join(self, client: Client, request: protocol.Open) -> protocol.Reply | None:
        path = Path(request.corpus)
        if not path.is_absolute():
            raise AmygdalaError(f"{path}: a corpus is named by its absolute path")
        hosted = self._corpora.get(paths.real(path))
        wanted = request.settings
        if hosted is not None and wanted is not None and wanted != hosted.settings:
            name = str(hosted.path)
            if not request.insist and (self._watchers(name) or name in self._pinned):
                return protocol.Conflict(
                    id=request.id,
                    corpus=str(hosted.path),
                    differences=settings.differences(wanted, hosted.settings),
                )
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
        return None

    # Corpora

    def _open(self, path: Path, chosen: Settings) -> HostedCorpus:
        Layout.of(path)
        real = path.resolve()
        if not str(real).isprintable():
            raise AmygdalaError(f"{str(real)!r}: a corpus's path must be printable UTF-8; rename the folder")
        announcer = Announcer(str(real), self._publish)
        hosted = HostedCorpus(real, chosen, self._workers.get(chosen), announcer, Chronicle(real))
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
        found = self._corpora.get(paths.real(corpus))
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
            in_use = [hosted.worker for hosted in self._corpora.values()]
            await self._workers.rest(in_use, UNUSED_UNLOAD, IDLE_UNLOAD)
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
        with contextlib.suppress(TimeoutError):  # closing with input unread would take the words away with it
            await asyncio.wait_for(_discard(reader), LAST_WORDS)
        return b""


async def _discard(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass
