"""The workers in use: one for each model, shared by the corpora that use the model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection

from engine.service.process.proxy import WorkerProxy
from engine.settings import Settings
from engine.wire.status import ModelStatus

log = logging.getLogger(__name__)


class WorkerPool:
    """The workers in use. Two corpora share one if they name the same model, to be loaded in the same way and place."""

    def __init__(self) -> None:
        self._workers: dict[tuple[object, ...], WorkerProxy] = {}

    def get(self, settings: Settings) -> WorkerProxy:
        """The worker for these settings; it starts with its first job."""
        parts = settings.blocks, settings.attention_output, settings.down_projection
        key = settings.model, settings.device, settings.dtype, settings.trust_remote_code, *parts
        return self._workers.setdefault(key, WorkerProxy(settings, self._make_room))

    def status(self) -> list[ModelStatus]:
        """One entry per worker."""
        return [worker.status() for worker in self._workers.values()]

    async def rest(self, in_use: Collection[WorkerProxy], unused: float, idle: float) -> None:
        """End processes that nobody needs; those that a corpus uses start again with the next job.

        Args:
            in_use: workers of open corpora.
            unused: seconds without a job after which the process of any other worker is ended.
            idle: seconds without a job after which the process of a worker in `in_use` is ended.
        """
        now = time.monotonic()
        resting = [worker for worker in self._workers.values() if not worker.is_busy]
        self._workers = {
            key: worker
            for key, worker in self._workers.items()
            if worker in in_use or worker.is_busy or now - worker.last_used <= unused
        }
        for worker in resting:
            if now - worker.last_used > (idle if worker in in_use else unused) and worker.is_running:
                log.info("unloading %s, which has had nothing to do", worker.settings.model)
                await worker.close()

    async def close(self) -> None:
        """End all processes."""
        workers, self._workers = list(self._workers.values()), {}
        await asyncio.gather(*(worker.close() for worker in workers))

    async def _make_room(self, requester: WorkerProxy) -> bool:
        """End the process that has been idle longest, if there is one."""
        idle = [w for w in self._workers.values() if w is not requester and w.is_running and not w.is_busy]
        if not idle:
            return False
        oldest = min(idle, key=lambda worker: worker.last_used)
        log.info("unloading %s to make room for %s", oldest.settings.model, requester.settings.model)
        await oldest.close()
        return True
