"""Writing several files as one. No torch here, so that a bad folder is found before anything heavy is imported."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from engine.errors import UsageError

VECTORS = "readout.safetensors"
MANIFEST = "readout.json"
QUALITY = "quality.json"
RUN = "run.json"


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
