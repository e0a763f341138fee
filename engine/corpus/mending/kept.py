"""Texts that an undo may need: every content that a writer's tools replaced or removed, by its id."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.corpus.mending.writing import content_id
from engine.paths import make_folder, write_whole

MAX_BYTES = 64 << 20
"""In memory, and as much on disk: some 80,000 stories. The oldest go first."""
PREFIX = ".writing."


class Kept:
    """Contents by id: in memory, and those that are about to vanish from the corpus on disk, for this user alone.

    What it has forgotten, the engine's history may have.

    Args:
        folder: where contents are kept beyond the process; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contents: dict[str, bytes] = {}
        """The oldest first."""
        self._n_bytes = 0
        self._n_bytes_on_disk: int | None = None
        """None until the folder was looked at."""

    def __contains__(self, key: str) -> bool:
        """Whether a content is at hand in memory."""
        return key in self._contents

    def remember(self, content: bytes) -> str:
        """Have a content at hand for this sitting; returns its id."""
        key = content_id(content)
        self._forget(key)
        self._contents[key] = content
        self._n_bytes += len(content)
        while self._n_bytes > MAX_BYTES and len(self._contents) > 1:
            self._forget(next(iter(self._contents)))
        return key

    def keep(self, content: bytes) -> str:
        """Have a content at hand, and on disk where that can be written; returns its id."""
        key = self.remember(content)
        with contextlib.suppress(OSError):  # memory has it; a full disk must not hinder the writer's task
            self._write(key, content)
        return key

    def get(self, key: str) -> bytes | None:
        """The content with an id; None where it was forgotten."""
        content = self._contents.get(key)
        if content is None:
            with contextlib.suppress(OSError):
                content = (self._folder / key).read_bytes()
        return content if content is not None and content_id(content) == key else None

    def _forget(self, key: str) -> None:
        self._n_bytes -= len(self._contents.pop(key, b""))

    def _write(self, key: str, content: bytes) -> None:
        make_folder(self._folder)
        if self._n_bytes_on_disk is None:
            self._n_bytes_on_disk = sum(file.stat().st_size for file in self._folder.iterdir())
        if not (self._folder / key).exists():
            self._n_bytes_on_disk += len(content)
        write_whole(self._folder / key, content, PREFIX, flush=True)
        if self._n_bytes_on_disk > MAX_BYTES:
            self._thin_out(key)

    def _thin_out(self, newest: str) -> None:
        """Remove the oldest quarter, so that this is rare."""
        files = [(file.stat(), file) for file in self._folder.iterdir() if file.name != newest]
        files.sort(key=lambda pair: pair[0].st_mtime_ns)
        n_bytes = self._n_bytes_on_disk or 0
        for info, file in files:
            if n_bytes <= MAX_BYTES * 3 // 4:
                break
            file.unlink(missing_ok=True)
            n_bytes -= info.st_size
        self._n_bytes_on_disk = n_bytes


def put_aside(contents: Mapping[str, bytes], folder: Path) -> Path:
    """Write contents by path into a new folder named after the time, from which a person can take them again.

    Args:
        folder: the trash of a corpus; it may lie on another file system than the corpus.

    Raises:
        OSError: it cannot be written.
    """
    when = time.strftime("%Y-%m-%d %H.%M.%S")
    make_folder(folder)
    place = _new_folder(folder, when)
    for path, content in contents.items():
        file = place / path
        make_folder(file.parent)
        write_whole(file, content, PREFIX, flush=True)
    return place


def _new_folder(folder: Path, name: str) -> Path:
    for place in _numbered(folder, name):
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
            return place
    raise AssertionError


def _numbered(folder: Path, name: str) -> Iterable[Path]:
    yield folder / name
    number = 2
    while True:
        yield folder / f"{name} ({number})"
        number += 1
