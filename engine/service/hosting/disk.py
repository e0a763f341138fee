"""One corpus on disk: the stories that are there, and which paths may have changed since the last look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.corpus import Corpus, Layout, Scanner, Story
from engine.corpus.watch import changes
from engine.threads import ANSWERS_WITHIN_S, answered_within

LOOK_EVERY_S = 10.0
"""Between two looks at everything. One that finds nothing new costs a `stat` a file: see `docs/speed.md`."""


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
        self._watch_note = ""
        """What is to be known of how the folder is watched."""
        self._noticed = noticed
        self._scanner = Scanner(Layout.below(path))
        self._changed: set[str] | None = None
        """Paths that may have changed since the last look; None for all."""

    async def watch(self, stop: asyncio.Event) -> None:
        """Notice changes until `stop` is set."""
        async for paths in changes(self._path, stop, say=self._say):
            if paths is None:
                self.distrust()
            elif self._changed is not None:
                self._changed |= paths
            self._noticed()

    def _say(self, words: str) -> None:
        self._watch_note = words
        self._note(words)

    def _say_late(self) -> None:
        self._note(f"its folder has not answered for {ANSWERS_WITHIN_S:g} s, so changes are not seen")

    def distrust(self) -> None:
        """Anything may have changed: the next look scans all."""
        self._changed = None

    async def look_now_and_then(self) -> None:
        """Have everything looked at every `LOOK_EVERY_S`, so that no change lasts unseen for which no event came.

        For example: a write through `mmap`, a swapped link into a hidden folder, a queue of events that ran over.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.distrust()
            self._noticed()

    async def look(self) -> bool:
        """Scan what may have changed; returns whether anything did."""
        changed, self._changed = self._changed, set()
        before = self.corpus
        self.corpus = await answered_within(
            ANSWERS_WITHIN_S, self._path, partial(self._scanner.scan, changed), late=self._say_late
        )
        self._note(self._watch_note)
        if self.corpus is before:
            return False
        self.stories = {story.path: story for story in self.corpus.stories}
        return True
