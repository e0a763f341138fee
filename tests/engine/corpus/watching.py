"""A watch that a test can ask what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from engine.corpus.watch import changes
from tests.waiting import eventually_async

STORY = "stories/joyful.txt"


class Watch:
    """What `changes` yields, and what was on disk then."""

    def __init__(self, corpus: Path) -> None:
        self.corpus = corpus
        self.yielded: list[frozenset[str] | None] = []
        self.texts: list[str | None] = []
        """What `stories/joyful.txt` held at each yield that was about it."""
        self.said: list[str] = []
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self._collect())

    @property
    def noticed(self) -> int:
        return len(self.yielded)

    @property
    def named(self) -> set[str]:
        return {path for paths in self.yielded if paths is not None for path in paths}

    async def _collect(self) -> None:
        async for paths in changes(self.corpus, self.stop, say=self.said.append):
            if paths is None or STORY in paths:
                file = self.corpus / STORY
                self.texts.append(file.read_text() if file.exists() else None)
            self.yielded.append(paths)

    async def notices(self, change: Callable[[], object]) -> None:
        """Make a change and wait until it is noticed."""
        before = self.noticed
        change()
        await eventually_async(lambda: self.noticed > before)

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 30)
