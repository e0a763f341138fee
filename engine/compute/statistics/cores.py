"""Independent computations side by side, each on its share of the cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(call: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What a call gives for each item, in their order; as many at a time as torch may use threads.

    LAPACK gains little or nothing from a second thread for one small matrix, and all of it for a second matrix. Torch
    lets go of Python's lock meanwhile.

    Raises:
        Whatever a call raises.
    """
    threads = torch.get_num_threads()
    at_once = min(threads, len(items))
    if at_once < 2:
        return [call(item) for item in items]
    try:
        with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(threads // at_once,)) as pool:
            return list(pool.map(call, items))
    finally:
        torch.set_num_threads(threads)  # MKL has one number for all threads
