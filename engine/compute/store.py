"""Activations on disk, by content: what was ever computed is not computed again.

One safetensors file per key, written under a temporary name and renamed; an SQLite index (WAL) keeps sizes and times
of use, so that the least recently used go first when the store is full. Losing the index or any file only costs time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from engine.compute.checkpoint import file_sha256

log = logging.getLogger(__name__)

MAX_BYTES = 20 << 30
"""20 GiB: ten million stories of a small model, about a million of a large one."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, bytes INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS digests (
    path TEXT PRIMARY KEY, bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, sha256 TEXT
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Entry:
    """What is kept under one key."""

    tensors: dict[str, Tensor]
    """On the CPU."""
    notes: dict[str, str] = field(default_factory=dict)


class Store:
    """A content-addressed cache of activations, shared by every process of the user."""

    def __init__(self, root: Path, max_bytes: int = MAX_BYTES) -> None:
        self.root = root
        self._max_bytes = max_bytes

    def get(self, keys: Iterable[str]) -> dict[str, Entry]:
        """The stored entries among `keys`; a damaged one is dropped, as if it had never been there."""
        found, damaged = {}, []
        for key in keys:
            file = self._file(key)
            try:
                found[key] = _decode(file)
            except FileNotFoundError:
                continue
            except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
                damaged.append(f"{file}: {error}")
                _remove(file)
        if damaged:
            log.warning("dropped damaged activations (%d), to be computed again: %s", len(damaged), damaged[0])
        self._touch(found)
        return found

    def put(self, entries: Mapping[str, Entry]) -> None:
        """Keep these; where the disk refuses, say so and go on without."""
        sizes: dict[str, int] = {}
        try:
            for key, entry in entries.items():
                sizes[key] = self._write(self._file(key), entry)
        except OSError as error:
            log.warning("activations are not being cached: %s: %s", self.root, error.strerror)
        with self._index() as index:
            now = time.time()
            index.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", [(key, size, now) for key, size in sizes.items()]
            )
        self._evict()

    def digest(self, file: Path) -> str:
        """SHA-256 of a (large) file, remembered for as long as its size, times and inode stay the same."""
        path = str(file.resolve())
        info = file.stat()
        signature = info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino
        row = None
        with self._index() as index:
            row = index.execute(
                "SELECT bytes, mtime_ns, ctime_ns, inode, sha256 FROM digests WHERE path = ?", [path]
            ).fetchone()
        if row is not None and row[:4] == signature:
            return str(row[4])
        digest = file_sha256(file)
        with self._index() as index:
            index.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)", [path, *signature, digest])
        return digest

    def _file(self, key: str) -> Path:
        return self.root / "activations" / key[:2] / f"{key}.safetensors"

    def _write(self, file: Path, entry: Entry) -> int:
        data = _encode(entry)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return len(data)

    def _touch(self, keys: Iterable[str]) -> None:
        now = time.time()
        with self._index() as index:
            index.executemany("UPDATE entries SET used = ? WHERE key = ?", [(now, key) for key in keys])

    def _evict(self) -> None:
        with self._index() as index:
            (total,) = index.execute("SELECT COALESCE(SUM(bytes), 0) FROM entries").fetchone()
            if total <= self._max_bytes:
                return
            gone = []
            for key, size in index.execute("SELECT key, bytes FROM entries ORDER BY used, key"):
                _remove(self._file(key))
                gone.append([key])
                total -= size
                if total <= self._max_bytes:
                    break
            index.executemany("DELETE FROM entries WHERE key = ?", gone)

    @contextlib.contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        """One transaction on the index; in memory, hence forgotten, where the disk gives none."""
        connection = self._connect()
        try:
            with connection:
                yield connection
        except sqlite3.Error as error:
            log.warning("the index of %s failed: %s", self.root, error)
            if not isinstance(error, sqlite3.OperationalError):
                _remove(self.root / "index.sqlite")  # damaged: the next use begins it anew
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        file = self.root / "index.sqlite"
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                return _open_index(file)
            except sqlite3.OperationalError:  # locked, or the disk's doing: the index itself is sound
                raise
            except sqlite3.DatabaseError as error:
                log.warning("%s is damaged and is begun anew: %s", file, error)
                _remove(file)
                return _open_index(file)
        except (OSError, sqlite3.Error) as error:
            log.warning("no index of activations in %s: %s", self.root, error)
            return _open_index(":memory:")


def _open_index(file: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _remove(file: Path) -> None:
    """Remove a file if that can be done; a cache that cannot be written to is still read."""
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)


def _encode(entry: Entry) -> bytes:
    tensors = {name: tensor.contiguous() for name, tensor in entry.tensors.items()}
    return safetensors.torch.save(tensors, entry.notes | {"checksum": _checksum(entry)})


def _decode(file: Path) -> Entry:
    with safetensors.safe_open(file, framework="pt") as stored:
        notes = dict(stored.metadata() or {})
        checksum = notes.pop("checksum")
        entry = Entry({name: stored.get_tensor(name) for name in sorted(stored.keys())}, notes)
    if checksum != _checksum(entry):
        raise ValueError("its checksum is wrong")
    return entry


def _checksum(entry: Entry) -> str:
    digest = hashlib.blake2b(json.dumps(entry.notes, sort_keys=True).encode(), digest_size=16)
    for name in sorted(entry.tensors):
        tensor = entry.tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
