"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE = 60.0
"""Seconds after which a condition is taken never to come true."""


def eventually(condition: Callable[[], T], within: float = DEADLINE) -> T:
    """The first true value of `condition`."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, f"not true within {within} s: {condition}"
        time.sleep(0.02)
    return value


async def eventually_async(condition: Callable[[], T], within: float = DEADLINE) -> T:
    """As `eventually`, letting other tasks run."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, f"not true within {within} s: {condition}"
        await asyncio.sleep(0.01)
    return value
