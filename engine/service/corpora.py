"""The open corpora by real path: clients open, join and close them; one that nobody watches is closed after a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Set
from functools import partial
from pathlib import Path

from engine import paths, settings
from engine.corpus import Layout
from engine.errors import AmygdalaError
from engine.plain import can_be_shown
from engine.service.clients import Client
from engine.service.history.recorder import Recorder
from engine.service.hosting.hosted import OpenCorpus
from engine.service.hosting.progress import Announcer
from engine.service.process.pool import WorkerPool
from engine.settings import Settings
from engine.threads import ANSWERS_WITHIN_S, answered_within
from engine.wire import protocol
from engine.wire.status import CorpusStatus

log = logging.getLogger(__name__)

UNWATCHED_CLOSE_S = 30 * 60.0
"""Seconds after which a corpus that no client shows is closed."""


class OpenCorpora(Mapping[str, OpenCorpus]):
    """Every open corpus, by its real path.

    Args:
        workers: gives each corpus its model's process.
        clients: all that are connected; the server keeps this set up to date.
    """

    def __init__(self, workers: WorkerPool, clients: Set[Client]) -> None:
        self._workers = workers
        self._clients = clients
        self._corpora: dict[str, OpenCorpus] = {}
        self._unwatched_since: dict[str, float] = {}
        self._pinned: set[str] = set()
        """Corpora named on the command line: they stay open, and keep their settings, though no client shows them."""
        self._opening = asyncio.Lock()
        """Only one client at a time may open or close a corpus. Otherwise two clients that open the same one
        would leave two states of it."""

    def __getitem__(self, name: str) -> OpenCorpus:
        return self._corpora[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._corpora)

    def __len__(self) -> int:
        return len(self._corpora)

    async def at(self, path: str) -> OpenCorpus:
        """The corpus that a client names, by whatever path leads to it.

        Raises:
            AmygdalaError: it is not open.
        """
        corpus = self._corpora.get(path)
        if corpus is None:
            corpus = self._corpora.get(await answered_within(ANSWERS_WITHIN_S, path, partial(paths.real, path)))
        if corpus is None:
            raise AmygdalaError(f"{path} is not open in the engine")
        return corpus

    @property
    def is_busy(self) -> bool:
        """Whether any corpus is being computed."""
        return any(corpus.is_busy for corpus in self._corpora.values())

    def status(self) -> list[CorpusStatus]:
        """One entry per corpus, sorted by path."""
        return [corpus.status(self._watchers(name)) for name, corpus in sorted(self._corpora.items())]

    def publish(self, event: protocol.Event) -> None:
        """Pass an event on to the clients that show its corpus."""
        name = getattr(event, "corpus", None)
        for client in self._clients:
            if name in client.corpora:
                client.send(event)

    def pin(self, path: Path, chosen: Settings) -> None:
        """Open a corpus that stays open until somebody closes it; one that is open already is left as it is.

        Raises:
            AmygdalaError: there is no corpus at that path.
        """
        real = _survey(path)
        corpus = self._corpora.get(str(real)) or self._open(real, chosen)
        self._pinned.add(corpus.name)

    async def join(self, client: Client, request: protocol.Open) -> protocol.Reply | None:
        """Open a corpus for a client, or let it join one that is open; its snapshot follows.

        Returns:
            `Conflict` where other settings are in force and the client did not insist; None once the client has
            been sent the snapshot.

        Raises:
            AmygdalaError: there is no corpus at that path, or its settings are malformed.
        """
        path = Path(request.corpus)
        if not path.is_absolute():
            raise AmygdalaError(f"{path}: a corpus is named by its absolute path")
        # before it is its turn: a folder may not answer
        real = await answered_within(ANSWERS_WITHIN_S, path, partial(_survey, path))
        own = request.settings
        if own is None and str(real) not in self._corpora:
            own = await answered_within(ANSWERS_WITHIN_S, path, partial(settings.load, real, {}))
        async with self._opening:
            return await self._join(client, request, real, own)

    async def close(self, path: str, reason: str) -> None:
        """Close a corpus for every client.

        Raises:
            AmygdalaError: it is not open.
        """
        corpus = await self.at(path)
        async with self._opening:
            if self._corpora.get(corpus.name) is corpus:  # unless another client has closed it meanwhile
                await self._close(corpus, reason)

    async def close_unwatched(self, now: float) -> None:
        """Close the corpora that no client has shown for `UNWATCHED_CLOSE_S`."""
        for name, corpus in list(self._corpora.items()):
            if self._watchers(name) or name in self._pinned or corpus.is_busy:
                self._unwatched_since.pop(name, None)
                continue
            unwatched_since = self._unwatched_since.setdefault(name, now)
            if now - unwatched_since > UNWATCHED_CLOSE_S and not self._opening.locked():
                await self.close(name, "nobody was looking at it")

    async def end(self) -> None:
        """Close all corpora, since the engine stops."""
        for client in self._clients:
            for name in client.corpora:
                client.send(protocol.Closed(corpus=name, reason="the engine was stopped"))
        await asyncio.gather(*(corpus.close() for corpus in self._corpora.values()))

    async def _join(
        self, client: Client, request: protocol.Open, real: Path, own: Settings | None
    ) -> protocol.Reply | None:
        """`own` are the settings of a corpus that is not open yet."""
        corpus, chosen = self._corpora.get(str(real)), request.settings
        if corpus is None:
            if own is None:
                raise AmygdalaError(f"{real} was closed by another client just now; open it again")
            corpus = self._open(real, own)
        elif chosen is not None and chosen != corpus.settings:
            if not request.insist and (self._watchers(corpus.name) or corpus.name in self._pinned):
                differences = settings.differences(chosen, corpus.settings)
                return protocol.Conflict(id=request.id, corpus=corpus.name, differences=differences)
            corpus = await self._reopen(corpus, chosen)
        client.corpora.add(corpus.name)
        client.send(protocol.Opened(id=request.id, corpus=corpus.name))
        client.send(corpus.snapshot())
        return None

    async def _reopen(self, corpus: OpenCorpus, chosen: Settings) -> OpenCorpus:
        """Open the corpus with other settings, and send its new state to the clients that show it."""
        viewers = [client for client in self._clients if corpus.name in client.corpora]
        await self._close(corpus, "it is being reopened with other settings", keep_clients=True)
        corpus = self._open(corpus.path, chosen)
        for client in viewers:
            client.send(corpus.snapshot())
        return corpus

    def _open(self, real: Path, chosen: Settings) -> OpenCorpus:
        announcer = Announcer(str(real), self.publish)
        corpus = OpenCorpus(real, chosen, self._workers.get(chosen), announcer, Recorder(real))
        self._corpora[corpus.name] = corpus
        corpus.start()
        log.info("opened %s with %s", real, chosen.model)
        return corpus

    async def _close(self, corpus: OpenCorpus, reason: str, *, keep_clients: bool = False) -> None:
        del self._corpora[corpus.name]
        self._unwatched_since.pop(corpus.name, None)
        await corpus.close()
        log.info("closed %s: %s", corpus.name, reason)
        for client in self._clients:
            if corpus.name in client.corpora and not keep_clients:
                client.corpora.discard(corpus.name)
                client.send(protocol.Closed(corpus=corpus.name, reason=reason))

    def _watchers(self, name: str) -> int:
        return sum(name in client.corpora for client in self._clients)


def _survey(path: Path) -> Path:
    """The real path of a corpus that can be opened.

    Raises:
        AmygdalaError: it is none, or its path cannot be shown.
    """
    real = Path(paths.real(path))
    Layout.of(real)
    if not can_be_shown(str(real)):
        raise AmygdalaError(f"{str(real)!r}: a corpus's path must be printable UTF-8; rename the folder")
    return real
