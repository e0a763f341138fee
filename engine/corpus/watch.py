"""Noticing that a corpus changed, whoever changed it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path


async def changes(corpus: Path, stop: asyncio.Event, *, settle_ms: int = 60) -> AsyncIterator[None]:
    """Yield once whenever something below `corpus` changed and then stayed quiet for `settle_ms`.

    The directory is watched, not its files: editors replace files, and a watch on a file dies with it. What
    changed is left to a rescan, which also folds an editor's save dance into the one change that it means.
    """
    from watchfiles import Change, awatch

    def is_story(_: Change, path: str) -> bool:
        return path.endswith(".txt") or not Path(path).suffix

    watcher = awatch(
        corpus,
        watch_filter=is_story,
        debounce=1600,
        step=settle_ms,
        stop_event=stop,
        recursive=True,
        ignore_permission_denied=True,
    )
    async for _ in watcher:
        yield
