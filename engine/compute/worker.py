"""The worker process: holds one model, keeps the state of the corpora that use it, and exits when its pipe closes.

Run as `python -m engine.compute.worker SETTINGS-JSON`: requests come in on standard input, answers go out on
standard output, one JSON document per line (`engine.work`); whatever else is printed goes to standard error.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
import traceback
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
import torch

from engine import paths, work
from engine.compute.live import LiveCorpus
from engine.compute.models import LoadedModel
from engine.compute.reading import is_deep_enough, layers_for, load_for
from engine.compute.store import Store
from engine.errors import AmygdalaError
from engine.settings import Settings

log = logging.getLogger("engine.worker")


@dataclass
class Hosted:
    """What the worker knows of one corpus."""

    settings: Settings
    texts: dict[str, str]
    live: LiveCorpus | None = None


class Worker:
    """Answers requests until there are no more."""

    def __init__(self, store: Store, out: BinaryIO) -> None:
        self._model: LoadedModel | None = None
        self._store = store
        self._out = out
        self._corpora: dict[str, Hosted] = {}
        self._layers: dict[str, tuple[Settings, list[int]]] = {}
        """What a sweep chose, by corpus: it stands for as long as the corpus is open, whatever fails."""

    def load(self, settings: Settings) -> LoadedModel:
        """Load the model as deep as these settings read it, in place of the one that is there; say so.

        Raises:
            AmygdalaError: it cannot be loaded.
        """
        for hosted in self._corpora.values():  # each holds on to the old model, and finds in the store what it knew
            hosted.live = None
        self._model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        started = time.perf_counter()
        model = self._model = load_for(settings, self._store.digest)
        for warning in model.warnings:
            log.warning(warning)
        seconds = time.perf_counter() - started
        send(self._out, work.Loaded(device=model.placement, seconds=seconds, bytes=model.bytes_held))
        return model

    def handle(self, request: work.ToWorker) -> None:
        """Do what one request asks and send the answer."""
        match request:
            case work.Apply():
                try:
                    self._apply(request)
                except AmygdalaError as error:
                    self._fail(request, str(error))
                except Exception as error:
                    log.exception("job %d on %s failed", request.job, request.corpus)
                    self._fail(request, f"the engine met an error it did not expect: {error}\n{traceback.format_exc()}")
                    if torch.cuda.is_available():
                        raise SystemExit(1) from error  # a CUDA fault spoils the context: only a new process recovers
            case work.Forget(corpus=corpus):
                self._corpora.pop(corpus, None)
                self._layers.pop(corpus, None)

    def _apply(self, request: work.Apply) -> None:
        model = self._model
        if model is None or not is_deep_enough(model, request.settings):
            model = self.load(request.settings)
        hosted = self._hosted(request)

        def progress(done: int, total: int) -> None:
            send(self._out, work.Advanced(corpus=request.corpus, job=request.job, done=done, total=total))

        if hosted.live is None:
            known, layers = self._layers.get(request.corpus, (None, []))
            if known != request.settings:
                layers, _ = layers_for(model, request.settings, self._store, request.placements, hosted.texts, progress)
                self._layers[request.corpus] = request.settings, layers
            hosted.live = LiveCorpus(model, request.settings, self._store, layers)
        results = hosted.live.apply(request.placements, hosted.texts, fresh=set(request.fresh), progress=progress)
        used = {placement.text_id for placement in request.placements}
        hosted.texts = {text_id: text for text_id, text in hosted.texts.items() if text_id in used}
        send(self._out, work.Applied(corpus=request.corpus, job=request.job, results=results))

    def _hosted(self, request: work.Apply) -> Hosted:
        """What is known of the request's corpus, with the request's texts."""
        hosted = self._corpora.get(request.corpus)
        if hosted is None or hosted.settings != request.settings:
            hosted = self._corpora[request.corpus] = Hosted(request.settings, {})
        hosted.texts |= request.texts
        return hosted

    def _fail(self, request: work.Apply, message: str) -> None:
        # the state may be half changed, so the next request starts from nothing (activations are in the store)
        self._corpora.pop(request.corpus, None)
        send(self._out, work.Failed(corpus=request.corpus, job=request.job, message=message))


def send(out: BinaryIO, message: work.FromWorker) -> None:
    """Write one answer."""
    out.write(msgspec.json.encode(message) + b"\n")
    out.flush()


def main(arguments: list[str]) -> int:
    """Load the model, then serve requests until standard input ends."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(process)d %(message)s", stream=sys.stderr)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    settings = msgspec.json.decode(arguments[0], type=Settings)
    store = Store(paths.cache_dir())
    worker = Worker(store, out)
    try:
        worker.load(settings)
    except AmygdalaError as error:
        send(out, work.Failed(corpus="", job=0, message=str(error)))
        return 1
    decoder = msgspec.json.Decoder(work.ToWorker)
    for line in sys.stdin.buffer:
        worker.handle(decoder.decode(line))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
