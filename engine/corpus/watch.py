"""Noticing that a corpus changed, whoever changed it, as soon as the change is whole."""

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
"""Seconds for which a story that is missing or empty is waited for: while an editor saves, it is either."""

BURST = 20
"""More paths than these are no save but a checkout or a copy, of which the whole is waited for."""

QUIET = 0.1
"""Seconds without an event that end a burst; and in which new folders come to be watched."""

PATIENCE = 1.6
"""Seconds after which a burst that does not end is told of as far as it has come."""

SURE = 500
"""As many changes at once, and no more, are taken to be all: watchfiles drops events that come while it hands others
over, and the kernel those that nobody fetches in time."""


def polled_because(corpus: Path) -> str:
    """Words for why `changes` looks every `POLL` seconds; none where the corpus's file system gives events."""
    return mounts.polled_because(corpus, POLL)


async def changes(
    corpus: Path, stop: asyncio.Event, *, say: Callable[[str], None] | None = None
) -> AsyncIterator[frozenset[str] | None]:
    """Yield the paths below `corpus`, with forward slashes, that may have changed; None when any may have.

    The directory is watched, not its files: editors replace files, and a watch on a file dies with it. A save is told
    once it is whole, a burst in few pieces. A folder that is taken away and put back (by a branch switch, say) is
    watched again. What cannot be watched is looked at every `POLL` seconds.

    Args:
        corpus: the folder, whether or not it is there now.
        stop: ends the iteration once it is set.
        say: told why it has begun to poll, and the empty string when it watches again.
    """
    corpus = Path(os.path.abspath(corpus))  # noqa: PTH100  (it is how the system's events spell it)
    said = ""

    def tell(words: str) -> None:
        nonlocal said
        if words != said:
            said = words
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
                    async with contextlib.aclosing(_watch(corpus, stop)) as told:
                        async for paths in told:
                            tell("")
                            if paths != frozenset():
                                yield paths
                except Exception as error:  # whatever the system's way of watching raises, looking still works
                    tell(f"it cannot be watched ({error}), so it is looked at every {POLL:g} s")
                if stop.is_set():
                    return
            yield None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL)


async def _watch(corpus: Path, stop: asyncio.Event) -> AsyncGenerator[frozenset[str] | None, None]:
    """What changed, until the folder is gone or another; first, once the watch stands, None after a gap, or nothing."""
    watched = _identity(corpus)
    ended = _Either(stop)
    events = _events(corpus, ended)
    pending = _Pending(corpus)
    upcoming = asyncio.ensure_future(_next(events))
    try:
        await asyncio.sleep(0)  # its first step sets up the watch
        if not upcoming.done():
            yield None  # for what happened before it stood
        while True:
            await asyncio.wait({upcoming}, timeout=pending.wait())
            if upcoming.done():
                found = upcoming.result()
                if found is None or _identity(corpus) != watched:
                    return
                pending.add(path for _, path in found)
                upcoming = asyncio.ensure_future(_next(events))
            if pending.is_whole():
                yield pending.take()
    finally:
        ended.set()  # the thread that waits for events looks at this at every step
        await asyncio.wait({upcoming})
        if not upcoming.cancelled():
            upcoming.exception()  # raised already, if it matters
        await events.aclose()


def _events(corpus: Path, stop: asyncio.Event) -> AsyncGenerator[set[tuple[Any, str]], None]:
    """Sets of changes; an empty one every few seconds, in which to see whether the folder is still the same."""
    from watchfiles import awatch

    return awatch(
        corpus,
        watch_filter=None,
        debounce=int(500 * PATIENCE),
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
    """What has changed and is not told yet."""

    def __init__(self, corpus: Path) -> None:
        self._corpus = corpus
        self._seen: dict[str, float] = {}
        """When each path last had an event; the empty path stands for all."""
        self._first = 0.0
        self._last = 0.0
        self._due = 0.0

    def add(self, files: Iterable[str]) -> None:
        """Take note of events."""
        now = time.monotonic()
        files = list(files)
        paths = [path for path in (os.path.relpath(file, self._corpus) for file in files) if self._matters(path)]
        if not paths and len(files) <= SURE:
            return
        if not self._seen:
            self._first = now
        self._last = self._due = now
        self._seen.update(("" if path == os.curdir else path, now) for path in paths)
        if len(files) > SURE:
            self._seen[""] = now

    def wait(self) -> float | None:
        """Seconds until it may be whole, if nothing more comes; None if there is nothing."""
        return max(0.0, self._due - time.monotonic()) if self._seen else None

    def is_whole(self) -> bool:
        """Whether all is there that an editor, or whoever it was, is about to write; if not, when to ask again."""
        if not self._seen:
            return False
        now = time.monotonic()
        left = self._first + PATIENCE - now
        is_burst = len(self._seen) > BURST or not all(map(_is_text, self._seen))
        more = self._last + QUIET - now if is_burst else 0.0
        if more <= 0:
            more = max(self._unfinished(path, now) for path in self._seen)
        more = min(more, left)
        self._due = now + more
        return more <= 0

    def take(self) -> frozenset[str] | None:
        """All of it; but a story that is missing at the end of all patience, and not for long, is kept back."""
        now = time.monotonic()
        kept = {path: at for path, at in self._seen.items() if now - at < HOLD and self._unfinished(path, now) > STEP}
        told = self._seen.keys() - kept
        self._seen, self._first, self._due = kept, now, now + HOLD
        return None if "" in told else frozenset(told)

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
    """Set when it is, or another event."""

    def __init__(self, other: asyncio.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()


def _is_text(path: str) -> bool:
    return path.endswith(".txt")


def _identity(corpus: Path) -> tuple[int, int] | None:
    try:
        info = corpus.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino
