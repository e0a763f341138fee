"""Prepares many texts in the background, so that an edit does not have to wait for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Set

from engine.corpus import Story
from engine.results import Cost
from engine.service.hosting.plan import Plan
from engine.service.hosting.progress import Announcer
from engine.service.process.faults import JobDropped
from engine.service.process.proxy import WorkerProxy
from engine.settings import Settings
from engine.wire import jobs


class Background:
    """Has one corpus's worker prepare the texts that plans ask for, and says which are prepared.

    Args:
        name: the corpus's name.
        settings: what to compute.
        worker: the model's process.
        announcer: told of progress.
        arrived: called with the ids of texts that were prepared, as they come.
        ended: called when all are prepared (True), or when the job was dropped (False).
        failed: called with the error where preparing failed.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        worker: WorkerProxy,
        announcer: Announcer,
        arrived: Callable[[Set[str]], None],
        ended: Callable[[bool], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.prepared_ids: set[str] = set()
        """Ids of texts whose activations are at hand."""
        self._name = name
        self._settings = settings
        self._worker = worker
        self._announcer = announcer
        self._arrived = arrived
        self._ended = ended
        self._failed = failed
        self._unreported = Cost()
        """The cost of preparing that no revision has reported yet."""
        self._outstanding: set[str] = set()
        """Ids of texts that are still to be prepared."""
        self._first: tuple[str, ...] = ()
        """Those of `_outstanding` that go before the others."""
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None

    @property
    def has_run(self) -> bool:
        """Whether texts went through the model that no revision has reported yet."""
        return self._unreported.texts_run > 0

    def follow(self, planned: Plan, stories: Collection[Story]) -> None:
        """Prepare the texts of a plan in place of those being prepared now, unless they are the same."""
        if set(planned.prepare) == self._outstanding and set(planned.first) <= set(self._first):
            return
        self.cancel()
        if planned.prepare:
            self._outstanding, self._first = set(planned.prepare), planned.first
            fresh = planned.wishes.fresh & self._outstanding
            self._task = asyncio.create_task(self._prepare(planned, stories, fresh))

    def cancel(self) -> None:
        """Stop; texts that are prepared by then stay prepared."""
        if self._task is not None:
            self._task.cancel()
        self._forget_task()

    async def close(self) -> None:
        """Stop, and wait for it."""
        task = self._task
        self.cancel()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def take_cost(self) -> Cost:
        """The cost of preparing since the last call."""
        cost, self._unreported = self._unreported, Cost()
        return cost

    async def _prepare(self, planned: Plan, stories: Collection[Story], fresh: Set[str]) -> None:
        outstanding_fresh = set(fresh)

        def advance(message: jobs.Advanced) -> None:
            self._unreported += Cost(texts_run=message.run, texts_cached=message.cached)
            self._outstanding.difference_update(message.ids)
            outstanding_fresh.difference_update(message.ids)
            self.prepared_ids.update(message.ids)
            self._arrived(set(message.ids))
            self._announcer.advance(message, self._worker.device)

        try:
            prepared = await self._worker.prepare(
                self._name, self._settings, stories, planned.prepare, planned.first, outstanding_fresh, advance
            )
        except JobDropped:
            self._forget_task()
            self._ended(False)
        except Exception as error:
            self._forget_task()
            self._failed(error)
        else:
            self._unreported += Cost(seconds_forward=prepared.seconds)
            self.prepared_ids.update(planned.prepare)
            self._arrived(outstanding_fresh)
            self._forget_task()
            self._ended(True)

    def _forget_task(self) -> None:
        self._outstanding, self._first, self._task = set(), (), None
