"""Exports for a client that writes the readout files itself. The engine hands it the vectors in a file, since arrays
stay off the socket."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from engine import paths
from engine.corpus import Corpus, Layout, scan
from engine.errors import AmygdalaError
from engine.results import Cost
from engine.service.hosting.hosted import OpenCorpus
from engine.service.hosting.progress import EVERY_S
from engine.service.process.faults import LoadFailed, StateLost, WorkerDied
from engine.service.process.pool import WorkerPool
from engine.threads import ANSWERS_WITHIN_S, answered_within, in_thread
from engine.wire import jobs, protocol

T = TypeVar("T")
KEPT_S = 3600.0
"""Seconds after which a file that no client has fetched is removed."""
SCANNED_WITHIN_S = 300.0
"""Seconds that a scan may take: many stories on a slow file system take long; a mount that is gone takes for ever."""


class Exports:
    """Has workers write vectors.

    An open corpus serves if its numbers are of the stories on disk and of the requested settings. Otherwise the worker
    computes the stories under a name that exists for this export alone.
    """

    def __init__(self, workers: WorkerPool) -> None:
        self._workers = workers
        self._numbers = itertools.count(1)

    async def export(
        self, request: protocol.Export, corpora: Mapping[str, OpenCorpus], tell: Callable[[protocol.Exporting], None]
    ) -> protocol.Exported:
        """Carry out one export; `tell` is called with its progress.

        Raises:
            AmygdalaError: there is nothing to export, or a folder is not there.
        """
        where = request.root or request.stories or request.paired or ""
        layout, name = await answered_within(ANSWERS_WITHIN_S, where, partial(_survey, request))
        corpus = await answered_within(SCANNED_WITHIN_S, where, partial(scan, layout))
        open_corpus = corpora.get(name) if name is not None else None
        file, written, cost = Path(), None, Cost()
        if open_corpus is not None and open_corpus.settings == request.settings:
            current = open_corpus
            with_evidence = request.with_evidence
            file, written = await _hand_over(
                lambda file: current.write(file, corpus.digest, with_evidence=with_evidence)
            )
        if written is None:
            file, written, cost = await self._alone(request, corpus, tell)
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
        self, request: protocol.Export, corpus: Corpus, tell: Callable[[protocol.Exporting], None]
    ) -> tuple[Path, jobs.Written, Cost]:
        """Have the vectors computed and written under a name that is for this export alone; with what it cost."""
        if not corpus.concepts:
            raise AmygdalaError("no stories to compute anything from")
        worker = self._workers.get(request.settings)
        name = f"export {next(self._numbers)}"
        told_at = 0.0

        def advance(message: jobs.Advanced) -> None:
            nonlocal told_at
            if message.total and (not message.done or time.monotonic() - told_at >= EVERY_S):
                told_at = time.monotonic()
                tell(protocol.Exporting(id=request.id, done=message.done, total=message.total))

        async def apply() -> Cost:
            applied = await worker.apply(name, request.settings, corpus.stories, (), advance, urgency=jobs.Urgency.BULK)
            return applied.cost

        async def write(file: Path) -> jobs.Written:
            try:
                return await worker.write(name, file, with_evidence=request.with_evidence)
            except (StateLost, WorkerDied):  # the store has the activations: a second try is quick
                await apply()
                return await worker.write(name, file, with_evidence=request.with_evidence)

        try:
            cost = await apply()
            return *await _hand_over(write), cost
        finally:
            worker.forget(name)


def _survey(request: protocol.Export) -> tuple[Layout, str | None]:
    """Where the stories are, and the name their corpus has where it is open; None for folders that are no whole corpus.

    Raises:
        AmygdalaError: a folder is not there, or is not named by its absolute path.
    """
    folders = [None if folder is None else Path(folder) for folder in (request.stories, request.paired, request.root)]
    for folder in folders:
        if folder is not None and not folder.is_absolute():
            raise AmygdalaError(f"{folder}: folders are named by their absolute paths")
    stories, paired, root = folders
    if root is not None:
        return Layout.of(root), paths.real(root)
    for folder in (stories, paired):
        if folder is not None and not folder.is_dir():
            raise AmygdalaError(f"{folder}: no such folder")
    return Layout(stories=stories, paired=paired), None


async def _hand_over(write: Callable[[Path], Awaitable[T]]) -> tuple[Path, T]:
    """Have vectors written where a file can be: in the cache, else in the runtime directory, else beside the log.

    Returns:
        The file, and what `write` returned.

    Raises:
        AmygdalaError: none of these can be written to; the words name each, and what to do.
    """
    refusals: list[str] = []
    for folder in (paths.cache_dir(), paths.runtime_dir(), paths.log_path().parent):
        try:
            file = await in_thread(_new_file, folder / "exports")
        except AmygdalaError as error:
            refusals.append(str(error))
            continue
        try:
            written = await write(file)
        except (WorkerDied, LoadFailed):
            raise
        except AmygdalaError as error:
            refusals.append(str(error))
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)  # a full disk took a part
        else:
            return file, written
    reasons = list(dict.fromkeys(refusals))  # one alone has nothing to do with a folder
    if len(reasons) > 1:
        what = "the engine cannot hand the vectors over, since no folder of its takes them:"
        todo = "Make room in one of these folders, or export without the engine: amygdala-engine stop"
        reasons = [what, *reasons, todo]
    raise AmygdalaError("\n".join(reasons))


def _new_file(folder: Path) -> Path:
    """The path of a new file in a folder that only the user can read; files left there long ago are removed.

    Raises:
        AmygdalaError: the folder cannot be made, or not be listed.
    """
    try:
        paths.make_folder(folder)
        earlier_files = list(folder.iterdir())
    except OSError as error:
        raise AmygdalaError(f"{folder}: cannot be used ({error.strerror})") from error
    for file in earlier_files:
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > KEPT_S:
                file.unlink()
    return folder / f"{secrets.token_hex(16)}.safetensors"
