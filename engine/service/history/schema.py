"""The tables of a corpus's history, and what is asked of them in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from engine.wire.revisions import Metrics

T = TypeVar("T")
TIMEOUT_S = 2.0
"""Seconds to wait for another process that is writing."""
VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS about (corpus TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revisions (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, revision TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS texts (id TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS stories (
    name TEXT, number INTEGER, value TEXT, PRIMARY KEY (name, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metrics (
    name TEXT, number INTEGER, value TEXT, PRIMARY KEY (name, number)
) WITHOUT ROWID;
"""
"""`stories`: path -> text id; `metrics`: concept -> numbers as a JSON array; each from revision `number` on, NULL where
it is gone."""
STATE = """
WITH RECURSIVE names(name) AS (
    SELECT min(name) FROM {table}
    UNION ALL
    SELECT (SELECT min(name) FROM {table} WHERE name > names.name) FROM names WHERE name IS NOT NULL
)
SELECT rows.name, rows.value FROM names CROSS JOIN {table} AS rows ON rows.name = names.name
WHERE rows.number = (SELECT max(number) FROM {table} AS earlier WHERE earlier.name = names.name AND earlier.number <= ?)
AND rows.value IS NOT NULL
"""
"""Steps from name to name in the primary key: its time grows with the names, not with how often they changed."""
FOLD = """
DELETE FROM {table} WHERE number < :first AND EXISTS (
    SELECT 1 FROM {table} AS later WHERE later.name = {table}.name AND later.number > {table}.number
    AND later.number <= :first
)
"""
"""Deletes the values that were replaced by the time of the first revision that stays."""
MAX_NUMBER = (1 << 63) - 1

State = dict[str, str]
"""The values of one table: name -> value."""


def connect(file: str) -> sqlite3.Connection:
    """Open a database, by its path or by a `file:` URI."""
    return sqlite3.connect(
        file, timeout=TIMEOUT_S, isolation_level=None, check_same_thread=False, uri=file.startswith("file:")
    )


class Damaged(sqlite3.DatabaseError):
    """A database that SQLite reads, and whose pages do not fit together."""


def is_damage(error: Exception) -> bool:
    """Whether the file itself is at fault, and not the disk, another process or the caller."""
    if isinstance(error, Damaged | msgspec.DecodeError):
        return True
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:  # not SQLite's: the module found text that is no UTF-8, or was used wrongly
        return isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def check(connection: sqlite3.Connection) -> None:
    """Read all pages.

    Raises:
        Damaged: they do not fit together.
    """
    (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        raise Damaged(answer)


def typed(rows: Iterable[object], kind: type[T]) -> list[T]:
    """Rows, whose columns SQLite lets hold anything, as what they must be.

    Raises:
        msgspec.ValidationError: one is not, so that the database is damaged.
    """
    return [msgspec.convert(row, kind) for row in rows]


def state(connection: sqlite3.Connection, table: str, number: int) -> State:
    """What a table (`stories` or `metrics`) held at a revision."""
    return dict(typed(connection.execute(STATE.format(table=table), [number]), tuple[str, str]))


def fold(connection: sqlite3.Connection, count: int) -> None:
    """Drop the oldest revisions: the history then begins with the first that stays, as if all of it were new there."""
    (first,) = connection.execute("SELECT number FROM revisions ORDER BY number LIMIT 1 OFFSET ?", [count]).fetchone()
    for table in ("stories", "metrics"):
        connection.execute(FOLD.format(table=table), {"first": first})
        connection.execute(f"DELETE FROM {table} WHERE number <= ? AND value IS NULL", [first])
        connection.execute(f"UPDATE {table} SET number = :first WHERE number < :first", {"first": first})
    connection.execute("DELETE FROM revisions WHERE number < ?", [first])
    connection.execute("DELETE FROM texts WHERE id NOT IN (SELECT value FROM stories WHERE value IS NOT NULL)")


def differences(before: State, after: State) -> dict[str, str | None]:
    """Names whose values changed, with the new ones; None for those that are gone."""
    changed: dict[str, str | None] = {name: value for name, value in after.items() if before.get(name) != value}
    changed.update((name, None) for name in before if name not in after)
    return changed


def pairs(before: State, after: State) -> dict[str, tuple[str | None, str | None]]:
    """Names whose values differ, sorted, with the old and the new."""
    return {name: (before.get(name), after.get(name)) for name in sorted(differences(before, after))}


def encode_metrics(metrics: Metrics) -> str:
    """A concept's numbers as a JSON array."""
    return msgspec.json.encode(msgspec.structs.astuple(metrics)).decode()


def decode_metrics(values: str) -> Metrics:
    """A concept's numbers from a JSON array.

    Raises:
        msgspec.DecodeError: it holds something else, so that the database is damaged.
    """
    fields = msgspec.json.decode(values, type=list[object])
    if len(fields) != len(Metrics.__struct_fields__):
        raise msgspec.DecodeError(f"{len(fields)} numbers of a concept instead of {len(Metrics.__struct_fields__)}")
    return msgspec.convert(dict(zip(Metrics.__struct_fields__, fields, strict=True)), Metrics)
