"""One open corpus: watches it, has its worker compute what changed, and tells what moved."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from engine.corpus import Corpus, Layout, Scanner, Story, text_id
from engine.corpus.watch import changes
from engine.errors import AmygdalaError
from engine.results import Draft, Results
from engine.service.history.recorder import Chronicle
from engine.service.hosting import views
from engine.service.hosting.background import Preparing, plus
from engine.service.hosting.plan import Plan, Wishes, plan
from engine.service.hosting.progress import Announcer
from engine.service.hosting.published import Picture
from engine.service.process.proxy import JobDropped, StateLost, Worker, WorkerDied
from engine.settings import Settings
from engine.wire import jobs
from engine.wire.protocol import Retrain, Score, Snapshot
from engine.wire.snapshot import Cause, Doing, Stages
from engine.wire.status import CorpusStatus

log = logging.getLogger(__name__)

TRIES = 3
"""Processes that may die, or be told something else, under an export before it is made apart."""
SETTLE_AFTER = 0.3
"""Seconds of quiet before what is expensive is redone: while someone saves again and again, it would be in the way."""


class HostedCorpus:
    """The state of one corpus, for all the clients that show it.

    What is on disk (`_disk`) and what the numbers are of (`_applied`) are kept apart. One task follows the disk and
    decides what to compute; a few changed stories are computed at once, many are prepared in the background first.

    Args:
        path: the corpus's folder, its real path.
        settings: what to compute.
        worker: the model's process.
        announcer: passes on what clients are to know.
        chronicle: remembers revisions.
    """

    def __init__(
        self, path: Path, settings: Settings, worker: Worker, announcer: Announcer, chronicle: Chronicle
    ) -> None:
        self.path = path
        self.name = str(path)
        self.settings = settings
        self.worker = worker
        self.wishes = Wishes()
        self.chronicle = chronicle
        self._say = announcer
        self._picture = Picture(self.name, settings, announcer)
        self._preparing = Preparing(self.name, settings, worker, self.wishes, announcer, self._prepared, self._failed)
        self._scanner = Scanner(Layout.of(path))
        self._changed: set[str] | None = None
        """Paths that may have changed since the last scan; None for all."""
        self._disk = Corpus(stories=(), problems=())
        self._on_disk: dict[str, Story] = {}
        self._applied: dict[str, Story] | None = None
        self._shown: dict[object, str] = {}
        """Who shows which story."""
        self._retrained = False
        """Texts were prepared afresh for a retrain: the numbers must follow, although no story differs."""
        self._wake = asyncio.Event()
        self._wake.set()
        self._has_asked = True
        """Whether there is another reason to look than that something may have changed on disk."""
        self._applying = asyncio.Lock()
        """Held while the worker is told what the corpus is: of two who tell it, the last one would be right."""
        self._stop = asyncio.Event()
        self._noticed = time.perf_counter()
        self._settling: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch and to compute."""
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._run())]

    async def close(self) -> None:
        """Stop both; the worker drops the corpus's state."""
        self._stop.set()
        tasks = [*self._tasks, *([self._settling] if self._settling is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._preparing.close()
        self.worker.forget(self.name)
        await self.chronicle.close()

    @property
    def doing(self) -> Doing:
        return self._say.doing

    @property
    def revision(self) -> int:
        """0 before the first results."""
        return self._picture.revision

    @property
    def middle(self) -> int:
        """The layer whose numbers stand for all; 0 before there are any."""
        return self._picture.results.middle if self._picture.results is not None else 0

    @property
    def is_busy(self) -> bool:
        return self.doing.state in ("scanning", "loading", "computing")

    def snapshot(self) -> Snapshot:
        """All of it, for a client that comes or comes back."""
        return self._picture.snapshot()

    def status(self, clients: int) -> CorpusStatus:
        """For `status`."""
        return CorpusStatus(
            corpus=self.name,
            revision=self.revision,
            stories=len(self._disk.stories),
            concepts=len(self._disk.concepts),
            clients=clients,
            model=self.settings.model,
            doing=self.doing,
        )

    # What clients ask for

    def retrain(self, request: Retrain) -> None:
        """Queue a retrain.

        Raises:
            AmygdalaError: it names a concept or a story that the corpus does not have.
        """
        applied = self._applied or {}
        concepts = {story.concept for story in (*self._on_disk.values(), *applied.values())}
        for name in request.concepts:
            if name not in concepts:
                raise AmygdalaError(f"no concept '{name}' in {self.path}")
        for path in request.paths:
            if path not in self._picture.stories:
                raise AmygdalaError(f"no story {path} in {self.path}")
            if self._picture.stories[path].state in ("empty", "error"):
                raise AmygdalaError(f"{path} cannot be computed: {self._picture.stories[path].reason}")
        self.wishes.retrain(request, self._on_disk, applied)
        self._retrained = True
        self._look_again()

    def cancel(self) -> None:
        """Drop what waits for the model; its stories stay stale until they change or are retrained."""
        self._preparing.cancel()
        self.wishes.cancel(self._preparing.known)
        self._retrained = self._retrained and self._preparing.has_run
        self._look_again()

    def set_live(self, live: bool) -> None:
        """Follow changes as they come, or leave changed stories stale."""
        self.wishes.live = live
        self._say(live=live)
        self._look_again()

    def show(self, client: object, path: str | None) -> None:
        """A client shows a story, or none."""
        if self._shown.get(client) == path:
            return
        if path is None:
            del self._shown[client]
        else:
            self._shown[client] = path
            if self.wishes.held:
                self._look_again()

    async def score(self, request: Score) -> tuple[Draft, int]:
        """Read a draft; and the revision by which it was read.

        Raises:
            AmygdalaError: there are no numbers yet, or the path is no story's.
        """
        concept = views.concept_of(request.path)
        if self._applied is None:
            raise AmygdalaError(f"{self.path} has no numbers yet, so there is nothing to read a draft by")
        text = request.text.strip()
        if not text:
            raise AmygdalaError("the draft is empty")
        story = self._applied.get(request.path)
        view = self._picture.stories.get(request.path)
        rivals = [view.rival] if view is not None and view.rival is not None else []
        revision = self.revision

        def job(number: int) -> jobs.Score:
            return jobs.Score(
                corpus=self.name,
                job=number,
                urgency=jobs.Urgency.DRAFT,
                text=text,
                text_id=text_id(text),
                instead_of=story.text_id if story is not None else None,
                concept=concept,
                concepts=request.concepts or [concept, *rivals],
            )

        try:
            return await self.worker.score(self.name, job), revision
        except (StateLost, WorkerDied, JobDropped):
            await self._remind(jobs.Urgency.DRAFT)
            return await self.worker.score(self.name, job), revision

    async def _remind(self, urgency: jobs.Urgency) -> None:
        """Have a worker that was unloaded, or whose process died, know the corpus again; the store has what it knew."""
        async with self._applying:
            if self._applied is not None and not self.worker.has_state(self.name):
                stories = list(self._applied.values())
                await self.worker.apply(
                    self.name, self.settings, stories, (), lambda _: None, urgency=urgency, keep=self.wishes.held
                )

    async def write(self, file: Path, digest: str) -> jobs.Written | None:
        """Have the settled vectors written; None where the numbers are not of the stories with this digest."""
        applied, disk = self._applied, self._disk
        if applied is None or self.is_busy or self._wake.is_set() or applied != self._on_disk:
            return None
        if await asyncio.to_thread(lambda: disk.digest) != digest:
            return None
        for _ in range(TRIES):
            await self._remind(jobs.Urgency.BULK)
            state = self.worker.state_of(self.name)
            if self._applied is not applied:
                return None
            try:
                written = await self.worker.write(self.name, file)
            except (StateLost, WorkerDied, JobDropped):
                continue
            return written if written.of == state else None
        return None

    def _look_again(self) -> None:
        """Something was asked for, or is done: plan anew."""
        self._noticed = time.perf_counter()
        self._has_asked = True
        self._wake.set()

    # Following the disk

    async def _watch(self) -> None:
        async for paths in changes(self.path, self._stop, say=lambda words: self._say(note=words)):
            if not self._wake.is_set():
                self._noticed = time.perf_counter()
            if paths is None:
                self._changed = None
            elif self._changed is not None:
                self._changed |= paths
            self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._catch_up()
            except JobDropped:
                self._plan_anew()
            except Exception as error:
                self._changed = None  # who knows what of it was seen
                self._failed(error)

    def _prepared(self, is_done: bool) -> None:
        """Texts that were wanted in the background are there, or were dropped with something that failed."""
        if not is_done:
            self._plan_anew()
            return
        noticed = self._noticed
        self._look_again()
        self._noticed = noticed  # the time since then was for this

    def _plan_anew(self) -> None:
        """A job was dropped: because of a newer change, which has its own, or because another of the corpus failed,
        which would fail again."""
        if self.doing.state != "failed":
            self._look_again()

    def _failed(self, error: Exception) -> None:
        """Say so; the next change, or a retrain, tries again."""
        if isinstance(error, AmygdalaError):
            words = str(error)
            log.error("%s: %s", self.path, error)
        else:
            words = f"unexpected error: {error!r}"
            log.error("%s: unexpected error", self.path, exc_info=error)
        self.wishes.held.clear()
        self._say(state="failed", detail=words)
        self._show(computing=())

    async def _catch_up(self) -> None:
        """Scan, plan, start or change what is prepared in the background, and compute what can be computed now."""
        noticed, began = self._noticed, time.perf_counter()
        changed, self._changed = self._changed, set()
        has_asked, self._has_asked = self._has_asked, False
        before, self._disk = self._disk, await asyncio.to_thread(self._scanner.scan, changed)
        if self._disk is before and not has_asked and self.doing.state in ("ready", "failed"):
            return  # a folder that is looked at every two seconds, mostly for nothing
        self._on_disk = {story.path: story for story in self._disk.stories}
        scanned = time.perf_counter()
        planned = plan(self._on_disk, self._applied, self._preparing.known, self.wishes, list(self._shown.values()))
        if planned.prepare or self.doing.state == "scanning":
            self._say_computing()
        self._preparing.follow(planned, self._disk.stories)
        forced = self._retrained and not self.wishes.fresh and not planned.fresh
        if planned.is_idle and not forced and self._applied is not None:
            self._show(planned.waiting)
            self._rest(planned)
            return
        if not any(not story.is_baseline for story in planned.now.values()):
            if planned.prepare:
                self._show(planned.waiting)
                return
            if planned.stale:
                self._show(())
                self._rest(planned)
                return
            raise AmygdalaError(
                f"{self.path} has no story to compute anything from: write one to stories/<concept>.txt "
                "or paired/<scenario>/<concept>.txt"
            )
        await self._compute(planned, noticed, scanned - began)
        self._rest(planned)

    def _rest(self, planned: Plan) -> None:
        """Say that there is nothing more to do for now, or that texts are still being prepared."""
        if self._preparing.is_running:
            self._say(waiting=planned.stale)
        else:
            self._say(state="ready", detail="", waiting=planned.stale, device=self.worker.device)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    # Computing

    async def _compute(self, planned: Plan, noticed: float, scanning: float) -> None:
        self._say_computing()
        computing = {change.path for change in planned.changes}
        computing |= {path for path, story in planned.now.items() if story.text_id in planned.fresh}
        if self._settling is not None:
            self._settling.cancel()
        results = await self._apply(planned, computing | planned.waiting)
        applied = time.perf_counter()
        is_first, old, self._applied = self._applied is None, self._applied or {}, planned.now
        now = {story.text_id for story in planned.now.values()}
        self._preparing.known = now | (self._preparing.known & self.wishes.held)
        self.wishes.done(planned)
        forced, self._retrained = self._retrained, self._retrained and bool(self.wishes.fresh or self.wishes.held)
        affected = {
            story.concept
            for path in computing
            for story in (old.get(path), planned.now.get(path))
            if story is not None and story.concept is not None
        }
        before, after = self._picture.evaluate(self._disk, planned.now, results, planned.waiting)
        cause: Cause = "opened" if is_first else "edited" if planned.changes or not forced else "retrained"
        work_done, shown = results.work, time.perf_counter()
        known = scanning + work_done.seconds_forward + work_done.seconds_statistics
        moved = views.moved(
            before,
            after,
            cause=cause,
            changes=[] if is_first else planned.changes,
            affected=affected,
            work=work_done,
            stages=Stages(
                scanning=scanning,
                waiting=max(0.0, applied - noticed - known),
                forward=work_done.seconds_forward,
                statistics=work_done.seconds_statistics,
                showing=shown - applied,
            ),
        )
        first = self.revision == 0
        number = await self.chronicle.first(planned.now, self.settings, results) if first else self.revision + 1
        moved = msgspec.structs.replace(moved, revision=number)
        self._picture.revise(self._disk, moved)
        self.chronicle.record(moved, planned.now, self.settings, results, self._picture.concepts)

    async def _apply(self, planned: Plan, computing: Collection[str]) -> Results:
        """Have the worker compute, and show meanwhile that it does; a newer change takes the place of one whose turn
        has not come."""
        shown = set(self._shown.values())
        on_screen = any(change.path in shown for change in planned.changes)
        async with self._applying:
            job = asyncio.create_task(
                self.worker.apply(
                    self.name,
                    self.settings,
                    planned.now.values(),
                    planned.fresh,
                    self._advance,
                    urgency=jobs.Urgency.ON_SCREEN if on_screen else jobs.Urgency.EDIT,
                    keep=self.wishes.held,
                )
            )
            try:
                await asyncio.sleep(0)  # let the job go out
                self._show(computing)
                await _first(job, self._wake.wait())
                if not job.done():
                    self.worker.supersede(self.name)
                results = await job
            except asyncio.CancelledError:
                job.cancel()
                raise
        whole = results.work
        if not self.wishes.held:  # what was prepared is part of this revision
            whole = plus(whole, **msgspec.structs.asdict(self._preparing.take_spent()))
        return msgspec.structs.replace(results, work=whole)

    async def _settle(self) -> None:
        """Once it is quiet, have what is expensive redone, and tell what became of it."""
        results = self._picture.results
        if results is None or all(found.settled for found in results.concepts):
            return
        await asyncio.sleep(SETTLE_AFTER)
        revision = self.revision
        try:
            await self._remind(jobs.Urgency.BULK)
            settled = await self.worker.settle(self.name)
        except (JobDropped, StateLost, WorkerDied):
            if self.doing.state == "ready":
                self._look_again()  # and settle then
            return
        except Exception as error:
            self._failed(error)
            return
        if settled is not None and revision == self.revision and self._applied is not None:
            self._picture.settle(self._disk, self._applied, settled)

    # Telling

    def _advance(self, message: jobs.Advanced) -> None:
        if not self._preparing.is_running:
            self._say.advance(message, self.worker.device)

    def _say_computing(self) -> None:
        loading = not self.worker.is_loaded
        self._say(
            state="loading" if loading else "computing",
            detail=f"model {self.settings.model}" if loading else "",
            device=self.worker.device,
        )

    def _show(self, computing: Collection[str]) -> None:
        """Publish stories' states where they changed, at the same revision."""
        self._picture.show(self._disk, self._applied or {}, computing)


async def _first(job: asyncio.Task[Any], other: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of the two is done; the other is not waited for any more."""
    waiting = asyncio.ensure_future(other)
    try:
        await asyncio.wait({job, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
