"""Noticing that a corpus changed, whoever changed it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

log = logging.getLogger(__name__)

POLL = 2.0
"""Seconds between looks where the system gives no events (no watches left, say)."""


async def changes(corpus: Path, stop: asyncio.Event, *, settle_ms: int = 60) -> AsyncIterator[None]:
    """Yield once whenever something below `corpus` changed and then stayed quiet for `settle_ms`.

    The directory is watched, not its files: editors replace files, and a watch on a file dies with it. What
    changed is left to a rescan, which also folds an editor's save dance into the one change that it means.
    """
    from watchfiles import Change, awatch

    def may_matter(_: Change, path: str) -> bool:
        parts = Path(path).relative_to(corpus).parts
        return not any(part.startswith(".") or part.endswith("~") for part in parts)

    watcher = awatch(
        corpus,
        watch_filter=may_matter,
        debounce=1600,
        step=settle_ms,
        stop_event=stop,
        recursive=True,
        ignore_permission_denied=True,
    )
    try:
        async for _ in watcher:
            yield
    except (OSError, RuntimeError) as error:
        log.warning("%s cannot be watched (%s): looking every %.0f s instead", corpus, error, POLL)
        while not stop.is_set():
            yield
            await asyncio.sleep(POLL)
