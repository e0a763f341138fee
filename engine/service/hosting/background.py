"""Texts that are brought in behind the edits: many stories at once, so that none of them waits for the others' sake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import msgspec

from engine.corpus import Story
from engine.results import Work
from engine.service.hosting.plan import Plan, Wishes
from engine.service.hosting.progress import Announcer
from engine.service.process.proxy import JobDropped, Worker
from engine.settings import Settings
from engine.wire import jobs

NOTHING = Work(texts_run=0, texts_cached=0, seconds_forward=0.0, seconds_statistics=0.0)


class Preparing:
    """Has one corpus's worker bring in what plans ask for, and knows what it has.

    Args:
        name: the corpus's.
        settings: what to compute.
        worker: the model's process.
        wishes: what was asked for; texts that are at hand leave `fresh`, and all leave `held` once all are there.
        say: told of progress.
        look_again: called when all are there, or when the job was dropped: plan anew.
        fail: called with what went wrong.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        worker: Worker,
        wishes: Wishes,
        say: Announcer,
        look_again: Callable[[bool], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self.known: set[str] = set()
        """Ids of texts whose activations are at hand."""
        self._name = name
        self._settings = settings
        self._worker = worker
        self._wishes = wishes
        self._say = say
        self._look_again = look_again
        self._fail = fail
        self._spent = NOTHING
        self._outstanding: set[str] = set()
        """Ids of texts that are still to be brought in."""
        self._first: tuple[str, ...] = ()
        """Those of them that go before the others."""
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None

    @property
    def has_run(self) -> bool:
        """Whether texts went through the model that no revision has told of."""
        return self._spent.texts_run > 0

    def follow(self, planned: Plan, stories: Collection[Story]) -> None:
        """Bring in what is planned, in place of what is brought in now, unless that is the same."""
        if set(planned.prepare) == self._outstanding and set(planned.first) <= set(self._first):
            return
        self.cancel()
        if planned.prepare:
            self._outstanding, self._first = set(planned.prepare), planned.first
            self._task = asyncio.create_task(self._bring_in(planned, stories))

    def cancel(self) -> None:
        """Stop; what came in by then is known."""
        if self._task is not None:
            self._task.cancel()
        self._end()

    async def close(self) -> None:
        """Stop, and wait for it."""
        task = self._task
        self.cancel()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def take_spent(self) -> Work:
        """What it has cost since this was asked last."""
        spent, self._spent = self._spent, NOTHING
        return spent

    async def _bring_in(self, planned: Plan, stories: Collection[Story]) -> None:
        fresh = self._wishes.fresh & set(planned.prepare)

        def advance(message: jobs.Advanced) -> None:
            self.known.update(message.ids)
            self._wishes.fresh.difference_update(message.ids)
            fresh.difference_update(message.ids)
            self._outstanding.difference_update(message.ids)
            self._spent = plus(self._spent, texts_run=message.run, texts_cached=message.cached)
            self._say.advance(message, self._worker.device)

        try:
            prepared = await self._worker.prepare(
                self._name, self._settings, stories, planned.prepare, planned.first, fresh, advance
            )
        except JobDropped:
            self._end()
            self._look_again(False)
        except Exception as error:
            self._end()
            self._fail(error)
        else:
            self.known.update(planned.prepare)
            self._wishes.fresh -= fresh
            self._wishes.held.clear()
            self._spent = plus(self._spent, seconds_forward=prepared.seconds)
            self._end()
            self._look_again(True)

    def _end(self) -> None:
        self._outstanding, self._first, self._task = set(), (), None


def plus(spent: Work, **more: float) -> Work:
    """What was spent, and more."""
    return msgspec.structs.replace(spent, **{name: getattr(spent, name) + value for name, value in more.items()})
