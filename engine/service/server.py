"""The engine's socket: reads clients' requests, has them carried out, and does the housekeeping."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from engine import __version__, paths
from engine.errors import AmygdalaError
from engine.service.clients import MAX_CONNECTIONS, MAX_PENDING, Client
from engine.service.corpora import OpenCorpora
from engine.service.exports import Exports
from engine.service.hosting.hosted import OpenCorpus
from engine.service.lifecycle import Ownership
from engine.service.log_file import rotate
from engine.service.process.faults import JobDropped, StateLost
from engine.service.process.pool import WorkerPool
from engine.service.supervision import supervised
from engine.settings import Settings
from engine.threads import in_thread
from engine.wire import codec, protocol

log = logging.getLogger(__name__)

HOUSEKEEPING_EVERY_S = 2.0
UNUSED_UNLOAD_S = 5 * 60.0
"""Seconds after which a model that no open corpus uses is unloaded."""
IDLE_UNLOAD_S = 30 * 60.0
"""Seconds without work after which a model is unloaded although a corpus is open: the next change loads it again."""
SLOW_REQUESTS = (protocol.Score, protocol.Export, protocol.GetRevisions, protocol.Compare, protocol.GetText)
"""Requests that take long: meanwhile their client may make others."""


class Server:
    """The engine: clients by connection, corpora by real path, one process per model.

    Args:
        owner: the right to serve, and the bound socket.
        idle_exit: seconds without clients and work after which to exit; None serves until stopped.
    """

    def __init__(self, owner: Ownership, idle_exit: float | None = None) -> None:
        self._owner = owner
        self._idle_exit = idle_exit
        self._clients: set[Client] = set()
        """Those that have greeted."""
        self._connections = 0
        self._workers = WorkerPool()
        self._corpora = OpenCorpora(self._workers, self._clients)
        self._exports = Exports(self._workers)
        self._stopping = asyncio.Event()
        self._started = time.monotonic()
        self._last_active = time.monotonic()

    def stop(self) -> None:
        """Begin to shut down."""
        self._stopping.set()

    async def serve(self, corpora: Iterable[tuple[Path, Settings]] = ()) -> None:
        """Serve until stopped, idle for long enough, or no longer reachable at the socket's path."""
        for path, chosen in corpora:
            self._corpora.pin(path, chosen)
        server = await asyncio.start_unix_server(self._converse, sock=self._owner.listener, start_serving=True)
        log.info("serving at %s (pid %d)", self._owner.path, os.getpid())
        keeper = asyncio.create_task(supervised(self._keep_house, _log_fault))
        try:
            await self._stopping.wait()
        finally:
            keeper.cancel()
            server.close()
            await self._corpora.end()
            await self._workers.close()
            await asyncio.gather(*(client.flush() for client in self._clients))
            log.info("stopped")

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not paths.is_mine(writer.get_extra_info("socket")):
            log.warning("refused a connection of another user")
            writer.close()
            return
        if self._connections >= MAX_CONNECTIONS:
            writer.close()
            return
        client = Client(reader, writer)
        delivery = asyncio.create_task(client.deliver())
        self._connections += 1
        try:
            if await client.greet(len(self._clients)):
                self._clients.add(client)
                await self._listen(client)
            await client.flush()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._connections -= 1
            self._clients.discard(client)
            for corpus in self._corpora.values():
                corpus.show(client, None)
            for task in client.tasks:
                task.cancel()
            self._last_active = time.monotonic()
            delivery.cancel()
            writer.close()

    async def _listen(self, client: Client) -> None:
        while line := await client.line():
            self._last_active = time.monotonic()
            try:
                request = codec.decode_request(line)
            except codec.ProtocolError as error:
                client.send(protocol.Failure(id=codec.request_id(line), message=str(error)))
                continue
            if not isinstance(request, SLOW_REQUESTS):
                await self._carry_out(client, request)
            elif len(client.tasks) >= MAX_PENDING:
                words = f"{MAX_PENDING} requests of this client are under way; wait for one of them"
                client.send(protocol.Failure(id=request.id, message=words))
            else:
                self._begin(client, request)

    def _begin(self, client: Client, request: protocol.Request) -> None:
        """Carry out a slow request beside others. A client's newer draft takes the place of its older one."""
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
        match request:
            case protocol.Open():
                return await self._corpora.join(client, request)
            case protocol.GetStatus():
                return self._status(request.id)
            case protocol.Export():
                return await self._exports.export(request, self._corpora, client.send)
            case protocol.Close():
                await self._corpora.close(request.corpus, "it was closed on request")
            case protocol.Stop():
                log.info("asked to stop")
                self.stop()
            case _:
                return await self._answer_of(await self._corpora.at(request.corpus), client, request)
        return protocol.Done(id=request.id)

    async def _answer_of(
        self, corpus: OpenCorpus, client: Client, request: protocol.CorpusRequest
    ) -> protocol.Reply | None:
        """Carry out a request about one open corpus."""
        match request:
            case protocol.Retrain():
                corpus.retrain(request)
            case protocol.Cancel():
                corpus.cancel()
            case protocol.Showing():
                corpus.show(client, request.path)
            case protocol.SetLive():
                corpus.set_live(request.live)
            case protocol.Score():
                return await corpus.score(request)
            case protocol.GetRevisions():
                revisions = await corpus.recorder.ask(lambda history: history.revisions(request.limit, request.before))
                return protocol.Revisions(id=request.id, revisions=revisions)
            case protocol.Compare():
                comparison = await corpus.recorder.compare(request.before, request.after)
                return protocol.Compared(id=request.id, comparison=comparison)
            case protocol.GetText():
                text = await corpus.recorder.ask(lambda history: history.text(request.revision, request.path))
                return protocol.EarlierText(id=request.id, text=text)
        return protocol.Done(id=request.id)

    def _status(self, number: int) -> protocol.Status:
        return protocol.Status(
            id=number,
            version=__version__,
            pid=os.getpid(),
            uptime=time.monotonic() - self._started,
            socket=str(self._owner.path),
            log=str(paths.log_path()),
            clients=len(self._clients),
            corpora=self._corpora.status(),
            models=self._workers.status(),
        )

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_EVERY_S)
            now = time.monotonic()
            if not self._owner.still_ours():
                log.warning("the socket at %s is gone or another's: nobody can reach this engine", self._owner.path)
                self.stop()
                return
            await in_thread(rotate, paths.log_path())
            await self._corpora.close_unwatched(now)
            in_use = [corpus.worker for corpus in self._corpora.values()]
            await self._workers.rest(in_use, UNUSED_UNLOAD_S, IDLE_UNLOAD_S)
            if self._clients or self._corpora.is_busy:
                self._last_active = now
            elif self._idle_exit is not None and now - self._last_active > self._idle_exit:
                log.info("idle for %.0f s", self._idle_exit)
                self.stop()
                return


def _log_fault(error: Exception) -> None:
    log.error("housekeeping met an error that nobody expected, and goes on", exc_info=error)
