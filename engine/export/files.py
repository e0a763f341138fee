"""Writing several files as one. No torch here, so that a bad folder is found before anything heavy is imported."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from engine.errors import UsageError


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


def replace_all(folder: Path, documents: Mapping[str, bytes]) -> None:
    """Write all files under temporary names first, so that a full disk changes nothing; then rename them in order."""
    temporary: dict[str, Path] = {}
    try:
        for name, data in documents.items():
            handle, created = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            temporary[name] = Path(created)
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                os.fsync(stream.fileno())
            temporary[name].chmod(0o666 & ~_umask())
        for name, path in temporary.items():
            path.replace(folder / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
