"""The log of an engine in the background: its standard error, which goes to a file that must not grow without bound."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from engine import paths

MAX_BYTES = 5 << 20
"""Of the log; what is beyond is set aside, once more as much."""
STANDARD_ERROR = 2


def rotate(log: Path, descriptor: int = STANDARD_ERROR) -> bool:
    """Set a log aside that has grown too large, and empty it; returns whether it was.

    The file is emptied and not replaced, because the engine and its models' processes have it open. They append, so
    that what they write next is at its new end.

    Args:
        log: the file.
        descriptor: open for appending; nothing is done unless it is of that file (an engine in the foreground).
    """
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or not os.path.samestat(info, log.stat()) or info.st_size <= MAX_BYTES:
            return False
        aside = log.with_suffix(".old.log")
        paths.make_file(aside)
        shutil.copyfile(log, aside)
        os.ftruncate(descriptor, 0)
    except OSError:  # a full disk: the next look may do better
        return False
    return True
