"""The worker process: holds one model, keeps the state of the corpora that use it, and exits when its pipe closes.

Run as `python -m engine.compute.worker SETTINGS-JSON`: requests come in on standard input, answers go out on
standard output, one JSON document per line (`engine.wire.jobs`); whatever else is printed goes to standard error.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from copy import copy
from typing import BinaryIO

import msgspec
import safetensors.torch
import torch

from engine import paths
from engine.compute.activations.source import Tally
from engine.compute.activations.store import Store
from engine.compute.held import HeldCorpora, Task
from engine.compute.live import methods
from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.gathering import Step
from engine.compute.live.sweep import layers_for
from engine.compute.model.depth import is_deep_enough, load_for
from engine.compute.model.loaded import LoadedModel
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire import jobs

log = logging.getLogger("engine.worker")


class JobLoop:
    """Carries out jobs step by step, always the most urgent one."""

    def __init__(self, store: Store, out: BinaryIO) -> None:
        self._model: LoadedModel | None = None
        self._store = store
        self._out = out
        self._tasks: list[Task] = []
        self._numbers = itertools.count()
        self._corpora = HeldCorpora()
        self._layers: dict[str, tuple[Settings, list[int]]] = {}
        """By corpus, its target layers, and the settings they are for: a sweep's choice stands while it is open."""

    @property
    def has_work(self) -> bool:
        return bool(self._tasks)

    def load(self, settings: Settings) -> LoadedModel:
        """Load the model as deep as these settings read it, in place of the one in memory, and report it.

        Raises:
            AmygdalaError: it cannot be loaded.
        """
        for held in self._corpora.values():  # each holds on to the old model, and finds in the store what it knew
            held.forget_state()
        for task in self._tasks:
            task.steps = None
        self._model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        started = time.perf_counter()
        model = self._model = load_for(settings, self._store.digest)
        for warning in model.warnings:
            log.warning(warning)
        gc.freeze()  # the model's objects stay: searching them for garbage takes longer than an edit's sums
        seconds = time.perf_counter() - started
        loaded = jobs.Loaded(device=model.placement, seconds=seconds, bytes=model.bytes_held, warnings=model.warnings)
        send(self._out, loaded)
        return model

    def accept(self, message: jobs.ToWorker) -> None:
        """Take in a message; a job waits for its turn."""
        match message:
            case jobs.Drop(job=number, begun=begun):
                self._drop([t for t in self._tasks if t.job.job == number and (begun or t.steps is None)])
            case jobs.Forget(corpus=corpus):
                self._drop([task for task in self._tasks if task.job.corpus == corpus])
                self._corpora.pop(corpus, None)
                self._layers.pop(corpus, None)
                gc.collect()  # a live corpus and its callbacks refer to each other, and keep tensors on a GPU
            case _:
                task = Task(message.urgency, next(self._numbers), message)
                if isinstance(message, jobs.Prepare | jobs.Apply) and not self._corpora.take_in(message, task):
                    send(self._out, jobs.Unknown(job=message.job))
                else:
                    self._tasks.append(task)

    def step(self) -> None:
        """Do one step of the most urgent job."""
        task = min(self._tasks)
        try:
            steps = task.steps or self._begin(task)
            task.steps = steps
            next(steps)
        except StopIteration:
            self._tasks.remove(task)
        except AmygdalaError as error:
            self._fail(task, str(error))
        except _NoState:
            self._tasks.remove(task)
            send(self._out, jobs.Unknown(job=task.job.job))
        except Exception as error:
            log.exception("job %d on %s failed", task.job.job, task.job.corpus)
            if torch.cuda.is_available():
                raise SystemExit(1) from error  # a CUDA fault spoils the context: only a new process recovers
            self._fail(task, f"the engine met an error it did not expect: {error}\n{traceback.format_exc()}")

    def _begin(self, task: Task) -> Iterator[object]:
        match job := task.job:
            case jobs.Prepare():
                return self._prepare(job, task)
            case jobs.Apply():
                return self._apply(job, task)
            case jobs.Settle():
                return self._settle(job)
            case jobs.Score():
                return self._score(job)
            case jobs.Write():
                return self._write(job)

    def _prepare(self, job: jobs.Prepare, task: Task) -> Iterator[None]:
        live = self._live(job, task)
        yield
        tally = Tally()
        reported = Tally()
        for text_ids in (job.first, sorted(set(job.wanted).difference(job.first))):
            texts = {text_id: task.texts[text_id] for text_id in text_ids}
            for step in live.prepare(texts, job.fresh, tally):
                self._report(job, step, tally.n_run - reported.n_run, tally.n_cached - reported.n_cached)
                reported = copy(tally)
                yield
        send(self._out, jobs.Prepared(job=job.job, seconds=tally.fetching_s))

    def _apply(self, job: jobs.Apply, task: Task) -> Iterator[None]:
        live = self._live(job, task)
        tally = Tally()
        steps = live.change(task.placements, task.texts, set(job.fresh), tally)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                results = end.value
                break
            self._report(job, step)
            yield
        live.forget(job.dropped)
        self._corpora[job.corpus].applied = job.job
        send(self._out, jobs.Applied(corpus=job.corpus, job=job.job, results=results, cost=tally.cost))

    def _settle(self, job: jobs.Settle) -> Iterator[None]:
        live = self._applied(job)
        steps = live.settle()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                send(self._out, jobs.Settled(job=job.job, results=end.value))
                return
            yield

    def _score(self, job: jobs.Score) -> Iterator[None]:
        live = self._applied(job)
        draft = yield from live.score(
            job.text, job.text_id, job.instead_of, job.concept, job.concepts, explain=job.explain
        )
        if job.explain:
            wording = yield from self._corpora[job.corpus].wording()
            prose = wording.of(job.text, job.concept, job.path)
            draft = msgspec.structs.replace(draft, prose=prose)
        send(self._out, jobs.Scored(job=job.job, draft=draft))

    def _write(self, job: jobs.Write) -> Iterator[Step]:
        live = self._applied(job)
        results = None
        while results is None:  # a change may come in between
            results = yield from live.for_files(with_evidence=job.with_evidence)
        readout = live.readout()
        tensors = {str(block): vectors.contiguous() for block, vectors in readout.vectors.items()}
        tensors |= {f"{block}.mean": mean.contiguous() for block, mean in readout.means.items()}
        try:
            safetensors.torch.save_file(tensors, job.file)
        except (OSError, safetensors.SafetensorError) as error:
            raise AmygdalaError(f"cannot write {job.file}: {error}") from error
        facts = methods.facts(live.extractor, self._corpora[job.corpus].settings)
        applied = self._corpora[job.corpus].applied
        send(self._out, jobs.Written(job=job.job, of=applied, results=results, norms=readout.norms, facts=facts))

    def _live(self, job: jobs.Prepare | jobs.Apply, task: Task) -> LiveCorpus:
        """The corpus's live state, begun where there is none; loads the model if it is missing or not deep enough."""
        held = self._corpora[job.corpus]
        if self._model is None or not is_deep_enough(self._model, job.settings):
            self.load(job.settings)
        assert self._model is not None
        if held.live is None:
            chosen_for, layers = self._layers.get(job.corpus, (None, []))
            if chosen_for != job.settings:
                layers, _ = layers_for(
                    self._model,
                    job.settings,
                    self._store,
                    task.placements,
                    task.texts,
                    lambda done, total: self._report(job, Step(done, total)),
                )
                self._layers[job.corpus] = job.settings, layers
            held.live = LiveCorpus(self._model, job.settings, self._store, layers, with_evidence=True)
        return held.live

    def _applied(self, job: jobs.AnyJob) -> LiveCorpus:
        """The corpus's state, which a job about it cannot do without."""
        live = self._corpora.live(job.corpus)
        if live is None:
            raise _NoState
        return live

    def _report(self, job: jobs.AnyJob, step: Step, run: int = 0, cached: int = 0) -> None:
        if step.total or step.ids:
            advanced = jobs.Advanced(
                job=job.job, done=step.done, total=step.total, ids=list(step.ids), run=run, cached=cached
            )
            send(self._out, advanced)

    def _drop(self, tasks: list[Task], failure: str = "") -> None:
        for task in tasks:
            self._tasks.remove(task)
            send(self._out, jobs.Dropped(job=task.job.job, failure=failure))

    def _fail(self, task: Task, message: str) -> None:
        self._tasks.remove(task)
        send(self._out, jobs.Failed(corpus=task.job.corpus, job=task.job.job, message=message))
        if isinstance(task.job, jobs.Score | jobs.Write):
            return
        self._corpora[task.job.corpus].forget_state()  # it may be half changed
        self._drop([other for other in self._tasks if other.job.corpus == task.job.corpus], failure=message)


class _NoState(Exception):
    """The job is about a state that does not exist, or no longer does."""


def send(out: BinaryIO, message: jobs.FromWorker) -> None:
    """Write one answer."""
    out.write(msgspec.json.encode(message) + b"\n")
    out.flush()


def main(arguments: list[str]) -> int:
    """Load the model, then carry out jobs until standard input ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(process)d %(message)s", stream=sys.stderr)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    settings = msgspec.json.decode(arguments[0], type=Settings)
    loop = JobLoop(Store(paths.cache_dir()), out)
    try:
        loop.load(settings)
    except AmygdalaError as error:
        send(out, jobs.Failed(corpus="", job=0, message=str(error)))
        return 1
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(inbox,), daemon=True).start()
    return _serve(loop, inbox)


def _serve(loop: JobLoop, inbox: queue.SimpleQueue[bytes]) -> int:
    """Take in every message that has come before each step; an empty line ends the loop."""
    decoder = msgspec.json.Decoder(jobs.ToWorker)
    while True:
        try:
            line = inbox.get(block=not loop.has_work)
        except queue.Empty:
            loop.step()
            continue
        if not line:
            return 0
        loop.accept(decoder.decode(line))


def _read(inbox: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        inbox.put(line)
    inbox.put(b"")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
