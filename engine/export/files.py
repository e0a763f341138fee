"""Writing several files as one. No torch here, so that a bad folder is found before anything heavy is imported."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.errors import AmygdalaError, UsageError

VECTORS = "readout.safetensors"
MANIFEST = "readout.json"
QUALITY = "quality.json"
RUN = "run.json"
TEMPORARY = re.compile(
    rf"\.(?:{'|'.join(map(re.escape, (VECTORS, MANIFEST, QUALITY, RUN)))}|.+\.gguf)\.[a-z0-9_]{{8}}", re.DOTALL
)
"""Names of files that are being written, or that a killed writer left."""
LOCK_WITHIN = 10.0
"""Seconds to wait for another export into the same folder; replacing a set takes far less."""
LOOK_EVERY = 0.05


def prepare(folder: Path) -> None:
    """Make sure, before anything is computed, that the set can be written.

    Raises:
        UsageError: the folder cannot be made or written to.
    """
    if folder.is_file():
        raise UsageError(f"--output-dir {folder}: this is a file, not a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"--output-dir {folder}: cannot be written to: {error.strerror}") from error


def prepare_file(file: Path, flag: str) -> None:
    """Make sure, before anything is computed, that one file can be written.

    Args:
        file: may be there already.
        flag: what it was named by, for the words of the error.

    Raises:
        UsageError: it is a folder, or its folder is not there or cannot be written to.
    """
    if file.is_dir():
        raise UsageError(f"{flag} {file}: this is a folder, not a file")
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        raise UsageError(f"{flag} {file}: its folder cannot be written to: {error.strerror}") from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other exports out of a folder meanwhile, and remove what those that were killed left in it.

    The lock is the system's, on the folder itself: it ends with its process, and leaves no file. Where a file system
    has no such locks, nothing is kept out or removed.

    Raises:
        AmygdalaError: another export holds the folder, and goes on holding it.
        OSError: the folder cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _lock(handle, folder):
            for file in temporaries(folder):
                with contextlib.suppress(OSError):
                    file.unlink()
        yield
    finally:
        os.close(handle)


def temporaries(folder: Path) -> list[Path]:
    """Files of a set that an export is writing, or left when it was killed."""
    files: list[Path] = []
    for parent in (folder, folder / "gguf"):
        with contextlib.suppress(OSError):
            files += [
                Path(file)
                for file in os.scandir(parent)
                if TEMPORARY.fullmatch(file.name) and file.is_file(follow_symlinks=False)
            ]
    return sorted(files)


def _lock(handle: int, folder: Path) -> bool:
    """Lock a folder; False where its file system cannot."""
    deadline = time.monotonic() + LOCK_WITHIN
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise AmygdalaError(
                    f"another export has been writing to {folder} for {LOCK_WITHIN:.0f} s; nothing was changed there. "
                    "Try again when it has ended, or write elsewhere"
                ) from None
            time.sleep(LOOK_EVERY)
        except OSError:
            return False
        else:
            return True


def replace_all(folder: Path, documents: Mapping[str, bytes]) -> None:
    """Write all files under temporary names first, so that a full disk changes nothing; then rename them in order.

    Args:
        folder: an existing folder.
        documents: contents by name; a name may lead into a folder beneath (`gguf/calm.gguf`), which is made if needed.
    """
    temporary: dict[Path, Path] = {}
    try:
        for name, data in documents.items():
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            handle, created = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            temporary[target] = Path(created)
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                os.fsync(stream.fileno())
            temporary[target].chmod(0o666 & ~_umask())
        for target, path in temporary.items():
            path.replace(target)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    for directory in {target.parent for target in temporary}:
        _flush(directory)


def _flush(directory: Path) -> None:
    """Flush the folder itself, so that the new names of its files are on the disk too."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
