"""A model's process seen from the server: started when needed, restarted when it dies, asked for jobs."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from engine.corpus import Story
from engine.errors import AmygdalaError
from engine.results import Draft, Results
from engine.service.process.faults import JobDropped, LoadFailed, StateLost, WorkerDied
from engine.service.process.pipe import Process
from engine.service.process.told import Told
from engine.settings import Settings
from engine.wire import jobs
from engine.wire.status import ModelStatus

log = logging.getLogger(__name__)

MAX_RESTARTS = 5
"""Restarts in a row, without a finished job between them."""
BACK_OFF_S = 0.5
"""Seconds to wait before the first restart; each further restart waits twice as long."""

Advance = Callable[[jobs.Advanced], None]
A = TypeVar("A", bound=jobs.Answer)


@dataclass
class _Waiting:
    """A job under way."""

    job: jobs.AnyJob
    answer: asyncio.Future[jobs.Answer]
    advance: Advance


class WorkerProxy:
    """One model in one process of its own; its faults stay there.

    The process ends by itself when its pipe closes, so killing the engine leaves nothing behind.

    Args:
        settings: which model, and how it is loaded.
        make_room: unloads another model if one is idle; returns whether it did.
    """

    def __init__(self, settings: Settings, make_room: Callable[[WorkerProxy], Awaitable[bool]] | None = None) -> None:
        self.settings = settings
        self.last_used = time.monotonic()
        self.warnings: list[str] = []
        """Words about how the model was loaded, for a person."""
        self._make_room = make_room
        self._process: Process | None = None
        self._loaded: jobs.Loaded | None = None
        self._job_ids = itertools.count(1)
        self._jobs: dict[int, _Waiting] = {}
        self._told: dict[str, Told] = {}
        self._faults = 0
        """Deaths in a row, without a finished job between them. A death counts once, however many jobs it ended."""
        self._load_failure = ""
        """Why the model cannot be used, where starting the process again would not help; else empty."""
        self._starting = asyncio.Lock()

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    @property
    def device(self) -> str:
        return self._loaded.device if self._loaded else ""

    @property
    def is_busy(self) -> bool:
        return bool(self._jobs)

    def status(self) -> ModelStatus:
        """For `status` and the engine view."""
        state: Literal["loading", "idle", "computing", "failed"]
        if self._process is None:
            state = "failed" if self._load_failure else "idle"
        elif self._loaded is None:
            state = "loading"
        else:
            state = "computing" if self._jobs else "idle"
        return ModelStatus(
            model=self.settings.model,
            device=self.device,
            state=state,
            pid=self._process.pid if self._process else None,
            bytes=self._loaded.bytes if self._loaded else 0,
            restarts=self._faults,
        )

    def has_state(self, corpus: str) -> bool:
        """Whether the process has the state of the corpus as it was last applied."""
        told = self._told.get(corpus)
        return self._process is not None and told is not None and told.applied > 0

    def state_of(self, corpus: str) -> int:
        """The number of the job that made the process's state of the corpus; 0 where it has no state."""
        return self._told[corpus].applied if self.has_state(corpus) else 0

    async def prepare(
        self,
        corpus: str,
        settings: Settings,
        stories: Collection[Story],
        text_ids: Sequence[str],
        first: Collection[str],
        fresh: Collection[str],
        advance: Advance,
    ) -> jobs.Prepared:
        """Have the worker store the activations of these texts, so that a later `apply` finds them.

        Args:
            corpus: its name.
            settings: what to compute.
            stories: those that have the texts, and all others that the corpus will have.
            text_ids: which texts.
            first: those of `text_ids` that go before the others.
            fresh: ids of texts that go through the model even if it has seen them.
            advance: told of progress.

        Raises:
            JobDropped, AmygdalaError: as `apply`.
        """

        def job(number: int) -> jobs.Prepare:
            return self._of(corpus, settings).prepare(corpus, number, stories, text_ids, first, fresh)

        return await self._insist(settings, job, jobs.Prepared, advance)

    async def apply(
        self,
        corpus: str,
        settings: Settings,
        stories: Collection[Story],
        fresh: Collection[str],
        advance: Advance,
        *,
        urgency: jobs.Urgency = jobs.Urgency.EDIT,
        keep: Collection[str] = (),
    ) -> jobs.Applied:
        """Have the worker compute a corpus's state from these stories; after a death of the worker, try again.

        Args:
            corpus: its name.
            settings: what to compute.
            stories: all of the corpus.
            fresh: ids of texts that go through the model even if it has seen them.
            advance: told of progress.
            urgency: what it may go before.
            keep: ids of other texts that the worker must not drop, since they are being prepared.

        Raises:
            JobDropped: a newer job took its place: plan anew.
            AmygdalaError: the job or one before it failed for a reason a person can act on, or the worker keeps dying.
        """

        def job(number: int) -> jobs.Apply:
            return self._of(corpus, settings).apply(corpus, number, stories, fresh, urgency, keep)

        return await self._insist(settings, job, jobs.Applied, advance)

    async def settle(self, corpus: str) -> Results | None:
        """Have the expensive numbers redone; None where none are due, or the state changed in the meantime.

        Raises:
            StateLost: apply the corpus first.
            JobDropped, AmygdalaError: as `apply`.
        """
        self._demand_state(corpus)
        settled = await self._attempt(
            lambda number: jobs.Settle(corpus=corpus, job=number, urgency=jobs.Urgency.BULK), jobs.Settled
        )
        return settled.results

    async def score(self, corpus: str, draft: Callable[[int], jobs.Score]) -> Draft:
        """Have a draft read; `draft` makes the job from its number. Raises what `settle` raises."""
        self._demand_state(corpus)
        return (await self._attempt(draft, jobs.Scored)).draft

    async def write(self, corpus: str, file: Path, *, with_evidence: bool) -> jobs.Written:
        """Have the vectors of the settled state written to a file; its stories may be judged. Raises as `settle`."""
        self._demand_state(corpus)
        return await self._attempt(
            lambda number: jobs.Write(
                corpus=corpus, job=number, urgency=jobs.Urgency.BULK, file=str(file), with_evidence=with_evidence
            ),
            jobs.Written,
        )

    def supersede(self, corpus: str) -> None:
        """Drop a change of the corpus whose turn has not come: a newer one will take its place."""
        for number, waiting in self._jobs.items():
            if waiting.job.corpus == corpus and isinstance(waiting.job, jobs.Apply):
                self._write(jobs.Drop(job=number, begun=False))

    def forget(self, corpus: str) -> None:
        """Have the worker drop a corpus's state."""
        self._told.pop(corpus, None)
        self._write(jobs.Forget(corpus=corpus))

    async def close(self) -> None:
        """End the process; the next job starts another."""
        process, self._process, self._loaded = self._process, None, None
        self._told.clear()
        if process is not None:
            self._end_jobs(WorkerDied("it was ended"))  # now, since later there may be jobs of the next process
            await process.close()

    def _demand_state(self, corpus: str) -> None:
        if not self.has_state(corpus):
            raise StateLost

    async def _insist(
        self, settings: Settings, make_job: Callable[[int], jobs.AnyJob], kind: type[A], advance: Advance
    ) -> A:
        """Attempt a job again after each death of the process, with pauses that grow."""
        while True:
            try:
                return await self._attempt(make_job, kind, advance, settings)
            except WorkerDied as error:
                if self._faults > MAX_RESTARTS:
                    raise AmygdalaError(f"the model's process died {self._faults} times in a row:\n{error}") from error
                pause_s = BACK_OFF_S * 2 ** (self._faults - 1)
                log.warning("the worker of %s died; restarting it in %.1f s", self.settings.model, pause_s)
                await asyncio.sleep(pause_s)
            except StateLost:
                log.info("telling the worker of %s a corpus as a whole", self.settings.model)
            except LoadFailed as error:
                if "out of memory" not in str(error) or not self._make_room or not await self._make_room(self):
                    raise
                log.info("made room for %s", self.settings.model)

    async def _attempt(
        self,
        make_job: Callable[[int], jobs.AnyJob],
        kind: type[A],
        advance: Advance = lambda _: None,
        settings: Settings | None = None,
    ) -> A:
        """Send one job and wait for its answer, of type `kind`. With `settings`, start the process if there is none."""
        async with self._starting:
            if self._process is None:
                if settings is None:
                    raise StateLost
                self.settings = settings  # this job decides how deep the model is loaded
                await self._start()
        number = next(self._job_ids)
        job = make_job(number)
        future: asyncio.Future[jobs.Answer] = asyncio.get_running_loop().create_future()
        self._jobs[number] = _Waiting(job, future, advance)
        self.last_used = time.monotonic()
        try:
            self._write(job)
            answer = await future
        except asyncio.CancelledError:
            self._write(jobs.Drop(job=number))
            raise
        finally:
            self._jobs.pop(number, None)
            self.last_used = time.monotonic()
        if not isinstance(answer, kind):
            raise AmygdalaError(f"the model's process answered {type(answer).__name__} to {type(job).__name__}")
        return answer

    def _of(self, corpus: str, settings: Settings) -> Told:
        """What the worker has been told of a corpus; with other settings, it has to be told all of it again."""
        told = self._told.get(corpus)
        if told is None or told.settings != settings:
            told = self._told[corpus] = Told(settings)
        return told

    def _unlearn(self, job: jobs.AnyJob) -> None:
        """The worker does not hold what a job takes for told: tell it the whole next time, unless that is under way."""
        told = self._told.get(job.corpus)
        if told is None:
            return
        told.applied = 0
        if isinstance(job, jobs.Telling) and job.job >= told.since:
            del self._told[job.corpus]

    async def _start(self) -> None:
        self._told.clear()
        self._load_failure = ""
        self._process = await Process.start(self.settings, self._answer, self._ended)

    def _write(self, message: jobs.ToWorker) -> None:
        if self._process is not None:
            self._process.write(message)

    def _ended(self, words: str, is_unreadable: bool) -> None:
        """The process has ended by itself: end all jobs that wait for it."""
        if is_unreadable:
            self._load_failure = words
        self._process, self._loaded = None, None
        self._faults += not self._load_failure
        died = WorkerDied(f"the process of the model {self.settings.model} died: {words}")
        self._end_jobs(LoadFailed(self._load_failure) if self._load_failure else died)

    def _end_jobs(self, error: Exception) -> None:
        for waiting in list(self._jobs.values()):
            _end(waiting, error)

    def _answer(self, message: jobs.FromWorker) -> None:
        match message:
            case jobs.Loaded():
                self._loaded = message
                for told in self._told.values():  # a model that is loaded deeper loses all states
                    told.applied = 0
                self.warnings = message.warnings
            case jobs.Advanced(job=job):
                if job in self._jobs:
                    self._jobs[job].advance(message)
            case jobs.Failed(corpus="", message=words):
                self._load_failure = words
            case jobs.Failed(corpus=corpus, job=job, message=words):
                waiting = self._jobs.get(job)
                if corpus in self._told and not (waiting and isinstance(waiting.job, jobs.Score | jobs.Write)):
                    self._told[corpus].applied = 0
                _end(waiting, AmygdalaError(words))
            case jobs.Dropped(job=job, failure=failure):
                _end(self._jobs.get(job), AmygdalaError(failure) if failure else JobDropped())
            case jobs.Unknown(job=job):
                if (waiting := self._jobs.get(job)) is not None:
                    self._unlearn(waiting.job)
                    _end(waiting, StateLost())
            case _:
                self._faults = 0
                if isinstance(message, jobs.Applied) and message.corpus in self._told:
                    self._told[message.corpus].applied = message.job
                waiting = self._jobs.get(message.job)
                if waiting is not None and not waiting.answer.done():
                    waiting.answer.set_result(message)


def _end(waiting: _Waiting | None, error: Exception) -> None:
    if waiting is not None and not waiting.answer.done():
        waiting.answer.set_exception(error)
