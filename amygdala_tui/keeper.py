"""Writes what is to be there next time: behind the writer's back, not too often, and once more on leaving."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar

from engine.threads import in_thread

T = TypeVar("T")


class Keeper(Generic[T]):
    """Keeps the latest of many values on disk.

    Args:
        write: writes one value; called in a thread, never twice at a time. What it cannot write (OSError) is not kept.
        every_s: seconds between two writes, at least.
    """

    def __init__(self, write: Callable[[T], None], every_s: float) -> None:
        self._write = write
        self._every_s = every_s
        self._waiting: list[T] = []
        """The latest value, unless it was written."""
        self._writing: asyncio.Task[None] | None = None
        self._is_leaving = asyncio.Event()

    def keep(self, value: T) -> None:
        """Have a value written, unless a later one comes before its turn."""
        self._waiting = [value]
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())

    async def close(self, within_s: float) -> None:
        """Write at once what waits; give up a file system that does not answer in time."""
        self._is_leaving.set()
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=within_s)
            self._writing.cancel()

    async def _write_all(self) -> None:
        while self._waiting:
            with contextlib.suppress(OSError):  # the next start then begins as the first one did
                await in_thread(self._write, self._waiting.pop())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_leaving.wait(), self._every_s)
