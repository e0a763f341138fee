"""One open corpus: follows the disk, has its worker compute what changed, and tells clients what moved."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Set
from dataclasses import replace
from pathlib import Path

from engine.errors import AmygdalaError
from engine.service.history.recorder import Recorder
from engine.service.hosting.applying import Applying
from engine.service.hosting.background import Background
from engine.service.hosting.disk import Disk
from engine.service.hosting.plan import Plan, Wishes, plan
from engine.service.hosting.progress import Announcer
from engine.service.hosting.published import Published, Revised, Timing
from engine.service.process.faults import JobDropped, StateLost, WorkerDied
from engine.service.process.proxy import WorkerProxy
from engine.service.supervision import supervised
from engine.settings import Settings
from engine.wire import jobs
from engine.wire.protocol import Retrain, Score, Scored, Snapshot
from engine.wire.snapshot import Doing
from engine.wire.status import CorpusStatus

log = logging.getLogger(__name__)

SETTLE_AFTER_S = 0.3
"""Seconds without a change before the expensive numbers are redone; where that took longer the last time, as many as it
took, so that who saves every second or two is not held up by it."""


class OpenCorpus:
    """The state of one corpus, for all the clients that show it.

    What is on disk (`_disk`) and what the numbers are of (`_applying.stories`) are kept apart. One task watches the
    disk, another decides what to compute: a few changed stories at once, many prepared in the background first.

    Args:
        path: the corpus's folder, its real path.
        settings: what to compute.
        worker: the model's process.
        announcer: tells clients what the engine is doing.
        recorder: numbers and remembers revisions.
    """

    def __init__(
        self, path: Path, settings: Settings, worker: WorkerProxy, announcer: Announcer, recorder: Recorder
    ) -> None:
        self.path = path
        self.name = str(path)
        self.settings = settings
        self.worker = worker
        self.recorder = recorder
        self._wishes = Wishes()
        self._announcer = announcer
        self._published = Published(self.name, settings, announcer, recorder)
        self._background = Background(
            self.name, settings, worker, announcer, self._arrived, self._preparation_ended, self._failed
        )
        self._applying = Applying(self.name, settings, worker, lambda: self._wishes.held)
        self._disk = Disk(path, lambda words: announcer(note=words), self._something_changed)
        self._shown: dict[object, str] = {}
        """Client -> path of the story that it shows."""
        self._is_retrained = False
        """Whether texts were run again for a retrain: the numbers must follow, although no story differs."""
        self._wake = asyncio.Event()
        self._wake.set()
        self._must_plan = True
        """Whether to plan even if nothing changed on disk."""
        self._stop = asyncio.Event()
        self._noticed = time.perf_counter()
        self._settling: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch the disk and to compute."""
        begins = (lambda: self._disk.watch(self._stop), self._disk.look_now_and_then, self._run)
        self._tasks = [asyncio.create_task(supervised(begin, self._fell)) for begin in begins]

    async def close(self) -> None:
        """Stop watching and computing; the worker drops the corpus's state."""
        self._stop.set()
        tasks = [*self._tasks, *([self._settling] if self._settling is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._background.close()
        self.worker.forget(self.name)
        await self.recorder.close()

    @property
    def doing(self) -> Doing:
        return self._announcer.doing

    @property
    def revision(self) -> int:
        """0 before the first results."""
        return self._published.revision

    @property
    def is_busy(self) -> bool:
        return self.doing.state in ("scanning", "loading", "computing")

    def snapshot(self) -> Snapshot:
        """The whole state, for a client that joins or comes back."""
        return self._published.snapshot()

    def status(self, clients: int) -> CorpusStatus:
        """For `status`."""
        on_disk = self._disk.corpus
        return CorpusStatus(
            corpus=self.name,
            revision=self.revision,
            stories=len(on_disk.stories),
            concepts=len(on_disk.concepts),
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
        applied = self._applying.stories or {}
        stories = (*self._disk.stories.values(), *applied.values())
        self._published.check(request, {story.concept for story in stories})
        self._wishes = self._wishes.retrain(request, self._disk.stories, applied)
        self._is_retrained = True
        self._look_again()

    def cancel(self) -> None:
        """Drop what waits for the model; its stories stay stale until they change or are retrained."""
        self._background.cancel()
        self._wishes = self._wishes.cancel(self._background.prepared_ids)
        self._is_retrained = self._is_retrained and self._background.has_run
        self._look_again()

    def set_live(self, live: bool) -> None:
        """Follow changes as they come, or leave changed stories stale."""
        self._wishes = replace(self._wishes, live=live)
        self._announcer(live=live)
        self._look_again()

    def show(self, client: object, path: str | None) -> None:
        """A client shows a story, or none."""
        if self._shown.get(client) == path:
            return
        if path is None:
            del self._shown[client]
        else:
            self._shown[client] = path
            if self._wishes.held:
                self._look_again()

    async def score(self, request: Score) -> Scored:
        """Read a draft. Raises what `Applying.score` raises."""
        view = self._published.stories.get(request.path)
        rivals = [view.rival] if view is not None and view.rival is not None else []
        revision = self.revision
        draft = await self._applying.score(request, rivals)
        return Scored(id=request.id, revision=revision, draft=draft, verdicts=self._published.verdicts(draft))

    async def write(self, file: Path, digest: str, *, with_evidence: bool) -> jobs.Written | None:
        """Have the settled vectors written; None where the numbers are not of the stories with this digest."""
        stories, disk = self._applying.stories, self._disk.corpus
        if stories is None or self.is_busy or self._wake.is_set() or stories != self._disk.stories:
            return None
        if await asyncio.to_thread(lambda: disk.digest) != digest or self._applying.stories is not stories:
            return None
        return await self._applying.write(file, with_evidence=with_evidence)

    # Following the disk

    def _look_again(self) -> None:
        """Plan anew, since a client asked for something or a job is done."""
        self._noticed = time.perf_counter()
        self._must_plan = True
        self._wake.set()

    def _something_changed(self) -> None:
        if not self._wake.is_set():
            self._noticed = time.perf_counter()
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
                self._disk.distrust()  # the failure may have come before all of it was read
                self._failed(error)

    def _fell(self, error: Exception) -> None:
        """Watching met an error that nobody expected, and is begun again: look at everything then."""
        self._disk.distrust()
        self._failed(error)
        self._look_again()

    async def _catch_up(self) -> None:
        """Scan and plan; then prepare in the background what the plan says, and compute what can be computed now."""
        noticed, began = self._noticed, time.perf_counter()
        must_plan, self._must_plan = self._must_plan, False
        if not await self._disk.look() and not must_plan and self.doing.state in ("ready", "failed"):
            return  # a folder that is polled wakes this every two seconds, mostly for nothing
        scanned = time.perf_counter()
        applied = self._applying.stories
        shown = list(self._shown.values())
        planned = plan(self._disk.stories, applied, self._background.prepared_ids, self._wishes, shown)
        self._wishes = planned.wishes
        if planned.prepare or self.doing.state == "scanning":
            self._say_computing()
        self._background.follow(planned, self._disk.corpus.stories)
        is_forced = self._is_retrained and not planned.wishes.fresh and not planned.fresh
        if planned.is_idle and not is_forced and applied is not None:
            self._show(planned.waiting)
            self._rest(planned)
        elif any(not story.is_baseline for story in planned.now.values()):
            await self._compute(planned, noticed, scanned - began)
            self._rest(planned)
        elif planned.prepare:
            self._show(planned.waiting)
        elif planned.stale:
            self._show(())
            self._rest(planned)
        else:
            raise AmygdalaError(
                f"{self.path} has no story to compute anything from: write one to stories/<concept>.txt "
                "or paired/<scenario>/<concept>.txt"
            )

    def _arrived(self, text_ids: Set[str]) -> None:
        self._wishes = self._wishes.arrived(text_ids)

    def _preparation_ended(self, is_done: bool) -> None:
        """The texts of the background are prepared, or their job was dropped (`is_done` is False)."""
        if not is_done:
            self._plan_anew()
            return
        self._wishes = self._wishes.released()
        noticed = self._noticed
        self._look_again()
        self._noticed = noticed  # preparing is part of the time that the change takes

    def _plan_anew(self) -> None:
        """A job was dropped for a newer change."""
        if self.doing.state != "failed":
            self._look_again()

    def _failed(self, error: Exception) -> None:
        """Tell clients of a failure; the next change, or a retrain, tries again."""
        is_expected = isinstance(error, AmygdalaError)
        words = str(error) if is_expected else f"unexpected error: {error!r}"
        log.error("%s: %s", self.path, words, exc_info=None if is_expected else error)
        self._wishes = self._wishes.released()
        self._announcer(state="failed", detail=words)
        self._show(computing=())

    async def _compute(self, planned: Plan, noticed: float, scanning: float) -> None:
        """Have the worker compute the numbers of a plan, and publish them as a revision."""
        self._say_computing()
        computing = {path for change in planned.changes for path in change.paths}
        computing |= {path for path, story in planned.now.items() if story.text_id in planned.fresh}
        if self._settling is not None:
            self._settling.cancel()
        before = self._applying.stories
        shown = set(self._shown.values())
        on_screen = not computing.isdisjoint(shown)
        applied = await self._applying.apply(
            planned,
            self._advance,
            urgency=jobs.Urgency.ON_SCREEN if on_screen else jobs.Urgency.EDIT,
            sent=lambda: self._show(computing | planned.waiting),
            overtaken=self._wake.wait,
        )
        computed = time.perf_counter()
        cost = applied.cost
        if not self._wishes.held:  # what was prepared is part of this revision
            cost += self._background.take_cost()
        applied_ids = {story.text_id for story in planned.now.values()}
        self._background.prepared_ids = applied_ids | (self._background.prepared_ids & self._wishes.held)
        self._wishes = self._wishes.done(planned)
        is_retrained = self._is_retrained
        self._is_retrained = is_retrained and bool(self._wishes.fresh or self._wishes.held)
        revision = Revised(
            planned=planned,
            before=before,
            computed=computing,
            results=applied.results,
            cost=cost,
            is_retrain=is_retrained,
            timing=Timing(noticed=noticed, scanning=scanning, computed=computed),
        )
        await self._published.revise(self._disk.corpus, revision)

    def _rest(self, planned: Plan) -> None:
        """Tell clients that nothing more is to be done for now, or that texts are still being prepared."""
        if self._background.is_running:
            self._announcer(waiting=planned.stale)
        else:
            self._announcer(state="ready", detail="", waiting=planned.stale, device=self.worker.device)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        """Once nothing changes for a moment, have the expensive numbers redone, and publish them."""
        results = self._published.results
        if results is None or results.are_settled:
            return
        await asyncio.sleep(max(SETTLE_AFTER_S, self._applying.settling_takes_s))
        revision = self.revision
        try:
            settled = await self._applying.settle()
        except (JobDropped, StateLost, WorkerDied):
            if self.doing.state == "ready":
                self._look_again()  # which settles again
            return
        except Exception as error:
            self._failed(error)
            return
        if settled is not None and revision == self.revision and self._applying.stories is not None:
            self._published.settle(self._disk.corpus, self._applying.stories, settled)

    def _advance(self, message: jobs.Advanced) -> None:
        if not self._background.is_running:
            self._announcer.advance(message, self.worker.device)

    def _say_computing(self) -> None:
        loading = not self.worker.is_loaded
        self._announcer(
            state="loading" if loading else "computing",
            detail=f"model {self.settings.model}" if loading else "",
            device=self.worker.device,
        )

    def _show(self, computing: Collection[str]) -> None:
        """Publish stories' states where they changed, at the same revision."""
        self._published.show(self._disk.corpus, self._applying.stories or {}, computing)
