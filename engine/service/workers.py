"""The parent's side of model workers: one process per model, started when needed, restarted when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Literal

import msgspec

from engine import work
from engine.corpus import Story
from engine.errors import AmygdalaError
from engine.protocol import MAX_MESSAGE, ModelStatus
from engine.results import Results
from engine.settings import Settings

log = logging.getLogger(__name__)

MAX_RESTARTS = 5
"""In a row, without a finished job between them."""
ENDING = 1.0
"""Seconds a process has to end by itself, and then again when told to."""
BACK_OFF = 0.5
"""Seconds before the first restart; doubled each time."""

Advance = Callable[[int, int], None]


class WorkerDied(AmygdalaError):
    """The process ended with a job under way."""


class Worker:
    """One model in one process of its own; its faults stay there.

    The process ends by itself when its pipe closes, so killing the engine leaves nothing behind.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.last_used = time.monotonic()
        self._process: asyncio.subprocess.Process | None = None
        self._loaded: work.Loaded | None = None
        self._job_ids = itertools.count(1)
        self._jobs: dict[int, tuple[asyncio.Future[Results], Advance]] = {}
        self._sent: dict[str, tuple[Settings, set[str]]] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._stderr: deque[str] = deque(maxlen=60)
        self._faults = 0
        """Deaths in a row, without a finished job between them; one death is one, however many jobs it cost."""
        self._load_failure = ""
        """Why this process will not do, where starting it again would not help."""
        self._starting = asyncio.Lock()

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

    async def apply(
        self, corpus: str, settings: Settings, stories: Collection[Story], fresh: Collection[str], advance: Advance
    ) -> Results:
        """Have the worker make a corpus's state that of these stories; survives the worker's death, up to five times.

        Raises:
            AmygdalaError: the job failed for a reason a person can act on, or the worker keeps dying.
        """
        while True:
            try:
                return await self._attempt(corpus, settings, stories, fresh, advance)
            except WorkerDied as error:
                if self._faults > MAX_RESTARTS:
                    raise AmygdalaError(f"the model's process died {self._faults} times in a row:\n{error}") from error
                pause = BACK_OFF * 2 ** (self._faults - 1)
                log.warning("the worker of %s died; restarting it in %.1f s", self.settings.model, pause)
                await asyncio.sleep(pause)

    def forget(self, corpus: str) -> None:
        """Let the worker drop a corpus's state."""
        self._sent.pop(corpus, None)
        if self._process is not None:
            self._write(work.Forget(corpus=corpus))

    async def close(self) -> None:
        """End the process: it exits when its pipe closes, or is told to if it is in the middle of a job.

        What it has computed is stored batch by batch, so that nothing but the batch at hand is lost.
        """
        process, self._process, self._loaded = self._process, None, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        for end in (process.terminate, process.kill):
            try:
                await asyncio.wait_for(process.wait(), ENDING)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    end()
        await process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _attempt(
        self, corpus: str, settings: Settings, stories: Collection[Story], fresh: Collection[str], advance: Advance
    ) -> Results:
        async with self._starting:
            if self._process is None:
                self.settings = settings  # how deep the model is loaded is up to the job at hand
                await self._start()
        job = next(self._job_ids)
        future: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._jobs[job] = future, advance
        self.last_used = time.monotonic()
        try:
            self._write(
                work.Apply(
                    corpus=corpus,
                    job=job,
                    settings=settings,
                    placements=[work.Placement(story.text_id, story.concept) for story in stories],
                    texts=self._unsent(corpus, settings, stories),
                    fresh=sorted(fresh),
                )
            )
            return await future
        except BaseException:
            self._sent.pop(corpus, None)  # what the worker knows of this corpus is uncertain: send all next time
            raise
        finally:
            self._jobs.pop(job, None)
            self.last_used = time.monotonic()

    def _unsent(self, corpus: str, settings: Settings, stories: Iterable[Story]) -> dict[str, str]:
        known_settings, sent = self._sent.get(corpus, (settings, set()))
        if known_settings != settings:
            sent = set()
        texts = {story.text_id: story.text for story in stories}
        unsent = {text_id: text for text_id, text in texts.items() if text_id not in sent}
        self._sent[corpus] = settings, set(texts)
        return unsent

    async def _start(self) -> None:
        self._sent.clear()
        self._stderr.clear()
        self._load_failure = ""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "engine.compute.worker", msgspec.json.encode(self.settings).decode(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=MAX_MESSAGE, process_group=0,
        )  # fmt: skip
        self._process = process
        self._readers = [asyncio.create_task(self._read(process)), asyncio.create_task(self._relay_stderr(process))]

    def _write(self, request: work.ToWorker) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(msgspec.json.encode(request) + b"\n")

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Hand answers to those who wait for them; when the pipe ends, tell them all."""
        assert process.stdout is not None
        decoder = msgspec.json.Decoder(work.FromWorker)
        try:
            async for line in process.stdout:
                self._answer(decoder.decode(line))
        except (msgspec.DecodeError, ValueError) as error:  # a line that is too long is a ValueError
            log.exception("the worker of %s gave an answer that cannot be read", self.settings.model)
            self._load_failure = f"the model's process gave an answer that cannot be read: {error}"
            process.kill()
        code = await process.wait()
        if self._process is process:
            self._process, self._loaded = None, None
            self._faults += not self._load_failure
        await asyncio.sleep(0)  # let the last words of its standard error arrive
        words = self._load_failure or "\n".join(self._stderr) or f"it ended with code {code} and said nothing"
        ending = AmygdalaError(self._load_failure) if self._load_failure else WorkerDied(words)
        for future, _ in list(self._jobs.values()):
            if not future.done():
                future.set_exception(ending)

    def _answer(self, message: work.FromWorker) -> None:
        match message:
            case work.Loaded():
                self._loaded = message
            case work.Advanced(job=job, done=done, total=total):
                if job in self._jobs:
                    self._jobs[job][1](done, total)
            case work.Applied(job=job, results=results):
                self._faults = 0
                if job in self._jobs and not self._jobs[job][0].done():
                    self._jobs[job][0].set_result(results)
            case work.Failed(corpus="", message=words):
                self._load_failure = words
            case work.Failed(job=job, message=words):
                if job in self._jobs and not self._jobs[job][0].done():
                    self._jobs[job][0].set_exception(AmygdalaError(words))

    async def _relay_stderr(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            words = line.decode(errors="replace").rstrip()
            self._stderr.append(words)
            print(words, file=sys.stderr, flush=True)


class WorkerPool:
    """The workers in use, by what makes two corpora share one: the model and where and how it is loaded."""

    def __init__(self) -> None:
        self._workers: dict[tuple[object, ...], Worker] = {}

    def get(self, settings: Settings) -> Worker:
        """The worker for these settings; it starts with its first job."""
        parts = settings.blocks, settings.attention_output, settings.down_projection
        key = settings.model, settings.device, settings.dtype, settings.trust_remote_code, *parts
        return self._workers.setdefault(key, Worker(settings))

    def status(self) -> list[ModelStatus]:
        """One entry per worker."""
        return [worker.status() for worker in self._workers.values()]

    async def close_unused(self, in_use: Collection[Worker], idle: float) -> None:
        """End workers that no corpus uses and that have been idle for so many seconds."""
        unused = {
            key: worker
            for key, worker in self._workers.items()
            if worker not in in_use and not worker.is_busy and time.monotonic() - worker.last_used > idle
        }
        for key in unused:  # all at once: while one closes, another could be handed out
            del self._workers[key]
        for worker in unused.values():
            log.info("unloading %s", worker.settings.model)
            await worker.close()

    async def close(self) -> None:
        """End all."""
        workers, self._workers = list(self._workers.values()), {}
        await asyncio.gather(*(worker.close() for worker in workers))
