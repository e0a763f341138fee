"""Notices that a corpus changed, whoever changed it, as soon as the change is complete."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from engine.corpus import mounts

log = logging.getLogger(__name__)

POLL = 2.0
"""Seconds between looks at a folder that is gone, or for which the system gives no events (no watches left, say)."""

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


def polled_because(corpus: Path) -> str:
    """Words for why `changes` polls every `POLL` seconds; empty where the corpus's file system gives events."""
    return mounts.polled_because(corpus, POLL)


async def changes(
    corpus: Path, stop: asyncio.Event, *, say: Callable[[str], None] | None = None
) -> AsyncIterator[frozenset[str] | None]:
    """Yield the paths below `corpus`, with forward slashes, that may have changed; None when any may have.

    The directory is watched, not its files: editors replace files, and a watch on a file ends with it. A save is
    reported once it is complete, a burst in few pieces. A folder that is taken away and put back (by a branch switch,
    for example) is watched again. What cannot be watched is polled every `POLL` seconds.

    Args:
        corpus: the folder, whether or not it is there now.
        stop: ends the iteration once it is set.
        say: called with words for why it polls, and with the empty string when it watches again.
    """
    corpus = Path(os.path.abspath(corpus))  # noqa: PTH100  (the system's events spell paths so)
    last_words = ""

    def tell(words: str) -> None:
        nonlocal last_words
        if words != last_words:
            last_words = words
            if words:
                log.warning("%s: %s", corpus, words)
            if say is not None:
                say(words)

    while not stop.is_set():
        if corpus.is_dir():
            if words := polled_because(corpus):
                tell(words)
            else:
                try:
                    async with contextlib.aclosing(_watch(corpus, stop)) as batches:
                        async for paths in batches:
                            tell("")
                            if paths != frozenset():
                                yield paths
                except Exception as error:  # whatever watching raises on this system, polling still works
                    tell(f"it cannot be watched ({error}), so it is looked at every {POLL:g} s")
                if stop.is_set():
                    return
            yield None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL)


async def _watch(corpus: Path, stop: asyncio.Event) -> AsyncGenerator[frozenset[str] | None, None]:
    """Yield what changed, until the folder is gone or replaced; None first, for changes before the watch stood."""
    watched_identity = _identity(corpus)
    ended = _Either(stop)
    events = _events(corpus, ended)
    pending = _Pending(corpus)
    upcoming = asyncio.ensure_future(_next(events))
    try:
        await asyncio.sleep(0)  # its first step sets up the watch
        if not upcoming.done():
            yield None  # for changes before it stood
        while True:
            await asyncio.wait({upcoming}, timeout=pending.wait())
            if upcoming.done():
                batch = upcoming.result()
                if batch is None or _identity(corpus) != watched_identity:
                    return
                pending.add(path for _, path in batch)
                upcoming = asyncio.ensure_future(_next(events))
            if pending.is_whole():
                yield pending.take()
    finally:
        ended.set()  # the thread that waits for events looks at this at every step
        await asyncio.wait({upcoming})
        if not upcoming.cancelled():
            upcoming.exception()  # it has been raised above if it matters
        await events.aclose()


def _events(corpus: Path, stop: asyncio.Event) -> AsyncGenerator[set[tuple[Any, str]], None]:
    """Sets of changes; an empty one every `POLL` seconds, to check whether the folder is still the same."""
    from watchfiles import awatch

    return awatch(
        corpus,
        watch_filter=None,
        debounce=int(500 * PATIENCE_S),
        step=int(1000 * STEP),
        stop_event=stop,
        rust_timeout=int(1000 * POLL),
        yield_on_timeout=True,
        # The one system for which watchfiles polls is WSL, whose own disks give events; others are polled above.
        force_polling=None if "WATCHFILES_FORCE_POLLING" in os.environ else False,
        recursive=True,
        ignore_permission_denied=True,
    )


async def _next(events: AsyncGenerator[set[tuple[Any, str]], None]) -> set[tuple[Any, str]] | None:
    return await anext(events, None)


class _Pending:
    """What has changed and is not reported yet."""

    def __init__(self, corpus: Path) -> None:
        self._corpus = corpus
        self._seen: dict[str, float] = {}
        """When each path last had an event; the empty path stands for all."""
        self._first_at = 0.0
        self._last_at = 0.0
        self._due_at = 0.0

    def add(self, files: Iterable[str]) -> None:
        """Take note of events."""
        now = time.monotonic()
        files = list(files)
        paths = [path for path in (os.path.relpath(file, self._corpus) for file in files) if self._matters(path)]
        if not paths and len(files) <= COMPLETE_UP_TO:
            return
        if not self._seen:
            self._first_at = now
        self._last_at = self._due_at = now
        self._seen.update(("" if path == os.curdir else path, now) for path in paths)
        if len(files) > COMPLETE_UP_TO:
            self._seen[""] = now

    def wait(self) -> float | None:
        """Seconds until the change may be complete, if no more events come; None if nothing is pending."""
        return max(0.0, self._due_at - time.monotonic()) if self._seen else None

    def is_whole(self) -> bool:
        """Whether the writer, an editor for example, seems to be done; if not, `wait` says when to ask again."""
        if not self._seen:
            return False
        now = time.monotonic()
        patience_left_s = self._first_at + PATIENCE_S - now
        is_burst = len(self._seen) > BURST or not all(map(_is_text, self._seen))
        wait_s = self._last_at + QUIET_S - now if is_burst else 0.0
        if wait_s <= 0:
            wait_s = max(self._unfinished(path, now) for path in self._seen)
        wait_s = min(wait_s, patience_left_s)
        self._due_at = now + wait_s
        return wait_s <= 0

    def take(self) -> frozenset[str] | None:
        """Take what is pending. A story that went missing just before the end of the patience stays pending."""
        now = time.monotonic()
        unfinished = {
            path: at for path, at in self._seen.items() if now - at < HOLD and self._unfinished(path, now) > STEP
        }
        complete = self._seen.keys() - unfinished
        self._seen, self._first_at, self._due_at = unfinished, now, now + HOLD
        return None if "" in complete else frozenset(complete)

    def _matters(self, path: str) -> bool:
        """Whether a path may be a story, or a folder that has or had some; editors' and git's own files are neither."""
        parts = [] if path == os.curdir else path.split("/")
        if any(part.startswith(".") or part.endswith("~") or part[0] == part[-1] == "#" for part in parts):
            return False
        if not parts or _is_text(path):
            return True
        could_be_folder = len(parts) == 1 or (len(parts) == 2 and parts[0] != "stories")
        try:
            return stat.S_ISDIR((self._corpus / path).stat().st_mode)
        except OSError:
            return could_be_folder

    def _unfinished(self, path: str, now: float) -> float:
        """Seconds to wait for a story that is missing, empty or just being written."""
        if not _is_text(path):
            return 0.0
        try:
            info = (self._corpus / path).stat()
        except OSError:
            return self._seen[path] + HOLD - now
        if not stat.S_ISREG(info.st_mode):
            return 0.0
        return self._seen[path] + HOLD - now if info.st_size == 0 else info.st_ctime + STEP - time.time()


class _Either(asyncio.Event):
    """An event that also counts as set while `outer` is set."""

    def __init__(self, outer: asyncio.Event) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        return super().is_set() or self._outer.is_set()


def _is_text(path: str) -> bool:
    return path.endswith(".txt")


def _identity(corpus: Path) -> tuple[int, int] | None:
    try:
        info = corpus.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino
