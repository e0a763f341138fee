"""One corpus on disk: the stories that are there, and which paths may have changed since the last look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from engine.corpus import Corpus, Layout, Scanner, Story
from engine.corpus.watch import changes


class Disk:
    """A corpus's folder, watched and scanned.

    Args:
        path: the folder.
        note: called with words for a person about how the folder is watched; empty where nothing is unusual.
        noticed: called when something may have changed.
    """

    def __init__(self, path: Path, note: Callable[[str], None], noticed: Callable[[], None]) -> None:
        self.corpus = Corpus(stories=(), problems=())
        """As of the last look."""
        self.stories: dict[str, Story] = {}
        """Its stories by path."""
        self._path = path
        self._note = note
        self._noticed = noticed
        self._scanner = Scanner(Layout.of(path))
        self._changed: set[str] | None = None
        """Paths that may have changed since the last look; None for all."""

    async def watch(self, stop: asyncio.Event) -> None:
        """Notice changes until `stop` is set."""
        async for paths in changes(self._path, stop, say=self._note):
            if paths is None:
                self.distrust()
            elif self._changed is not None:
                self._changed |= paths
            self._noticed()

    def distrust(self) -> None:
        """Anything may have changed: the next look scans all."""
        self._changed = None

    async def look(self) -> bool:
        """Scan what may have changed; returns whether anything did."""
        changed, self._changed = self._changed, set()
        before, self.corpus = self.corpus, await asyncio.to_thread(self._scanner.scan, changed)
        if self.corpus is before:
            return False
        self.stories = {story.path: story for story in self.corpus.stories}
        return True
