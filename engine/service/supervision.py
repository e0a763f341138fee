"""Tasks that must not end unseen: one that falls is told of and begun again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

AGAIN_S = 2.0
"""Between a fall and the next attempt: a fault that lasts must not fill the log."""


async def supervised(begin: Callable[[], Coroutine[Any, Any, None]], fell: Callable[[Exception], None]) -> None:
    """Run a coroutine to its end; where it raises, tell, wait, and begin it again.

    Args:
        begin: makes the coroutine.
        fell: told of each exception; one of its own is logged.
    """
    while True:
        try:
            await begin()
        except Exception as error:
            try:
                fell(error)
            except Exception:
                log.exception("telling of a fault failed, too")
            await asyncio.sleep(AGAIN_S)
        else:
            return
