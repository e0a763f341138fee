"""The end when the terminal is gone: a link was cut, or a window closed (SIGHUP)."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

_finishing: set[asyncio.Task[None]] = set()
"""Kept, so that a task is not collected while it runs."""


def on_hang_up(finish: Callable[[], Coroutine[Any, Any, None]], within_s: float) -> None:
    """Have some work done before the hang-up ends this process, as it would have done at once.

    The event loop may be in a write to the terminal that never ends: an alarm ends the process then. Call it in the
    main thread, in a running loop.

    Args:
        finish: the work.
        within_s: seconds that it has.
    """
    loop = asyncio.get_running_loop()

    async def finish_and_end() -> None:
        await finish()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGHUP)

    def hung_up(*_: object) -> None:
        signal.alarm(math.ceil(within_s))
        loop.call_soon_threadsafe(lambda: _finishing.add(loop.create_task(finish_and_end())))

    signal.signal(signal.SIGHUP, hung_up)
