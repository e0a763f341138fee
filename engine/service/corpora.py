"""The open corpora by real path: opened, joined, told about, closed, and let go when nobody looks at them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from engine import paths, settings
from engine.corpus import Layout
from engine.errors import AmygdalaError
from engine.service.clients import Client
from engine.service.history.recorder import Recorder
from engine.service.hosting.hosted import OpenCorpus
from engine.service.hosting.progress import Announcer
from engine.service.process.pool import WorkerPool
from engine.settings import Settings
from engine.wire import protocol
from engine.wire.status import CorpusStatus

log = logging.getLogger(__name__)

UNWATCHED_CLOSE_S = 30 * 60.0
"""A corpus that nobody has shown for so long is closed."""


class OpenCorpora(Mapping[str, OpenCorpus]):
    """Every open corpus, by its real path.

    Args:
        workers: gives each corpus its model's process.
        clients: all who are connected; the server keeps this set.
    """

    def __init__(self, workers: WorkerPool, clients: Set[Client]) -> None:
        self._workers = workers
        self._clients = clients
        self._corpora: dict[str, OpenCorpus] = {}
        self._unwatched_since: dict[str, float] = {}
        self._pinned: set[str] = set()
        """Corpora named on the command line: they stay open, and keep their settings, though nobody looks."""
        self._opening = asyncio.Lock()
        """Only one client at a time may open or close a corpus. Otherwise two who open one leave two states."""

    def __getitem__(self, corpus: str) -> OpenCorpus:
        return self._corpora[corpus]

    def __iter__(self) -> Iterator[str]:
        return iter(self._corpora)

    def __len__(self) -> int:
        return len(self._corpora)

    def at(self, corpus: str) -> OpenCorpus:
        """The corpus that a client names, by whatever path leads to it.

        Raises:
            AmygdalaError: it is not open.
        """
        hosted = self._corpora.get(paths.real(corpus))
        if hosted is None:
            raise AmygdalaError(f"{corpus} is not open in the engine")
        return hosted

    @property
    def is_busy(self) -> bool:
        """Whether any is being computed."""
        return any(hosted.is_busy for hosted in self._corpora.values())

    def status(self) -> list[CorpusStatus]:
        """One entry per corpus, sorted by path."""
        return [hosted.status(self._watchers(name)) for name, hosted in sorted(self._corpora.items())]

    def publish(self, event: protocol.Event) -> None:
        """Pass an event on to the clients that show its corpus."""
        corpus = getattr(event, "corpus", None)
        for client in self._clients:
            if corpus in client.corpora:
                client.send(event)

    def pin(self, path: Path, chosen: Settings) -> None:
        """Open a corpus that stays open until somebody closes it.

        Raises:
            AmygdalaError: there is no corpus at that path.
        """
        self._pinned.add(self._open(path, chosen).name)

    async def join(self, client: Client, request: protocol.Open) -> protocol.Reply | None:
        """Open a corpus for a client, or let it join one that is open; its snapshot follows.

        Returns:
            `Conflict` where other settings are in force and the client did not insist; None where all is said.

        Raises:
            AmygdalaError: there is no corpus at that path, or its settings are malformed.
        """
        async with self._opening:
            return await self._join(client, request)

    async def close(self, corpus: str, reason: str) -> None:
        """Close a corpus for every client.

        Raises:
            AmygdalaError: it is not open.
        """
        async with self._opening:
            await self._close(self.at(corpus), reason)

    async def close_unwatched(self, now: float) -> None:
        """Close what nobody has looked at for long."""
        for name, hosted in list(self._corpora.items()):
            if self._watchers(name) or name in self._pinned or hosted.is_busy:
                self._unwatched_since.pop(name, None)
                continue
            since = self._unwatched_since.setdefault(name, now)
            if now - since > UNWATCHED_CLOSE_S and not self._opening.locked():
                await self.close(name, "nobody was looking at it")

    async def end(self) -> None:
        """Close all: the engine stops."""
        for client in self._clients:
            for name in client.corpora:
                client.send(protocol.Closed(corpus=name, reason="the engine was stopped"))
        await asyncio.gather(*(hosted.close() for hosted in self._corpora.values()))

    async def _join(self, client: Client, request: protocol.Open) -> protocol.Reply | None:
        path = Path(request.corpus)
        if not path.is_absolute():
            raise AmygdalaError(f"{path}: a corpus is named by its absolute path")
        hosted = self._corpora.get(paths.real(path))
        wanted = request.settings
        if hosted is None:
            hosted = self._open(path, wanted or settings.load(path.resolve(), {}))
        elif wanted is not None and wanted != hosted.settings:
            if not request.insist and (self._watchers(hosted.name) or hosted.name in self._pinned):
                differences = settings.differences(wanted, hosted.settings)
                return protocol.Conflict(id=request.id, corpus=hosted.name, differences=differences)
            hosted = await self._reopen(hosted, path, wanted)
        client.corpora.add(hosted.name)
        client.send(protocol.Opened(id=request.id, corpus=hosted.name))
        client.send(hosted.snapshot())
        return None

    async def _reopen(self, hosted: OpenCorpus, path: Path, wanted: Settings) -> OpenCorpus:
        """Open with other settings; who shows the corpus gets its new state."""
        Layout.of(path)
        showing = [client for client in self._clients if hosted.name in client.corpora]
        await self._close(hosted, "it is being reopened with other settings", keep_clients=True)
        hosted = self._open(path, wanted)
        for client in showing:
            client.send(hosted.snapshot())
        return hosted

    def _open(self, path: Path, chosen: Settings) -> OpenCorpus:
        Layout.of(path)
        real = path.resolve()
        if not str(real).isprintable():
            raise AmygdalaError(f"{str(real)!r}: a corpus's path must be printable UTF-8; rename the folder")
        announcer = Announcer(str(real), self.publish)
        hosted = OpenCorpus(real, chosen, self._workers.get(chosen), announcer, Recorder(real))
        self._corpora[hosted.name] = hosted
        hosted.start()
        log.info("opened %s with %s", real, chosen.model)
        return hosted

    async def _close(self, hosted: OpenCorpus, reason: str, *, keep_clients: bool = False) -> None:
        del self._corpora[hosted.name]
        self._unwatched_since.pop(hosted.name, None)
        await hosted.close()
        log.info("closed %s: %s", hosted.name, reason)
        for client in self._clients:
            if hosted.name in client.corpora and not keep_clients:
                client.corpora.discard(hosted.name)
                client.send(protocol.Closed(corpus=hosted.name, reason=reason))

    def _watchers(self, corpus: str) -> int:
        return sum(corpus in client.corpora for client in self._clients)
