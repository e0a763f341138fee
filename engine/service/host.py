"""One open corpus: watches it, has its worker compute what changed, and tells what moved."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from engine import work
from engine.corpus import Corpus, Layout, Problem, Scanner, Story, text_id
from engine.corpus.watch import changes
from engine.errors import AmygdalaError
from engine.protocol import Changed, CorpusStatus, Retrain, Score, Snapshot
from engine.results import Draft, Results, Work
from engine.service import views
from engine.service.chronicle import Chronicle
from engine.service.plan import Plan, Wishes, plan
from engine.service.progress import Announcer
from engine.service.workers import JobDropped, StateLost, Worker, WorkerDied
from engine.settings import Settings
from engine.snapshot import Cause, ConceptView, Doing, Moved, Stages, StoryView

log = logging.getLogger(__name__)

TRIES = 3
"""Processes that may die, or be told something else, under an export before it is made apart."""
SETTLE_AFTER = 0.3
"""Seconds of quiet before what is expensive is redone: while someone saves again and again, it would be in the way."""


NOTHING = Work(texts_run=0, texts_cached=0, seconds_forward=0.0, seconds_statistics=0.0)


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
        self.revision = 0
        self.wishes = Wishes()
        self._say = announcer
        self.chronicle = chronicle
        self._scanner = Scanner(Layout.of(path))
        self._changed: set[str] | None = None
        """Paths that may have changed since the last scan; None for all."""
        self._disk = Corpus(stories=(), problems=())
        self._on_disk: dict[str, Story] = {}
        self._applied: dict[str, Story] | None = None
        self._known: set[str] = set()
        """Ids of texts whose activations are at hand."""
        self._shown: dict[object, str] = {}
        """Who shows which story."""
        self._results: Results | None = None
        self._stories: dict[str, StoryView] = {}
        self._told_problems: tuple[Problem, ...] = ()
        self._concepts: list[ConceptView] = []
        self._moved: Moved | None = None
        self._shown_state: views.State | None = None
        self._has_scanned = False
        self._retrained = False
        """Texts were prepared afresh for a retrain: the numbers must follow, although no story differs."""
        self._prepared = NOTHING
        """What preparing has cost since the last revision."""
        self._wake = asyncio.Event()
        self._wake.set()
        self._has_asked = True
        """Whether there is another reason to look than that something may have changed on disk."""
        self._applying = asyncio.Lock()
        """Held while the worker is told what the corpus is: of two who tell it, the last one would be right."""
        self._stop = asyncio.Event()
        self._noticed = time.perf_counter()
        self._background: asyncio.Task[None] | None = None
        self._outstanding: set[str] = set()
        """Ids of texts that the background is still to bring in."""
        self._first: tuple[str, ...] = ()
        """Those of them that go before the others."""
        self._settling: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch and to compute."""
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._run())]

    async def close(self) -> None:
        """Stop both; the worker drops the corpus's state."""
        self._stop.set()
        tasks = [task for task in (*self._tasks, self._background, self._settling) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.worker.forget(self.name)
        await self.chronicle.close()

    @property
    def doing(self) -> Doing:
        return self._say.doing

    @property
    def middle(self) -> int:
        """The layer whose numbers stand for all; 0 before there are any."""
        return self._results.middle if self._results is not None else 0

    @property
    def is_busy(self) -> bool:
        return self.doing.state in ("scanning", "loading", "computing")

    def snapshot(self) -> Snapshot:
        """All of it, for a client that comes or comes back."""
        return Snapshot(
            corpus=self.name,
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
            if path not in self._stories:
                raise AmygdalaError(f"no story {path} in {self.path}")
            if self._stories[path].state in ("empty", "error"):
                raise AmygdalaError(f"{path} cannot be computed: {self._stories[path].reason}")
        self.wishes.retrain(request, self._on_disk, applied)
        self._retrained = True
        self._look_again()

    def cancel(self) -> None:
        """Drop what waits for the model; its stories stay stale until they change or are retrained."""
        if self._background is not None:
            self._background.cancel()
        self._outstanding, self._background = set(), None
        self.wishes.cancel(self._known)
        self._retrained = self._retrained and self._prepared.texts_run > 0
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
        if self._results is None or self._applied is None:
            raise AmygdalaError(f"{self.path} has no numbers yet, so there is nothing to read a draft by")
        text = request.text.strip()
        if not text:
            raise AmygdalaError("the draft is empty")
        story = self._applied.get(request.path)
        view = self._stories.get(request.path)
        rivals = [view.rival] if view is not None and view.rival is not None else []
        revision = self.revision

        def job(number: int) -> work.Score:
            return work.Score(
                corpus=self.name,
                job=number,
                urgency=work.Urgency.DRAFT,
                text=text,
                text_id=text_id(text),
                instead_of=story.text_id if story is not None else None,
                concept=concept,
                concepts=request.concepts or [concept, *rivals],
            )

        try:
            return await self.worker.score(self.name, job), revision
        except (StateLost, WorkerDied, JobDropped):
            await self._remind(work.Urgency.DRAFT)
            return await self.worker.score(self.name, job), revision

    async def _remind(self, urgency: work.Urgency) -> None:
        """Have a worker that was unloaded, or whose process died, know the corpus again; the store has what it knew."""
        async with self._applying:
            if self._applied is not None and not self.worker.has_state(self.name):
                stories = list(self._applied.values())
                await self.worker.apply(
                    self.name, self.settings, stories, (), lambda _: None, urgency=urgency, keep=self.wishes.held
                )

    async def write(self, file: Path, digest: str) -> work.Written | None:
        """Have the settled vectors written; None where the numbers are not of the stories with this digest."""
        applied, disk = self._applied, self._disk
        if applied is None or self.is_busy or self._wake.is_set() or applied != self._on_disk:
            return None
        if await asyncio.to_thread(lambda: disk.digest) != digest:
            return None
        for _ in range(TRIES):
            await self._remind(work.Urgency.BULK)
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

    @property
    def _layers(self) -> list[int]:
        return self._results.layers if self._results else []

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
                self._failed(error)

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
        if self.doing.state == "scanning":
            self._say_computing()
        planned = plan(self._on_disk, self._applied, self._known, self.wishes, list(self._shown.values()))
        self._prepare(planned)
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
        if self._background is not None:
            self._say(waiting=planned.stale)
        else:
            self._say(state="ready", detail="", waiting=planned.stale, device=self.worker.device)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    def _prepare(self, planned: Plan) -> None:
        """Have the background prepare what is planned, in place of what it prepares now, unless that is the same."""
        if set(planned.prepare) == self._outstanding and set(planned.first) <= set(self._first):
            return
        if self._background is not None:
            self._background.cancel()
        self._outstanding, self._first = set(planned.prepare), planned.first
        self._background = asyncio.create_task(self._in_background(planned)) if planned.prepare else None

    async def _in_background(self, planned: Plan) -> None:
        """Prepare texts; what comes in is known at once, so that it need not be asked for again."""
        wishes, wanted = self.wishes, planned.prepare
        fresh = wishes.fresh & set(wanted)

        def advance(message: work.Advanced) -> None:
            self._known.update(message.ids)
            wishes.fresh.difference_update(message.ids)
            fresh.difference_update(message.ids)
            self._outstanding.difference_update(message.ids)
            self._prepared = _plus(self._prepared, texts_run=message.run, texts_cached=message.cached)
            self._say.advance(message, self.worker.device)

        try:
            prepared = await self.worker.prepare(
                self.name, self.settings, list(self._on_disk.values()), wanted, planned.first, fresh, advance
            )
        except JobDropped:
            self._outstanding, self._background = set(), None
            self._plan_anew()
            return
        except Exception as error:
            self._outstanding, self._background = set(), None
            self._failed(error)
            return
        self._known.update(wanted)
        wishes.fresh -= fresh
        wishes.held.clear()
        self._prepared = _plus(self._prepared, seconds_forward=prepared.seconds)
        self._outstanding, self._background = set(), None
        noticed = self._noticed
        self._look_again()
        self._noticed = noticed  # the time since then was for this

    # Computing

    async def _compute(self, planned: Plan, noticed: float, scanning: float) -> None:
        self._say_computing()
        computing = {change.path for change in planned.changes}
        computing |= {path for path, story in planned.now.items() if story.text_id in planned.fresh}
        if self._settling is not None:
            self._settling.cancel()
        results = await self._apply(planned, computing | planned.waiting)
        applied = time.perf_counter()
        before, old = self._shown_state, self._applied or {}
        self._results, self._applied = results, planned.now
        self._known = {story.text_id for story in planned.now.values()} | (self._known & self.wishes.held)
        self.wishes.done(planned)
        forced, self._retrained = self._retrained, self._retrained and bool(self.wishes.fresh or self.wishes.held)
        affected = {
            story.concept
            for path in computing
            for story in (old.get(path), planned.now.get(path))
            if story is not None and story.concept is not None
        }
        self._concepts = views.concept_views(results, self.settings)
        stories = views.story_views(self._disk, planned.now, results, planned.waiting)
        after = views.State(stories, self._concepts, results.middle)
        self._shown_state = after
        cause: Cause = "opened" if before is None else "edited" if planned.changes or not forced else "retrained"
        work_done, shown = results.work, time.perf_counter()
        known = scanning + work_done.seconds_forward + work_done.seconds_statistics
        moved = views.moved(
            before or after,  # the first numbers moved nothing
            after,
            cause=cause,
            changes=planned.changes if before is not None else [],
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
        base = self.revision
        self.revision = base + 1 if base else await self.chronicle.first(planned.now, self.settings, results)
        self._moved = msgspec.structs.replace(moved, revision=self.revision)
        self._tell(stories, base)
        self.chronicle.record(self._moved, planned.now, self.settings, results, self._concepts)

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
                    urgency=work.Urgency.ON_SCREEN if on_screen else work.Urgency.EDIT,
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
            whole = _plus(whole, **msgspec.structs.asdict(self._prepared))
            self._prepared = NOTHING
        return msgspec.structs.replace(results, work=whole)

    async def _settle(self) -> None:
        """Once it is quiet, have what is expensive redone, and tell what became of it."""
        if self._results is None or all(found.settled for found in self._results.concepts):
            return
        await asyncio.sleep(SETTLE_AFTER)
        revision = self.revision
        try:
            await self._remind(work.Urgency.BULK)
            results = await self.worker.settle(self.name)
        except (JobDropped, StateLost, WorkerDied):
            if self.doing.state == "ready":
                self._look_again()  # and settle then
            return
        except Exception as error:
            self._failed(error)
            return
        if results is None or revision != self.revision or self._results is None or self._applied is None:
            return
        self._results = msgspec.structs.replace(results, work=self._results.work)
        self._concepts = views.concept_views(self._results, self.settings)
        waiting = {path for path, view in self._stories.items() if view.state == "computing"}
        stories = views.story_views(self._disk, self._applied, self._results, waiting)
        self._shown_state = views.State(stories, self._concepts, results.middle)
        self._tell(stories, self.revision, with_concepts=True)

    # Telling

    def _advance(self, message: work.Advanced) -> None:
        if self._background is None:
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
        stories = views.story_views(self._disk, self._applied or {}, self._results, computing)
        if stories != self._stories or self._disk.problems != self._told_problems:
            self._tell(stories, base=self.revision)

    def _tell(self, stories: dict[str, StoryView], base: int, *, with_concepts: bool = False) -> None:
        different, removed = views.differing(self._stories, stories)
        self._stories, self._told_problems = stories, self._disk.problems
        if not self._has_scanned:  # until now clients may show stories that an earlier engine, or they, had found
            self._has_scanned = True
            self._say.publish(self.snapshot())
            return
        self._say.publish(
            Changed(
                corpus=self.name,
                base=base,
                revision=self.revision,
                layers=self._layers,
                stories=different,
                removed=removed,
                concepts=self._concepts if with_concepts or base != self.revision else None,
                problems=list(self._disk.problems),
                moved=self._moved,
            )
        )


def _plus(spent: Work, **more: float) -> Work:
    """What was spent, and more."""
    return msgspec.structs.replace(spent, **{name: getattr(spent, name) + value for name, value in more.items()})


async def _first(job: asyncio.Task[Any], other: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of the two is done; the other is not waited for any more."""
    waiting = asyncio.ensure_future(other)
    try:
        await asyncio.wait({job, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
