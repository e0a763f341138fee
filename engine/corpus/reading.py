"""Reads a file that others may swap while it is looked at: it is opened once, and only what was opened counts.

A name can stand for a story at one moment and for a link out of the corpus, or for a FIFO, at the next. So nothing that
was learnt about a name holds for what is opened by it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path


class OutsideError(Exception):
    """What the name stands for lies outside the corpus."""


def read(path: str, roots: Collection[str], at_most: int) -> bytes:
    """The first `at_most` bytes of a regular file that lies below one of the real paths `roots`.

    Args:
        path: its name; a link is not followed, so that whoever follows one passes where it leads.

    Raises:
        OutsideError: it lies elsewhere; it is not read.
        OSError: it is no regular file, or cannot be read.
    """
    # O_NONBLOCK: a FIFO without a writer would be waited for
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(None, "not a regular file", path)
        if not is_below(_real_path(descriptor, path, info), roots):
            raise OutsideError
        parts, n_left = [], at_most
        while n_left and (part := os.read(descriptor, n_left)):
            parts.append(part)
            n_left -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def is_below(real: str, roots: Collection[str]) -> bool:
    """Whether a real path is one of the real paths `roots`, or lies below one."""
    return any(real == root or real.startswith(root.rstrip("/") + "/") for root in roots)


def _real_path(descriptor: int, path: str, info: os.stat_result) -> str:
    """Where the opened file lies.

    Raises:
        OSError: the name stands for another file by now (where the system does not tell of the opened one).
    """
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  (pathlib takes four times as long)
    except FileNotFoundError:  # no /proc
        real = os.path.realpath(path)
        if not os.path.samestat(info, Path(real).lstat()):
            raise OSError(None, "it was swapped for another file while it was read") from None
        return real
