"""The store's index: sizes and times of use of its entries, and digests of large files, in SQLite (WAL).

The files decide, whatever the index says. So no fault of the index is a failure: one that is lost or damaged is made
anew from the files, and where there can be none (on a locked, full or read-only disk) the store goes on without it.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar, get_args

import msgspec

from engine import paths
from engine.compute.model.folder import Signature

T = TypeVar("T")
log = logging.getLogger(__name__)

Kind = Literal["pooled", "tokens"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TOKENS_SHARE = 0.75
"""The largest share of the store that tokens may take: one entry may be as large as 100,000 pooled ones."""
LOCKED_FOR = 5.0
"""Seconds to wait for another process to be done with the index; its transactions take milliseconds."""
REST = 10.0
"""Seconds that an index which failed is left alone, so that not every call waits for it."""
DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
"""Primary error codes of a damaged index; SQLITE_ERROR means that a table is missing."""
VERSION = 2
TABLES = """
CREATE TABLE entries (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, bytes INTEGER NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_use ON entries (kind, used);
CREATE TABLE digests (
    path TEXT PRIMARY KEY, bytes INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, sha256 TEXT
) WITHOUT ROWID;
CREATE TABLE totals (kind TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
"""
"""An index of another version has tables of these names, so that making them fails, and it is begun anew."""
ADOPT = (
    "INSERT INTO entries (key, kind, bytes, used) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
    "SET kind = excluded.kind, bytes = excluded.bytes"
)
UPSERT = f"{ADOPT}, used = excluded.used"
COUNT_IN = """
    INSERT INTO totals VALUES (NEW.kind, 1, NEW.bytes)
    ON CONFLICT (kind) DO UPDATE SET entries = entries + 1, bytes = bytes + NEW.bytes;
"""
COUNT_OUT = "UPDATE totals SET entries = entries - 1, bytes = bytes - OLD.bytes WHERE kind = OLD.kind;"
TRIGGERS = (
    f"CREATE TRIGGER added AFTER INSERT ON entries BEGIN {COUNT_IN} END",
    f"CREATE TRIGGER dropped AFTER DELETE ON entries BEGIN {COUNT_OUT} END",
    f"CREATE TRIGGER changed AFTER UPDATE OF bytes, kind ON entries BEGIN {COUNT_OUT} {COUNT_IN} END",
)


class Unreadable(sqlite3.DatabaseError):
    """A row that no index of ours has."""


class Row(NamedTuple):
    """What the index holds of one entry."""

    key: str
    kind: Kind
    bytes: int
    used: float
    """Seconds since the epoch."""


@dataclass(frozen=True)
class Held:
    """How much a store holds of one kind."""

    entries: int
    bytes: int


class Index:
    """One connection to the index of a store, for any thread; opened again when its file is gone or was replaced.

    Args:
        file: the database.
        entries: gives the entries that are on disk, for a new index.
    """

    def __init__(self, file: Path, entries: Callable[[], Iterable[Row]]) -> None:
        self._file = file
        self._entries = entries
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._rests_until = 0.0
        self._said: set[str] = set()
        """Warnings: each is said once."""

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._opened = None

    def __del__(self) -> None:
        self.close()

    def uses(self, keys: Iterable[str]) -> dict[str, float]:
        """When those of `keys` that the index has were last used."""

        def look(connection: sqlite3.Connection) -> dict[str, float]:
            query = "SELECT key, used FROM entries WHERE key = ?"
            return dict(row for key in keys for row in _typed(connection.execute(query, [key]), tuple[str, float]))

        return self._try(look, {})

    def rows(self) -> dict[str, Row]:
        """All that the index holds, by key."""
        query = "SELECT key, kind, bytes, used FROM entries"
        return self._try(lambda connection: {row.key: row for row in _typed(connection.execute(query), Row)}, {})

    def held(self) -> dict[Kind, Held]:
        """How much there is of each kind."""
        empty = {kind: Held(0, 0) for kind in KINDS}
        return empty | self._try(_held, empty)

    def put(self, rows: list[Row], max_bytes: int) -> list[str]:
        """Note new entries, and forget the least recently used where there is no room for all.

        Returns:
            Keys of the forgotten entries, whose files may be removed.
        """

        def add(connection: sqlite3.Connection) -> list[str]:
            forgotten: list[str] = []
            for kind in KINDS:
                room_bytes = max_bytes
                if kind == "tokens":
                    held = _held(connection)
                    pooled_bytes = held["pooled"].bytes if "pooled" in held else 0
                    room_bytes = min(int(TOKENS_SHARE * max_bytes), max_bytes - pooled_bytes)
                new = [row for row in rows if row.kind == kind]
                too_large = [row.key for row in new if row.bytes > room_bytes]  # all others would give way for nothing
                connection.executemany("DELETE FROM entries WHERE key = ?", [[key] for key in too_large])
                connection.executemany(UPSERT, [row for row in new if row.bytes <= room_bytes])
                held = _held(connection)
                excess_bytes = held[kind].bytes - room_bytes if kind in held else 0
                forgotten += too_large + _drop_oldest(connection, kind, excess_bytes)
            return forgotten

        return self._try(add, [], writes=True)

    def adopt(self, rows: list[Row]) -> int:
        """Note entries whose files the index did not know; returns how many it knows now.

        One that was put in the meantime, or that a new index has noted from its file, keeps its time of use.
        """
        if not rows:
            return 0
        return self._try(lambda connection: connection.executemany(ADOPT, rows).rowcount, 0, writes=True)

    def mend(self, rows: list[Row]) -> None:
        """Correct what the index says of these entries, and count all anew."""

        def correct(connection: sqlite3.Connection) -> None:
            connection.executemany(UPSERT, rows)
            connection.execute("DELETE FROM totals")
            connection.execute("INSERT INTO totals SELECT kind, count(*), sum(bytes) FROM entries GROUP BY kind")

        if _identity(self._file) is not None:
            self._try(correct, None, writes=True)

    def touch(self, keys: list[str], now: float) -> None:
        """Note that these entries were used `now`."""
        if not keys:
            return
        rows = [(now, key) for key in keys]
        statement = "UPDATE entries SET used = ? WHERE key = ?"
        self._try(lambda connection: connection.executemany(statement, rows).rowcount, 0, writes=True)

    def forget(self, last_uses: Mapping[str, float]) -> int:
        """Forget entries whose files are gone, by key and time of last use; returns how many were forgotten.

        An entry with another time of use stays: it was put again in the meantime.
        """
        if not last_uses:
            return 0
        statement = "DELETE FROM entries WHERE key = ? AND used = ?"
        return self._try(
            lambda connection: connection.executemany(statement, last_uses.items()).rowcount, 0, writes=True
        )

    def digest(self, path: str, signature: Signature) -> str | None:
        """A large file's SHA-256, if it is remembered."""
        query = (
            "SELECT sha256 FROM digests WHERE path = ? AND bytes = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?"
        )
        row = self._try(lambda connection: connection.execute(query, [path, *signature]).fetchone(), None)
        return None if row is None else str(row[0])

    def remember(self, path: str, signature: Signature, sha256: str) -> None:
        """Remember a large file's SHA-256 for as long as its signature stays the same."""
        row = (path, *signature, sha256)
        statement = "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)"
        self._try(lambda connection: connection.execute(statement, row).rowcount, 0, writes=True)

    def _try(self, work: Callable[[sqlite3.Connection], T], otherwise: T, *, writes: bool = False) -> T:
        """What `work` returns; `otherwise` where there is no index at present."""
        with self._lock:
            nothing_to_read = not writes and _identity(self._file) is None
            if nothing_to_read or time.monotonic() < self._rests_until:
                return otherwise
            try:
                return self._do(work, writes=writes)
            except (OSError, sqlite3.Error) as error:
                self._rests_until = time.monotonic() + REST
                self._warn(f"no index of activations at {self._file}: {error}")
                return otherwise

    def _warn(self, words: str) -> None:
        if words not in self._said:
            log.warning("%s", words)
            self._said.add(words)

    def _do(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        """What `work` returns, in one transaction if it `writes`; a damaged index is begun anew."""
        try:
            return _within(self._open(), work, writes)
        except sqlite3.Error as error:
            if not _is_damaged(error):
                raise
            self._warn(f"{self._file} is damaged ({error}) and is made anew from the entries on disk")
            self._discard()
            return _within(self._open(), work, writes)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._opened != _identity(self._file):
            self.close()
        if self._connection is None:
            paths.make_folder(self._file.parent)
            paths.make_file(self._file)
            self._connection = _connect(self._file, self._entries)
            self._opened = _identity(self._file)
        return self._connection

    def _discard(self) -> None:
        """Remove the index, unless another process has begun it anew already."""
        is_same_file = self._opened is None or self._opened == _identity(self._file)
        self.close()
        for suffix in ("", "-wal", "-shm") if is_same_file else ():
            with contextlib.suppress(OSError):
                self._file.with_name(self._file.name + suffix).unlink()


def _connect(file: Path, entries: Callable[[], Iterable[Row]]) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=LOCKED_FOR, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            with contextlib.suppress(sqlite3.OperationalError):  # another process is just doing the same
                connection.execute("PRAGMA journal_mode = WAL")
        if _version(connection) != VERSION:
            _within(connection, lambda new: _create(new, entries), writes=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection, entries: Callable[[], Iterable[Row]]) -> None:
    if _version(connection) == VERSION:  # another process has made the tables by now
        return
    for statement in (*TABLES.split(";"), *TRIGGERS, f"PRAGMA user_version = {VERSION}"):
        connection.execute(statement)
    connection.executemany(ADOPT, entries())


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _within(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], writes: bool) -> T:
    if not writes:
        return work(connection)
    connection.execute("BEGIN IMMEDIATE")  # a transaction that began by reading could not wait for a writer
    with connection:
        return work(connection)


def _held(connection: sqlite3.Connection) -> dict[Kind, Held]:
    rows = _typed(connection.execute("SELECT kind, entries, bytes FROM totals"), tuple[Kind, int, int])
    return {kind: Held(entries, size) for kind, entries, size in rows}


def _typed(rows: Iterable[object], kind: type[T]) -> list[T]:
    """Rows, whose columns SQLite lets hold anything, as what they must be.

    Raises:
        Unreadable: one is not.
    """
    try:
        return [msgspec.convert(row, kind) for row in rows]
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from error


def _drop_oldest(connection: sqlite3.Connection, kind: Kind, excess_bytes: int) -> list[str]:
    """Forget the least recently used entries of a kind, at least `excess_bytes` of them; returns their keys."""
    forgotten: list[str] = []
    rows = connection.execute("SELECT key, bytes FROM entries WHERE kind = ? ORDER BY used, key", [kind])
    while excess_bytes > 0 and (row := rows.fetchone()) is not None:
        key, size = row
        forgotten.append(key)
        excess_bytes -= size
    rows.close()
    connection.executemany("DELETE FROM entries WHERE key = ?", [[key] for key in forgotten])
    return forgotten


def _identity(file: Path) -> tuple[int, int] | None:
    """Device and inode, which tell a file from another one of the same name; None where there is no file."""
    try:
        info = file.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _is_damaged(error: sqlite3.Error) -> bool:
    """Whether the index itself is at fault, and not the disk that it is on or another process."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # not SQLite's: the module met text that is no UTF-8
        return isinstance(error, sqlite3.OperationalError | Unreadable)
    return code & 0xFF in DAMAGE_CODES or code == sqlite3.SQLITE_READONLY_DBMOVED
