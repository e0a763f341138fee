"""Notices that a corpus changed, whoever changed it, as soon as the change is complete."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from engine.corpus.events import Events
from engine.corpus.pending import Pending
from engine.corpus.survey import Survey, survey
from engine.threads import in_thread

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL = 2.0
"""Seconds between looks at a folder that is gone, or for which the system gives no events (no watches left, say)."""


async def changes(
    corpus: Path, stop: asyncio.Event, *, say: Callable[[str], None] | None = None
) -> AsyncIterator[frozenset[str] | None]:
    """Yield the paths below `corpus`, with forward slashes, that may have changed; None when any may have.

    The directory is watched, not its files: editors replace files, and a watch on a file ends with it. A save is
    reported once it is complete, a burst in few pieces. A folder that is taken away and put back (by a branch switch,
    for example) is watched again. What cannot be watched is polled every `POLL` seconds.

    No error ends it, and nothing that asks the file system runs on the event loop.

    Args:
        corpus: the folder, whether or not it is there now.
        stop: ends the iteration once it is set.
        say: called with words for why it polls, and with the empty string when it watches again.
    """
    corpus = Path(os.path.abspath(corpus))  # noqa: PTH100  (the system's events spell paths so)
    last_words = ""

    def tell(words: str) -> None:
        nonlocal last_words
        if words:
            words += f", so it is looked at every {POLL:g} s"
        if words != last_words:
            last_words = words
            if words:
                log.warning("%s: %s", corpus, words)
            if say is not None:
                say(words)

    with contextlib.suppress(_StoppedError):
        while True:
            seen = await _unless(stop, in_thread(survey, corpus))
            if seen.unwatchable:
                tell(seen.unwatchable)
            elif seen.identity is not None:
                try:
                    async with contextlib.aclosing(_watch(corpus, seen, stop, tell)) as batches:
                        async for paths in batches:
                            yield paths
                    continue
                except _StoppedError:
                    raise
                except Exception as error:  # whatever watching raises on this system, polling still works
                    words = str(error).partition(" (Error {")[0]  # what follows repeats it for programmers
                    tell(f"{seen.incomplete}; it cannot be watched ({words})".removeprefix("; "))
            if seen.identity is not None or seen.unwatchable:
                yield None
            with contextlib.suppress(TimeoutError):
                await _unless(stop, stop.wait(), within_s=POLL)


async def _watch(
    corpus: Path, seen: Survey, stop: asyncio.Event, tell: Callable[[str], None]
) -> AsyncGenerator[frozenset[str] | None, None]:
    """Yield what changed, until the folder is gone or replaced, or there are new folders in it.

    None comes first, for changes before the watch stood, and every `POLL` seconds where events do not tell everything.
    A watch takes in new folders as they come, but does not say where it fails to: where no watches are left, or where
    it may not read. So a watch that is set up anew has to prove that it can.
    """
    events = Events(corpus)
    pending = Pending(corpus)
    try:
        await _unless(stop, events.batch())
        tell(seen.incomplete)
        yield None
        survey_at = time.monotonic() + POLL
        while True:
            wait_s = max(0.0, survey_at - time.monotonic())
            wait_s = min(wait_s, pending_s) if (pending_s := pending.wait()) is not None else wait_s
            try:
                batch = await _unless(stop, events.batch(), within_s=wait_s)
            except TimeoutError:
                batch = set()
            if batch or pending.wait() == 0.0:
                for paths in await _unless(stop, in_thread(pending.step, batch)):
                    yield paths
            if str(corpus) in batch:  # it may be gone, or another one
                survey_at = 0.0
            if time.monotonic() >= survey_at:
                before, seen = seen, await _unless(stop, in_thread(survey, corpus))
                if seen.identity != before.identity or seen.unwatchable or seen.watchable - before.watchable:
                    yield None
                    return
                tell(seen.incomplete)
                if seen.incomplete:
                    yield None
                survey_at = time.monotonic() + POLL
    finally:
        events.end()


class _StoppedError(Exception):
    pass


async def _unless(stop: asyncio.Event, call: Coroutine[Any, Any, T], *, within_s: float | None = None) -> T:
    """What a call gives.

    Raises:
        _StoppedError: `stop` is set before the call gives anything; the call is given up.
        TimeoutError: it gives nothing within the time.
    """
    calling, stopping = asyncio.ensure_future(call), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({calling, stopping}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            raise _StoppedError
        if not calling.done():
            raise TimeoutError
        return calling.result()
    finally:
        calling.cancel()
        stopping.cancel()
