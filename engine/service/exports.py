"""Exports for a client that writes the files itself: its vectors come in a file, since arrays stay off the socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from engine import paths
from engine.corpus import Corpus, Layout, scan
from engine.errors import AmygdalaError
from engine.results import Cost
from engine.service.hosting.hosted import OpenCorpus
from engine.service.hosting.progress import EVERY_S
from engine.service.process.pool import WorkerPool
from engine.service.process.proxy import StateLost, WorkerDied
from engine.wire import jobs, protocol

KEPT_S = 3600.0
"""A file that no client has fetched for so long is removed."""


class Exports:
    """Has workers write vectors: of a corpus that is open, where its numbers are of what is on disk and of the settings
    asked for; else of one that is there for this export alone."""

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers
        self._numbers = itertools.count(1)

    async def export(
        self, request: protocol.Export, corpora: Mapping[str, OpenCorpus], tell: Callable[[protocol.Exporting], None]
    ) -> protocol.Exported:
        """Carry out one export; `tell` is told how it goes.

        Raises:
            AmygdalaError: there is nothing to export, or a folder is not there.
        """
        file = await asyncio.to_thread(_new_file)
        corpus = await asyncio.to_thread(scan, _layout(request))
        hosted = corpora.get(paths.real(request.root)) if request.root is not None else None
        written, cost = None, Cost()
        if hosted is not None and hosted.settings == request.settings:
            written = await hosted.write(file, corpus.digest)
        if written is None:
            written, cost = await self._alone(request, corpus, file, tell)
        return protocol.Exported(
            id=request.id,
            digest=corpus.digest,
            vectors=str(file),
            norms=written.norms,
            results=written.results,
            cost=cost,
            facts=written.facts,
        )

    async def _alone(
        self, request: protocol.Export, corpus: Corpus, file: Path, tell: Callable[[protocol.Exporting], None]
    ) -> tuple[jobs.Written, Cost]:
        """Have an export made apart, of a corpus that is there for it alone; with what it cost."""
        file.unlink(missing_ok=True)  # of an attempt that a change overtook
        if not corpus.concepts:
            raise AmygdalaError("no stories to compute anything from")
        worker = self._workers.get(request.settings)
        name = f"export {next(self._numbers)}"
        said = 0.0

        def advance(message: jobs.Advanced) -> None:
            nonlocal said
            if message.total and (not message.done or time.monotonic() - said >= EVERY_S):
                said = time.monotonic()
                tell(protocol.Exporting(id=request.id, done=message.done, total=message.total))

        async def apply() -> Cost:
            applied = await worker.apply(name, request.settings, corpus.stories, (), advance, urgency=jobs.Urgency.BULK)
            return applied.cost

        try:
            cost = await apply()
            try:
                return await worker.write(name, file), cost
            except (StateLost, WorkerDied):  # what it knew is in the store
                await apply()
                return await worker.write(name, file), cost
        finally:
            worker.forget(name)


def _layout(request: protocol.Export) -> Layout:
    folders = [None if place is None else Path(place) for place in (request.stories, request.paired, request.root)]
    for folder in folders:
        if folder is not None and not folder.is_absolute():
            raise AmygdalaError(f"{folder}: folders are named by their absolute paths")
    stories, paired, root = folders
    if root is not None:
        return Layout.of(root)
    return Layout(stories=stories, paired=paired)


def _new_file() -> Path:
    """A name in a folder of the user's alone; what was left there long ago is swept.

    Raises:
        AmygdalaError: there can be no such folder.
    """
    folder = paths.cache_dir() / "exports"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AmygdalaError(
            f"{folder}: cannot be made ({error.strerror}), so the engine cannot hand vectors over.\n"
            "Make room there, or export without it: python -m engine stop"
        ) from error
    for old in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > KEPT_S:
                old.unlink()
    return folder / f"{secrets.token_hex(16)}.safetensors"
