"""The numbers of a corpus's revisions: none ever stands for two contents, whatever happens to the engine or its disk.

The history is written after clients were told, so it may lack numbers that they know. A small file beside it, the mark,
holds the highest number that may have been told. It is written before that number is, for many numbers at once:

    told 1, 2, 3; the mark says 100; the engine is killed; the next engine's first number is 101
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from engine import paths

log = logging.getLogger(__name__)

BLOCK = 100
"""Numbers that one writing of the mark allows, so that few revisions wait for the disk."""
FAR = 100 * BLOCK
"""A history lacks fewer of the newest numbers that were told than this: it is written right after they are."""


class Numbers:
    """Gives out the numbers of one corpus. One thread at a time may use it.

    Engines at several sockets may share a mark: each gives out blocks of its own.
    """

    def __init__(self, mark: Path) -> None:
        self._mark = mark
        self._last = 0
        self._allowed = 0
        self._written: int | None = None
        self._failing = False

    @property
    def is_ready(self) -> bool:
        """Whether the next number can be had without the disk."""
        return self._last < self._allowed

    def first(self, recorded: int, *, is_same: bool, is_sequel: bool) -> int:
        """The number of an engine's first revision.

        Args:
            recorded: the newest number in the history; 0 if there is none.
            is_same: that number is of the present content. It is given again, if no later one may have been told.
            is_sequel: an earlier history was damaged, so that this one may lack any of its numbers.
        """
        highest = self._read()
        if highest == 0 and (recorded or is_sequel):  # somebody removed the mark, or an earlier version wrote none
            highest = None if is_sequel else recorded + FAR
        if highest is None:
            highest = _clock()
        elif is_same and highest <= recorded:
            self._last = self._allowed = recorded
            return recorded
        self._last = self._allowed = max(highest, recorded)
        return self.next()

    def next(self) -> int:
        """A number that nobody was told, and that no engine will give to another content."""
        if not self.is_ready:
            self._allow()
        self._last += 1
        return self._last

    def close(self) -> None:
        """Make the mark say what was told, so that the next engine leaves no gap."""
        with contextlib.suppress(OSError), self._lock() as folder:
            highest = self._read()
            if highest is None or highest < self._last or highest == self._written:
                self._write(self._last, folder)

    def _allow(self) -> None:
        """Allow a block of numbers; where no mark can be written, by the clock, which is ahead of all that was told."""
        try:
            with self._lock() as folder:
                start = max(self._last, self._read() or 0)
                self._write(start + BLOCK, folder)
        except OSError as error:
            start = max(self._last, _clock())
            if not self._failing:
                log.warning("revisions are numbered by the clock, since %s cannot be written: %s", self._mark, error)
            self._failing = True
        else:
            self._failing = False
        self._last, self._allowed = start, start + BLOCK

    def _read(self) -> int | None:
        """The highest number that may have been told: 0 if there is no mark, None if it cannot be read."""
        try:
            return int(self._mark.read_text("ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            return None

    def _write(self, number: int, folder: int) -> None:
        paths.write_whole(self._mark, f"{number}\n".encode(), f".{self._mark.name}.", flush=True)
        os.fsync(folder)
        self._written = number

    @contextlib.contextmanager
    def _lock(self) -> Iterator[int]:
        """The folder's descriptor, while no other engine reads or writes a mark in it."""
        paths.make_folder(self._mark.parent)
        folder = os.open(self._mark.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(folder)


def _clock() -> int:
    """Milliseconds since the epoch: revisions come more slowly, so that no engine before has told so high a number."""
    return int(time.time() * 1000)
