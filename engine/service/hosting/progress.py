"""Tells clients what the engine is doing: a new state at once, and progress at most four times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from engine.wire import jobs
from engine.wire.protocol import Event, Progressed
from engine.wire.snapshot import Doing

EVERY_S = 0.25
"""Seconds between two events of progress: at most four a second."""


class Announcer:
    """Keeps one corpus's `Doing` and publishes it.

    Args:
        corpus: its name.
        publish: passes an event on to those who show the corpus.
    """

    def __init__(self, corpus: str, publish: Callable[[Event], None]) -> None:
        self.doing = Doing(state="scanning")
        self.publish = publish
        self._corpus = corpus
        self._published_at = 0.0
        self._started_at = 0.0
        self._done_at_start = 0

    def __call__(self, **changes: Any) -> None:
        """Change some fields. Any state but `computing` sets the counts of texts to zero."""
        if changes.get("state", "computing") != "computing":
            changes |= {"done": 0, "total": 0, "rate": 0.0, "left": None}
        doing = msgspec.structs.replace(self.doing, **changes)
        if doing != self.doing:
            self.doing = doing
            self._published_at = time.monotonic()
            self.publish(Progressed(corpus=self._corpus, doing=doing))

    def advance(self, message: jobs.Advanced, device: str) -> None:
        """Texts went through the model."""
        if not message.total:
            return
        now = time.monotonic()
        is_new_count = message.done == 0 or message.total != self.doing.total
        if is_new_count:
            self._started_at, self._done_at_start = now, message.done
        elapsed, done = now - self._started_at, message.done - self._done_at_start
        rate = done / elapsed if done and elapsed > 0 else 0.0
        doing = msgspec.structs.replace(
            self.doing,
            state="computing",
            detail="",
            device=device,
            done=message.done,
            total=message.total,
            rate=rate,
            left=(message.total - message.done) / rate if rate else None,
        )
        if is_new_count or self.doing.state != "computing" or now - self._published_at >= EVERY_S:
            self._published_at = now
            self.publish(Progressed(corpus=self._corpus, doing=doing))
        self.doing = doing
