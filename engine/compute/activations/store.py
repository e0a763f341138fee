"""Activations on disk, by content: what was ever computed is not computed again.

Each key has one safetensors file, written under a temporary name and renamed. An index
(`engine.compute.activations.index`) keeps sizes and times of use, so that the least recently used go first when the
store is full. Losing the index or any file only costs time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from engine import paths
from engine.compute.activations.digests import Digests
from engine.compute.activations.index import Held, Index, Kind, Row
from engine.compute.model.sketch import Sketches

log = logging.getLogger(__name__)

MAX_BYTES = 20 << 30
"""20 GiB: at two target blocks, two million stories of a small model, two hundred thousand of a large one."""
Progress = Callable[[int, int], None]
"""Told (entries read, entries to read)."""
SUFFIX = ".safetensors"
KIND, CHECKSUM = "kind", "keyed_checksum"
"""Names of the notes that the store adds to those of an entry. The checksum covers the entry's key, since a file may
come under another's name: through a repaired file system, or a copy by hand."""
MAX_HEADER = 1 << 20
"""Bytes; an entry's header takes some hundreds."""
TEMPORARY_PREFIX = "."
"""What the name of a file begins with while it is being written."""
ABANDONED = 3600.0
"""Seconds after which nobody writes to a temporary file any more."""
SAME_USE = 3600.0
"""Seconds within which a second use is not noted."""


@dataclass(frozen=True)
class Entry:
    """What is kept under one key."""

    tensors: dict[str, Tensor]
    """On the CPU."""
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Info:
    """What a store holds."""

    root: Path
    held: dict[Kind, Held]
    max_bytes: int
    oldest_use: float | None
    """Seconds since the epoch."""
    unknown: int
    """Entries on disk that the index does not have, and hence neither counts nor ever drops."""


@dataclass(frozen=True)
class Verified:
    """What reading every entry showed, and what was done about it."""

    sound: int
    damaged: int
    """Dropped, so that they are computed again."""
    stuck: int
    """Entries that cannot be read, or that are damaged and cannot be removed."""
    adopted: int
    """Sound ones that the index did not have; now it has them."""
    lost: int
    """Entries of the index whose files are gone; now it does not have them."""


@dataclass(frozen=True)
class Pruned:
    """What was removed, and what is left."""

    entries: int
    bytes: int
    temporaries: int
    """Files that a writer which was killed left behind."""
    left: int
    """Bytes."""


class Damaged(ValueError):
    """A file that is not what was once written."""


class Store:
    """A content-addressed cache of activations, shared by every process of the user."""

    def __init__(self, root: Path, max_bytes: int = MAX_BYTES) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._folder = root / "activations"
        self._index = Index(root / "index.sqlite", self._rows)
        self.digest = Digests(self._index)
        """Digests of large files, kept beside the entries."""
        self.sketches = Sketches(root / "models", self.digest.remembered)
        """Of models, kept beside the entries too."""
        self._said_refusals: set[str] = set()

    def get(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The stored entries among `keys`; a damaged one is dropped, as if it had never been there."""
        unique_keys = dict.fromkeys(keys)
        uses = self._index.uses(unique_keys)
        now = time.time()
        entries: dict[str, Entry] = {}
        unindexed: list[Row] = []
        missing, damaged, unreadable = [], [], []
        for key in unique_keys:
            file = self._file(key)
            try:
                entry, kind, size = _read(file)
            except (FileNotFoundError, NotADirectoryError):
                missing.append(key)
            except Damaged as error:
                damaged.append(f"{file}: {error}")
                missing.append(key)
                _remove(file)
            except OSError as error:  # the disk's doing, or too many open files: the entry may be sound
                unreadable.append(f"{file}: {error.strerror}")
            else:
                entries[key] = entry
                if key not in uses:
                    unindexed.append(Row(key, kind, size, now))
        if damaged:
            log.warning("dropped damaged activations (%d), to be computed again: %s", len(damaged), damaged[0])
        if unreadable:
            log.warning("activations that cannot be read (%d): %s", len(unreadable), unreadable[0])
        self._index.adopt(unindexed)
        self._index.touch([key for key in entries if key in uses and not 0 <= now - uses[key] < SAME_USE], now)
        self._index.forget({key: uses[key] for key in missing if key in uses})
        return entries

    def put(self, entries: Mapping[str, Entry], kind: Kind = "pooled") -> None:
        """Store these entries; where the disk refuses, log a warning and go on.

        Tokens may take only a share of the store, and give way to pooled entries; within a kind, the least recently
        used go first.
        """
        rows: list[Row] = []
        refusal = ""
        try:
            for key, entry in entries.items():
                size = self._write(self._file(key), _encode(key, entry, kind))
                rows.append(Row(key, kind, size, time.time()))
        except OSError as error:
            refusal = str(error.strerror)
        if refusal and refusal not in self._said_refusals:  # once: a nearly full disk takes some
            log.warning("activations are not being cached: %s: %s", self.root, refusal)
            self._said_refusals.add(refusal)
        if rows:
            for key in self._index.put(rows, self._max_bytes):
                _remove(self._file(key))

    def info(self) -> Info:
        """How much the store holds of each kind; makes no cache where there is none."""
        on_disk = {file.stem for file in self._entries()}
        rows = self._index.rows()
        oldest = min((row.used for row in rows.values()), default=None)
        return Info(self.root, self._index.held(), self._max_bytes, oldest, len(on_disk - rows.keys()))

    def verify(self, progress: Progress) -> Verified:
        """Read every entry, drop the damaged ones, and make the index hold exactly those that remain."""
        rows = self._index.rows()  # before the files are listed, so that no entry put in between counts as lost
        uses = {key: row.used for key, row in rows.items()}
        files = list(self._entries())
        sound = damaged = stuck = adopted = 0
        miscounted: list[Row] = []
        lost = self._index.forget({key: uses[key] for key in uses.keys() - {file.stem for file in files}})
        for done, file in enumerate(files):
            progress(done, len(files))
            key = file.stem
            try:
                _, kind, size = _read(file)
                written = file.stat().st_mtime
            except FileNotFoundError:  # dropped by another process meanwhile
                continue
            except Damaged as error:
                log.warning("%s: %s", file, error)
                if _remove(file):
                    damaged += 1
                    self._index.forget({key: uses[key]} if key in uses else {})
                else:
                    stuck += 1
            except OSError as error:
                log.warning("%s: %s", file, error.strerror)
                stuck += 1
            else:
                sound += 1
                if key not in uses:
                    adopted += self._index.adopt([Row(key, kind, size, written)])
                elif (row := rows[key])[1:3] != (kind, size):
                    miscounted.append(row._replace(kind=kind, bytes=size))
        self._index.mend(miscounted)
        progress(len(files), len(files))
        return Verified(sound, damaged, stuck, adopted, lost)

    def prune(self, max_bytes: int) -> Pruned:
        """Drop the least recently used, of either kind, until `max_bytes` are left; remove files of killed writers.

        The index is updated last, since a full disk refuses that until files are removed. An entry that it does not
        have counts as used when it was written.
        """
        temporaries = sum(_remove(file) for file in self._abandoned())
        uses = {key: row.used for key, row in self._index.rows().items()}
        files: list[tuple[float, str, int]] = []
        for file in self._entries():
            with contextlib.suppress(OSError):  # dropped by another process meanwhile
                info = file.stat()
                files.append((uses.get(file.stem, info.st_mtime), file.stem, info.st_size))
        bytes_left = sum(size for _, _, size in files)
        keys_without_file = uses.keys() - {key for _, key, _ in files}
        entries = bytes_freed = 0
        for _, key, size in sorted(files):
            if bytes_left <= max_bytes:
                break
            if _remove(self._file(key)):
                entries += 1
                bytes_freed += size
                bytes_left -= size
                keys_without_file.add(key)
        self._index.forget({key: uses[key] for key in keys_without_file if key in uses})
        return Pruned(entries, bytes_freed, temporaries, bytes_left)

    def close(self) -> None:
        """Let go of the index; the next use opens it again."""
        self._index.close()

    def _file(self, key: str) -> Path:
        return Path(f"{self._folder}/{key[:2]}/{key}{SUFFIX}")

    def _entries(self) -> Iterator[Path]:
        return (file for file in self._files() if file.suffix == SUFFIX and file == self._file(file.stem))

    def _rows(self) -> Iterator[Row]:
        """What an index holds of the files, each used when it was written."""
        for file in self._entries():
            with contextlib.suppress(OSError):  # dropped by another process meanwhile
                info = file.stat()
                yield Row(file.stem, _kind(file), info.st_size, info.st_mtime)

    def _abandoned(self) -> Iterator[Path]:
        for file in self._files():
            with contextlib.suppress(OSError):
                if file.name.startswith(TEMPORARY_PREFIX) and time.time() - file.stat().st_mtime > ABANDONED:
                    yield file

    def _files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self._folder):
            yield from (Path(folder, name) for name in names)

    def _write(self, file: Path, data: bytes) -> int:
        try:
            paths.write_whole(file, data, TEMPORARY_PREFIX)
        except FileNotFoundError:
            paths.make_folder(file.parent)
            paths.write_whole(file, data, TEMPORARY_PREFIX)
        return len(data)


def _remove(file: Path) -> bool:
    """Remove a file if that can be done, and say whether it is gone; a read-only cache is still read."""
    try:
        file.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _encode(key: str, entry: Entry, kind: Kind) -> bytes:
    tensors = {name: tensor.contiguous() for name, tensor in entry.tensors.items()}
    notes = entry.notes | {KIND: kind}
    return safetensors.torch.save(tensors, notes | {CHECKSUM: _checksum(key, tensors, notes)})


def _read(file: Path) -> tuple[Entry, Kind, int]:
    """An entry, its kind, and the size of its file.

    The file is read, not mapped: a system allows a process some 65,000 mappings, and a corpus may have more stories.

    Raises:
        Damaged: the file is not what was written.
        OSError: the file cannot be read.
    """
    data = file.read_bytes()
    try:
        tensors = safetensors.torch.load(data)
        header = 8 + int.from_bytes(data[:8], "little")
        notes = msgspec.json.decode(data[8:header]).get("__metadata__") or {}  # json takes ten times as long
        if CHECKSUM not in notes:
            raise ValueError("it does not say which entry it is; an older version may have written it")
        checksum = notes.pop(CHECKSUM)
        if checksum != _checksum(file.stem, tensors, notes):
            raise ValueError("its checksum is wrong, or it is another entry's file")
    except (safetensors.SafetensorError, msgspec.DecodeError, KeyError, ValueError) as error:
        raise Damaged(f"is damaged: {error}") from error
    kind = notes.pop(KIND, "pooled")
    return Entry(tensors, notes), "tokens" if kind == "tokens" else "pooled", len(data)


def _kind(file: Path) -> Kind:
    """An entry's kind, by its header alone; a damaged one's does not matter, since it is dropped at its next use."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(min(length, MAX_HEADER))
    try:
        kind = json.loads(header)["__metadata__"][KIND]
    except (KeyError, TypeError, ValueError):
        return "pooled"
    return "tokens" if kind == "tokens" else "pooled"


def _checksum(key: str, tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(f"{key}\n{json.dumps(notes, sort_keys=True)}".encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
