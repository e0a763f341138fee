"""One open corpus: watches it, has its worker compute what changed, and tells what moved."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from engine.corpus import Change, Corpus, Layout, Problem, Scanner, Story, diff
from engine.corpus.watch import changes
from engine.errors import AmygdalaError
from engine.protocol import (
    Changed,
    ConceptView,
    CorpusStatus,
    Doing,
    Event,
    Moved,
    Progressed,
    Retrain,
    Snapshot,
    StoryView,
)
from engine.results import Results
from engine.service import views
from engine.service.workers import Worker
from engine.settings import Settings

log = logging.getLogger(__name__)

PROGRESS_EVERY = 0.25
"""Seconds between progress events: at most four a second."""

Publish = Callable[[Event], None]


class HostedCorpus:
    """The state of one corpus, for all the clients that show it.

    What is on disk (`_disk`) and what the numbers are of (`_applied`) are kept apart: a story that differs between the
    two is stale. While live, every change is applied as it comes; while paused, only what a retrain names.
    """

    def __init__(self, path: Path, settings: Settings, worker: Worker, publish: Publish) -> None:
        self.path = path
        self.settings = settings
        self.worker = worker
        self.revision = 0
        self.doing = Doing(state="scanning")
        self._publish = publish
        self._scanner = Scanner(Layout.of(path))
        self._disk = Corpus(stories=(), problems=())
        self._applied: dict[str, Story] = {}
        self._results: Results | None = None
        self._stories: dict[str, StoryView] = {}
        self._told_problems: tuple[Problem, ...] = ()
        self._concepts: list[ConceptView] = []
        self._moved: Moved | None = None
        self._settled: views.State | None = None
        self._has_scanned = False
        self._retrains: list[Retrain] = []
        self._wake = asyncio.Event()
        self._wake.set()
        self._stop = asyncio.Event()
        self._noticed = time.perf_counter()
        self._said = 0.0
        self._forward_started = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch and to compute."""
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._run())]

    async def close(self) -> None:
        """Stop both; the worker drops the corpus's state."""
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.worker.forget(str(self.path))

    @property
    def is_busy(self) -> bool:
        return self.doing.state in ("scanning", "loading", "computing")

    def snapshot(self) -> Snapshot:
        """All of it, for a client that comes or comes back."""
        return Snapshot(
            corpus=str(self.path),
            revision=self.revision,
            settings=self.settings,
            doing=self.doing,
            layers=self._layers,
            stories=sorted(self._stories.values(), key=lambda view: view.path),
            concepts=self._concepts,
            problems=list(self._disk.problems),
            moved=self._moved,
        )

    def status(self, clients: int) -> CorpusStatus:
        """For `status`."""
        return CorpusStatus(
            corpus=str(self.path),
            revision=self.revision,
            stories=len(self._disk.stories),
            concepts=len(self._disk.concepts),
            clients=clients,
            model=self.settings.model,
            doing=self.doing,
        )

    def retrain(self, request: Retrain) -> None:
        """Queue a retrain.

        Raises:
            AmygdalaError: it names a concept or a story that the corpus does not have.
        """
        known = set(self._disk.concepts) | {story.concept for story in self._applied.values()}
        for name in request.concepts:
            if name not in known:
                raise AmygdalaError(f"no concept '{name}' in {self.path}")
        for path in request.paths:
            if path not in self._stories:
                raise AmygdalaError(f"no story {path} in {self.path}")
            if self._stories[path].state in ("empty", "error"):
                raise AmygdalaError(f"{path} cannot be computed: {self._stories[path].reason}")
        self._retrains.append(request)
        self._wake.set()

    def set_live(self, live: bool) -> None:
        """Follow changes as they come, or leave changed stories stale."""
        self._noticed = time.perf_counter()
        self._say(msgspec.structs.replace(self.doing, live=live))
        self._wake.set()

    @property
    def _layers(self) -> list[int]:
        return self._results.layers if self._results else []

    async def _watch(self) -> None:
        async for _ in changes(self.path, self._stop):
            self._noticed = time.perf_counter()
            self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._catch_up()
            except AmygdalaError as error:
                log.error("%s: %s", self.path, error)
                self._fail(str(error))
            except Exception as error:
                log.exception("%s: unexpected error", self.path)
                self._fail(f"unexpected error: {error!r}")

    def _fail(self, words: str) -> None:
        self._say(msgspec.structs.replace(self.doing, state="failed", detail=words, done=0, total=0, rate=0.0))
        self._show(computing=())

    async def _catch_up(self) -> None:
        """Scan, and where the stories to be computed differ from those that were, compute."""
        began = time.perf_counter()
        self._disk = await asyncio.to_thread(self._scanner.scan)
        retrains, self._retrains = self._retrains, []
        since = self._noticed if self.doing.live and not retrains else began
        wanted, fresh = self._plan(retrains)
        changed = diff(self._applied.values(), wanted.values())
        if self._results is not None and not changed and not fresh:
            self._show(computing=())
            if self.doing.state != "ready":
                self._say(msgspec.structs.replace(self.doing, state="ready", detail=""))
            return
        if not any(not story.is_baseline for story in wanted.values()):
            raise AmygdalaError(
                f"{self.path} has no story to compute anything from: write one to stories/<concept>.txt "
                "or paired/<scenario>/<concept>.txt"
            )
        rerun = [path for path, story in wanted.items() if story.text_id in fresh]
        await self._compute(wanted, fresh, changed, {change.path for change in changed} | set(rerun), since)

    def _plan(self, retrains: list[Retrain]) -> tuple[dict[str, Story], set[str]]:
        """The stories that the numbers shall be of, by path, and the ids of texts that go through the model again."""
        disk = {story.path: story for story in self._disk.stories}
        follow = self.doing.live or self._results is None
        wanted = dict(disk if follow else self._applied)
        fresh: set[str] = set()
        for request in retrains:
            for path in sorted(disk.keys() | wanted.keys()):
                if not _covers(request, disk.get(path) or wanted[path]):
                    continue
                if path in disk:
                    wanted[path] = disk[path]
                    fresh.add(disk[path].text_id)
                else:
                    del wanted[path]
        return wanted, fresh

    async def _compute(
        self,
        wanted: dict[str, Story],
        fresh: set[str],
        changed: list[Change],
        computing: Collection[str],
        since: float,
    ) -> None:
        loading = not self.worker.is_loaded
        self._say(
            msgspec.structs.replace(
                self.doing,
                state="loading" if loading else "computing",
                detail=f"model {self.settings.model}" if loading else "",
                device=self.worker.device,
            )
        )
        self._show(computing)
        results = await self.worker.apply(str(self.path), self.settings, wanted.values(), fresh, self._advance)
        old = self._applied
        self._results, self._applied = results, wanted
        affected = {
            story.concept for path in computing for story in (old.get(path), wanted.get(path)) if story is not None
        }
        self._concepts = views.concept_views(results, self.settings)
        stories = views.story_views(self._disk, wanted, results, ())
        after = views.State(stories, self._concepts, results.middle)
        before, self._settled = self._settled or after, after  # the first numbers moved nothing
        self._moved = views.moved(
            before,
            after,
            self.revision + 1,
            changed if self.revision else [],
            {name for name in affected if name is not None},
            results,
            time.perf_counter() - since,
        )
        self.revision += 1
        self._tell(stories, base=self.revision - 1)
        self._say(
            msgspec.structs.replace(
                self.doing, state="ready", detail="", device=self.worker.device, done=0, total=0, rate=0.0
            )
        )

    def _advance(self, done: int, total: int) -> None:
        """The worker's progress, passed on at most four times a second."""
        now = time.monotonic()
        if done == 0:
            self._forward_started = now
        first = self.doing.state != "computing"
        rate = done / (now - self._forward_started) if done and now > self._forward_started else 0.0
        doing = msgspec.structs.replace(
            self.doing, state="computing", detail="", device=self.worker.device, done=done, total=total, rate=rate
        )
        if first or now - self._said >= PROGRESS_EVERY:
            self._say(doing)
        else:
            self.doing = doing

    def _say(self, doing: Doing) -> None:
        if doing != self.doing:
            self.doing = doing
            self._said = time.monotonic()
            self._publish(Progressed(corpus=str(self.path), doing=doing))

    def _show(self, computing: Collection[str]) -> None:
        """Publish stories' states where they changed, at the same revision."""
        stories = views.story_views(self._disk, self._applied, self._results, computing)
        if stories != self._stories or self._disk.problems != self._told_problems:
            self._tell(stories, base=self.revision)

    def _tell(self, stories: dict[str, StoryView], base: int) -> None:
        different, removed = views.differing(self._stories, stories)
        self._stories, self._told_problems = stories, self._disk.problems
        if not self._has_scanned:  # until now clients may show stories that an earlier engine, or they, had found
            self._has_scanned = True
            self._publish(self.snapshot())
            return
        self._publish(
            Changed(
                corpus=str(self.path),
                base=base,
                revision=self.revision,
                layers=self._layers,
                stories=different,
                removed=removed,
                concepts=self._concepts if base != self.revision else [],
                problems=list(self._disk.problems),
                moved=self._moved,
            )
        )


def _covers(request: Retrain, story: Story) -> bool:
    """Whether a retrain names a story; one that names nothing means everything."""
    if not request.concepts and not request.paths:
        return True
    return story.concept in request.concepts or story.path in request.paths
