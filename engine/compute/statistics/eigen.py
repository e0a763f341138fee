"""Symmetric eigenproblems, most of which are too small here for more than one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

ONE_THREAD_UP_TO = 1024
"""Up to this width one thread is faster than two: on two cores, 64 matrices of width 128 take a tenth of the time, and
one of width 768 takes half of it. Waking the second thread over and over costs more than it saves."""


def eigvalsh(matrices: Tensor) -> Tensor:
    """`torch.linalg.eigvalsh` of `[..., n, n]`: ascending."""
    with threads_for(matrices.shape[-1]):
        values: Tensor = torch.linalg.eigvalsh(matrices)
    return values


def eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """`torch.linalg.eigh` of `[..., n, n]`: ascending values, and vectors in columns."""
    with threads_for(matrices.shape[-1]):
        values, vectors = torch.linalg.eigh(matrices)
    return values, vectors


@contextmanager
def threads_for(width: int) -> Iterator[None]:
    """As many threads as pay for matrices of that width: within it, one up to `ONE_THREAD_UP_TO`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if width <= ONE_THREAD_UP_TO else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
