"""The worker process: holds one model, keeps the state of the corpora that use it, and exits when its pipe closes.

Run as `python -m engine.compute.worker SETTINGS-JSON`: requests come in on standard input, answers go out on
standard output, one JSON document per line (`engine.work`); whatever else is printed goes to standard error.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from typing import BinaryIO

import msgspec

from engine import paths, work
from engine.compute.live import LiveCorpus
from engine.compute.models import LoadedModel, load
from engine.compute.store import Store
from engine.errors import AmygdalaError
from engine.settings import Settings

log = logging.getLogger("engine.worker")


class Worker:
    """Answers requests until there are no more."""

    def __init__(self, model: LoadedModel, store: Store, out: BinaryIO) -> None:
        self._model = model
        self._store = store
        self._out = out
        self._corpora: dict[str, tuple[Settings, LiveCorpus, dict[str, str]]] = {}

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
                    if self._model.device.type == "cuda":
                        raise SystemExit(1) from error  # a CUDA fault spoils the context: only a new process recovers
            case work.Forget(corpus=corpus):
                self._corpora.pop(corpus, None)

    def _apply(self, request: work.Apply) -> None:
        settings, live, texts = self._state(request)
        texts |= request.texts

        def progress(done: int, total: int) -> None:
            send(self._out, work.Advanced(corpus=request.corpus, job=request.job, done=done, total=total))

        results = live.apply(request.placements, texts, fresh=set(request.fresh), progress=progress)
        used = {placement.text_id for placement in request.placements}
        kept = {text_id: text for text_id, text in texts.items() if text_id in used}
        self._corpora[request.corpus] = settings, live, kept
        send(self._out, work.Applied(corpus=request.corpus, job=request.job, results=results))

    def _state(self, request: work.Apply) -> tuple[Settings, LiveCorpus, dict[str, str]]:
        known = self._corpora.get(request.corpus)
        if known is not None and known[0] == request.settings:
            return known
        return request.settings, LiveCorpus(self._model, request.settings, self._store), {}

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
    started = time.perf_counter()
    try:
        model = load(settings, store.digest)
    except AmygdalaError as error:
        send(out, work.Failed(corpus="", job=0, message=str(error)))
        return 1
    size = sum(p.numel() * p.element_size() for p in model.module.parameters())
    send(out, work.Loaded(device=str(model.device), seconds=time.perf_counter() - started, bytes=size))
    worker = Worker(model, store, out)
    decoder = msgspec.json.Decoder(work.ToWorker)
    for line in sys.stdin.buffer:
        worker.handle(decoder.decode(line))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
