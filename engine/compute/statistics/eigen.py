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
    with _threads_for(matrices):
        values: Tensor = torch.linalg.eigvalsh(matrices)
    return values


def eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """`torch.linalg.eigh` of `[..., n, n]`: ascending values, and vectors in columns."""
    with _threads_for(matrices):
        values, vectors = torch.linalg.eigh(matrices)
    return values, vectors


@contextmanager
def _threads_for(matrices: Tensor) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if matrices.shape[-1] <= ONE_THREAD_UP_TO else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
