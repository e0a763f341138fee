"""Noticing that a corpus changed, whoever changed it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

log = logging.getLogger(__name__)

POLL = 2.0
"""Seconds between looks at a folder that is gone, or for which the system gives no events (no watches left, say)."""


async def changes(corpus: Path, stop: asyncio.Event, *, settle_ms: int = 60) -> AsyncIterator[None]:
    """Yield once whenever something below `corpus` changed and then stayed quiet for `settle_ms`.

    The directory is watched, not its files: editors replace files, and a watch on a file dies with it. What
    changed is left to a rescan, which also folds an editor's save dance into the one change that it means. A folder
    that is taken away and put back (by a branch switch, say) is watched again.
    """
    said, gap = "", False
    while not stop.is_set():
        watched = _identity(corpus)
        if watched is not None:
            try:
                async for found in _watch(corpus, stop, settle_ms):
                    here = _identity(corpus)
                    if found or gap or here != watched:
                        gap = False
                        yield
                    if here != watched:
                        break
            except Exception as error:  # whatever the system's way of watching raises, looking still works
                if str(error) != said:
                    said = str(error)
                    log.warning("%s cannot be watched (%s): looking every %.0f s instead", corpus, error, POLL)
                yield
        gap = True  # what happens until the next watch stands is seen by looking once more then
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL)


def _watch(corpus: Path, stop: asyncio.Event, settle_ms: int) -> AsyncIterator[object]:
    """Sets of changes; an empty one every few seconds, in which to see whether the folder is still the same."""
    from watchfiles import Change, awatch

    def may_matter(_: Change, path: str) -> bool:
        parts = Path(path).relative_to(corpus).parts
        return not any(part.startswith(".") or part.endswith("~") for part in parts)

    return awatch(
        corpus,
        watch_filter=may_matter,
        debounce=1600,
        step=settle_ms,
        stop_event=stop,
        rust_timeout=int(1000 * POLL),
        yield_on_timeout=True,
        recursive=True,
        ignore_permission_denied=True,
    )


def _identity(corpus: Path) -> tuple[int, int] | None:
    try:
        info = corpus.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino
