"""Numbers the revisions of a corpus and records them in its history."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from engine import paths
from engine.corpus import Story
from engine.errors import AmygdalaError
from engine.results import Results
from engine.service.history.database import History
from engine.service.history.numbers import Numbers
from engine.settings import Settings
from engine.wire.revisions import Comparison, Metrics, Revision
from engine.wire.snapshot import ConceptView, Moved

DIGITS = 4
T = TypeVar("T")


class Recorder:
    """The history of one corpus. A thread writes it after clients were told, so that nobody waits for a slow disk.

    A crash may leave a revision unwritten, and nothing is lost: the next engine finds the stories on disk, and records
    what changed in them since the last revision that was written, under a number that nobody was told before.
    """

    def __init__(self, corpus: Path) -> None:
        self._corpus = corpus
        self._file = paths.history_path(corpus)
        self._history: History | None = None
        self._numbers = Numbers(self._file.with_suffix(".mark"))
        self._turn = asyncio.Lock()
        self._in_use = threading.Lock()
        """Held by the thread that answers: it goes on where whoever asked was cancelled, and gave up the turn."""
        self._is_closed = False
        self._last = 0
        self._writing: set[asyncio.Task[None]] = set()

    async def first(self, stories: Mapping[str, Story], settings: Settings, results: Results) -> int:
        """The number of this engine's first revision: the newest recorded one if nothing changed, else a new one."""

        def number(history: History) -> int:
            self._last, fingerprint = history.last or (0, "")
            is_same = bool(self._last) and fingerprint == _fingerprint(stories, settings, results)
            return self._numbers.first(self._last, is_same=is_same, is_sequel=history.is_sequel)

        return await self.ask(number)

    async def next(self) -> int:
        """The number of a further revision."""
        return self._numbers.next() if self._numbers.is_ready else await asyncio.to_thread(self._numbers.next)

    def record(
        self,
        moved: Moved,
        stories: Mapping[str, Story],
        settings: Settings,
        results: Results,
        concepts: Sequence[ConceptView],
    ) -> None:
        """Keep a revision, unless it is the one that was kept last."""
        if moved.revision == self._last:
            return
        self._last = moved.revision
        when = time.time()

        def keep(history: History) -> None:
            revision = Revision(
                number=moved.revision,
                when=when,
                cause=moved.cause,
                settings=msgspec.json.encode(settings).decode(),
                changes=moved.changes,
                texts_run=moved.cost.texts_run,
                seconds=moved.seconds,
            )
            metrics = {view.name: _metrics(view, results.middle) for view in concepts if view.quality is not None}
            history.record(revision, _fingerprint(stories, settings, results), stories, metrics)

        task = asyncio.create_task(self.ask(keep))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def ask(self, question: Callable[[History], T]) -> T:
        """Ask the history a question; it answers one question at a time, in order."""
        async with self._turn:
            return await asyncio.to_thread(self._answer, question)

    async def close(self) -> None:
        """Wait until all revisions are written, and close the database."""
        await asyncio.gather(*self._writing, return_exceptions=True)
        async with self._turn:
            await asyncio.to_thread(self._close)

    async def compare(self, before: int, after: int) -> Comparison:
        """What differs between two revisions."""
        return await self.ask(lambda history: history.compare(before, after))

    def _answer(self, question: Callable[[History], T]) -> T:
        with self._in_use:
            if self._is_closed:
                raise AmygdalaError(f"the history of {self._corpus} is closed")
            if self._history is None:
                self._history = History(self._file, self._corpus)
            return question(self._history)

    def _close(self) -> None:
        with self._in_use:
            self._is_closed = True
            if self._history is not None:
                self._history.close()
                self._numbers.close()


def _fingerprint(stories: Mapping[str, Story], settings: Settings, results: Results) -> str:
    digest = hashlib.sha256(msgspec.json.encode(settings))
    digest.update(f"{results.model_hash} {results.layers}\n".encode())
    for path in sorted(stories):
        mark = "left out" if stories[path].text_id in results.left_out else ""
        digest.update(f"{path}\0{stories[path].text_id}{mark}\n".encode())
    return digest.hexdigest()


def _metrics(view: ConceptView, middle: int) -> Metrics:
    quality = view.quality
    assert quality is not None
    first_pc, cosine, r_squared = quality.headline(middle)
    nearest = quality.nearest_concepts[0][0] if quality.nearest_concepts else None
    return Metrics(
        bucket=view.verdict.label if view.verdict is not None else None,
        n_stories=quality.n_positive_stories,
        first_pc=round(first_pc, DIGITS),
        nearest=nearest,
        nearest_cosine=None if cosine is None else round(cosine, DIGITS),
        r_squared=round(r_squared, DIGITS),
    )
