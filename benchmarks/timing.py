"""Seconds of work, on a GPU too: its work is waited for, since calls only queue it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def wait_for_gpu() -> None:
    """Wait until the GPU, if there is one, has done all that was asked of it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(work: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> tuple[float, T]:
    """Seconds that a call took, and its result."""
    started = time.perf_counter()
    result = work(*arguments, **keywords)
    wait_for_gpu()
    return time.perf_counter() - started, result
