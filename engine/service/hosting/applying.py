"""The one owner of what the worker has been told of a corpus: tells it the stories, and asks it about them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any

from engine.corpus import Story, text_id
from engine.errors import AmygdalaError
from engine.results import Draft, Results
from engine.service.hosting import views
from engine.service.hosting.plan import Plan
from engine.service.process.faults import JobDropped, StateLost, WorkerDied
from engine.service.process.proxy import Advance, WorkerProxy
from engine.settings import Settings
from engine.wire import jobs
from engine.wire.protocol import Score

LONGEST_SETTLING_S = 30.0
TRIES = 3
"""Attempts at an export, each of which a death of the process or a newer change may end; then it is computed apart."""


class Applying:
    """One corpus as its worker knows it.

    Args:
        name: the corpus's name.
        settings: what to compute.
        worker: the model's process.
        held: returns the ids of texts that are being prepared, which the worker must not drop.
    """

    def __init__(self, name: str, settings: Settings, worker: WorkerProxy, held: Callable[[], Collection[str]]) -> None:
        self.stories: Mapping[str, Story] | None = None
        """The stories that the numbers are of, by path; None before there are numbers."""
        self.settling_takes_s = 0.0
        """As long as it took last time; twice as long as was thought where it did not come to its end."""
        self._name = name
        self._settings = settings
        self._worker = worker
        self._held = held
        self._telling = asyncio.Lock()
        """Only one coroutine at a time may tell the worker what the corpus is. Otherwise an older set of stories
        could replace a newer one."""

    async def apply(
        self,
        planned: Plan,
        advance: Advance,
        *,
        urgency: jobs.Urgency,
        sent: Callable[[], None],
        overtaken: Callable[[], Coroutine[Any, Any, object]],
    ) -> jobs.Applied:
        """Have the worker compute the state that a plan asks for.

        Args:
            planned: the stories that the numbers shall be of.
            advance: told of progress.
            urgency: what it may go before.
            sent: called once the job is on its way.
            overtaken: its coroutine ends when there is a newer change; this one is then dropped if it has not begun.

        Raises:
            JobDropped, AmygdalaError: as `WorkerProxy.apply`.
        """
        async with self._telling:
            job = asyncio.create_task(
                self._worker.apply(
                    self._name,
                    self._settings,
                    planned.now.values(),
                    planned.fresh,
                    advance,
                    urgency=urgency,
                    keep=self._held(),
                )
            )
            try:
                await asyncio.sleep(0)  # let the job go out
                sent()
                await _wait_for_either(job, overtaken())
                if not job.done():
                    self._worker.supersede(self._name)
                applied = await job
            except asyncio.CancelledError:
                job.cancel()
                raise
            self.stories = planned.now
        return applied

    async def settle(self) -> Results | None:
        """Have the expensive numbers redone; None where none are due, or the state changed in the meantime.

        Raises:
            JobDropped, StateLost, WorkerDied, AmygdalaError: as `WorkerProxy.settle`.
        """
        await self._remind(jobs.Urgency.BULK)
        began = time.perf_counter()
        try:
            results = await self._worker.settle(self._name)
        except BaseException:  # an edit came first: its successor should not be held up by the same
            self.settling_takes_s = min(2 * max(self.settling_takes_s, time.perf_counter() - began), LONGEST_SETTLING_S)
            raise
        self.settling_takes_s = time.perf_counter() - began
        return results

    async def score(self, request: Score, rivals: Collection[str]) -> Draft:
        """Have a draft read; its tokens are read for its concept and the `rivals`, unless the request names others.

        Raises:
            AmygdalaError: there are no numbers yet, or the path is no story's.
        """
        concept = views.concept_of(request.path)
        if self.stories is None:
            raise AmygdalaError(f"{self._name} has no numbers yet, so there is nothing to read a draft by")
        text = request.text.strip()
        if not text:
            raise AmygdalaError("the draft is empty")
        story = self.stories.get(request.path)

        def job(number: int) -> jobs.Score:
            return jobs.Score(
                corpus=self._name,
                job=number,
                urgency=jobs.Urgency.REASONS if request.explain else jobs.Urgency.DRAFT,
                path=request.path,
                text=text,
                text_id=text_id(text),
                instead_of=story.text_id if story is not None else None,
                concept=concept,
                concepts=request.concepts or [concept, *rivals],
                explain=request.explain,
            )

        try:
            return await self._worker.score(self._name, job)
        except (StateLost, WorkerDied, JobDropped):
            await self._remind(jobs.Urgency.DRAFT)
            return await self._worker.score(self._name, job)

    async def write(self, file: Path, *, with_evidence: bool) -> jobs.Written | None:
        """Have the settled vectors written; None where the stories changed meanwhile, or processes kept dying."""
        stories = self.stories
        for _ in range(TRIES):
            await self._remind(jobs.Urgency.BULK)
            state = self._worker.state_of(self._name)
            if self.stories is not stories:
                return None
            try:
                written = await self._worker.write(self._name, file, with_evidence=with_evidence)
            except (StateLost, WorkerDied, JobDropped):
                continue
            return written if written.of == state else None
        return None

    async def _remind(self, urgency: jobs.Urgency) -> None:
        """Tell a worker that was unloaded, or whose process died, the corpus again; the store has the activations."""
        async with self._telling:
            if self.stories is not None and not self._worker.has_state(self._name):
                await self._worker.apply(
                    self._name,
                    self._settings,
                    self.stories.values(),
                    (),
                    lambda _: None,
                    urgency=urgency,
                    keep=self._held(),
                )


async def _wait_for_either(job: asyncio.Task[Any], overtaken: Coroutine[Any, Any, object]) -> None:
    """Wait until one of the two is done; stop waiting for the other."""
    overtaking = asyncio.ensure_future(overtaken)
    try:
        await asyncio.wait({job, overtaking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        overtaking.cancel()
