"""Files of lines that writers' tools keep in a corpus: read whole or not at all, written in turn."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.corpus import reading
from engine.errors import AmygdalaError

MAX_BYTES = 1 << 24
MARKERS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")
"""What a merge leaves around lines that a person is to decide on."""


def content(corpus: str, roots: list[str], name: str) -> str:
    """A file's text; empty where there is no file.

    Args:
        corpus: the folder.
        roots: real paths; a link that leads elsewhere is not followed.
        name: of the file in the corpus.

    Raises:
        AmygdalaError: it is no text, or lies elsewhere.
        OSError: it cannot be read.
    """
    file = f"{corpus}/{name}"
    if not os.path.lexists(file):  # most corpora have none: a look costs no more than this
        return ""
    try:
        read = reading.read(os.path.realpath(file), roots, MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except reading.OutsideError:
        raise AmygdalaError(f"{name} is a link that leads out of the corpus, which is not followed") from None
    if len(read) > MAX_BYTES:
        raise AmygdalaError(f"{name} has more than {MAX_BYTES >> 20} MiB: it is something else under this name")
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        raise AmygdalaError(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8, or remove it") from None


@contextlib.contextmanager
def locked(corpus: Path) -> Iterator[None]:
    """Let two studios write in turn; where a file system has no locks on folders, nobody is kept out."""
    handle = os.open(corpus, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def mode(file: Path) -> int:
    """As the file has it; of a new one, as its folder has it: colleagues who share a corpus share this too."""
    try:
        return stat.S_IMODE(file.stat().st_mode)
    except FileNotFoundError:
        return stat.S_IMODE(file.parent.stat().st_mode) & 0o666
