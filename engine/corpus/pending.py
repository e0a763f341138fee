"""What has changed below a corpus and is not told yet: a save counts once it is complete, a burst once it ends."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from engine.corpus import accepted, relatives
from engine.corpus.entries import ENDING, is_silent

STEP = 0.005
"""Seconds without an event, or without a write to a file, after which it counts as written."""

HOLD = 0.15
"""Seconds to wait for a story that is missing or empty: while an editor saves it, a file is one or the other."""

BURST = 20
"""More changed paths than these come from a checkout or a copy, whose end is waited for."""

QUIET_S = 0.1
"""Seconds without an event that end a burst; in that time new folders come to be watched, too."""

PATIENCE_S = 1.6
"""Seconds after which a burst that does not end is reported as far as it has come."""

COMPLETE_UP_TO = 500
"""Up to so many events at once are taken to be all events. Beyond that anything may have changed: watchfiles drops
events that come while it hands others over, and the kernel drops those that nobody fetches in time."""


class Pending:
    """What has changed and is not reported yet. It asks the file system, which may take for ever."""

    def __init__(self, corpus: Path) -> None:
        self._corpus = corpus
        self._seen: dict[str, float] = {}
        """When each path last had an event; the empty path stands for all."""
        self._has_folder = False
        """Whether a path in it may be a folder, in which there may be more than events tell."""
        self._first_at = 0.0
        self._last_at = 0.0
        self._due_at = 0.0

    def step(self, files: Iterable[str]) -> list[frozenset[str] | None]:
        """Take note of events, and give what is whole by now: nothing, or one set of paths; None for all."""
        self._add(files)
        if not self._is_whole():
            return []
        paths = self._take()
        return [] if paths == frozenset() else [paths]

    def wait(self) -> float | None:
        """Seconds until the change may be complete, if no more events come; None if nothing is pending."""
        return max(0.0, self._due_at - time.monotonic()) if self._seen else None

    def _add(self, files: Iterable[str]) -> None:
        now = time.monotonic()
        files = list(files)
        kinds = {path: self._kind(path) for path in {os.path.relpath(file, self._corpus) for file in files}}
        paths = [path for path, kind in kinds.items() if kind]
        if not paths and len(files) <= COMPLETE_UP_TO:
            return
        if not self._seen:
            self._first_at = now
        self._last_at = self._due_at = now
        self._seen.update(("" if path == os.curdir else path, now) for path in paths)
        self._has_folder |= "folder" in kinds.values()
        if len(files) > COMPLETE_UP_TO:
            self._seen[""] = now

    def _is_whole(self) -> bool:
        """Whether the writer, an editor for example, seems to be done; if not, `wait` says when to ask again."""
        if not self._seen:
            return False
        now = time.monotonic()
        patience_left_s = self._first_at + PATIENCE_S - now
        wait_s = self._last_at + QUIET_S - now if len(self._seen) > BURST or self._has_folder else 0.0
        if wait_s <= 0:
            wait_s = max(self._unfinished(path, now) for path in self._seen)
        wait_s = min(wait_s, patience_left_s)
        self._due_at = now + wait_s
        return wait_s <= 0

    def _take(self) -> frozenset[str] | None:
        """Take what is pending. A story that went missing just before the end of the patience stays pending."""
        now = time.monotonic()
        unfinished = {
            path: at for path, at in self._seen.items() if now - at < HOLD and self._unfinished(path, now) > STEP
        }
        complete = self._seen.keys() - unfinished
        self._seen, self._has_folder, self._first_at, self._due_at = unfinished, False, now, now + HOLD
        return None if "" in complete else frozenset(complete)

    def _kind(self, path: str) -> str:
        """What a path may be: a `text`, a `folder`, an `other` file where stories are; empty for none of these."""
        parts = [] if path == os.curdir else path.split("/")
        if any(map(is_silent, parts)):
            return ""
        if not parts:
            return "folder"
        if path in (accepted.FILE, relatives.FILE):
            return "other"
        if path.endswith(ENDING):
            return "text"
        depth = {"stories": 2, "paired": 3}.get(parts[0], 1)
        try:
            if stat.S_ISDIR((self._corpus / path).stat().st_mode):
                return "folder"
        except OSError:
            if len(parts) == 1 or (len(parts) == 2 and parts[0] != "stories"):
                return "folder"
        return "other" if 1 < len(parts) <= depth else ""

    def _unfinished(self, path: str, now: float) -> float:
        """Seconds to wait for a story that is missing, empty or just being written."""
        if not path.endswith(ENDING):
            return 0.0
        try:
            info = (self._corpus / path).stat()
        except OSError:
            return self._seen[path] + HOLD - now
        if not stat.S_ISREG(info.st_mode):
            return 0.0
        return self._seen[path] + HOLD - now if info.st_size == 0 else info.st_ctime + STEP - time.time()
