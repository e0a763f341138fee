"""The system's events about the files below a folder, fetched by a thread that can be given up."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

from engine.corpus.pending import PATIENCE_S, STEP

AT_LEAST_EVERY_S = 60.0
"""The thread looks so often whether anybody still waits for it, even where nothing stops it."""


class Events:
    """Watches a folder from the moment it is made.

    Setting up the watch asks the file system about every folder, and fetching events asks it about new ones. A mount
    that does not answer holds both, so neither is done on the event loop, nor by a thread that Python joins at its end.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._has_ended = threading.Event()
        self._batches: asyncio.Queue[set[str] | Exception | None] = asyncio.Queue()
        threading.Thread(target=self._fetch, daemon=True, name=f"events below {folder}").start()

    async def batch(self) -> set[str]:
        """The paths of some events; none of them once, when the watch stands.

        Raises:
            Exception: whatever watching raises on this system.
        """
        batch = await self._batches.get()
        if isinstance(batch, Exception):
            raise batch
        return batch or set()

    def end(self) -> None:
        """Let the thread end, at its next step."""
        self._has_ended.set()

    def _fetch(self) -> None:
        from watchfiles import _rust_notify

        try:
            # The one system for which watchfiles polls unasked is WSL, whose own disks give events.
            is_forced = os.environ.get("WATCHFILES_FORCE_POLLING", "").lower() not in (
                "",
                "false",
                "disable",
                "disabled",
            )
            # ignore_permission_denied would swallow every error of setting up the watch, no watches left among them
            notify = _rust_notify.RustNotify([str(self._folder)], False, is_forced, 300, True, False)
            self._hand_over(None)
            debounce_ms, step_ms, timeout_ms = (int(1000 * s) for s in (PATIENCE_S / 2, STEP, AT_LEAST_EVERY_S))
            while not self._has_ended.is_set():
                changes = notify.watch(debounce_ms, step_ms, timeout_ms, self._has_ended)
                if not isinstance(changes, str):
                    self._hand_over({path for _, path in changes})
        except Exception as error:
            self._hand_over(error)

    def _hand_over(self, batch: set[str] | Exception | None) -> None:
        if not self._has_ended.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._batches.put_nowait, batch)
