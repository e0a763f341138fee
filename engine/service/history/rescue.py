"""Rescues from a damaged history what can still be read, so that one bad page does not cost the revisions of months.

A row is taken over if it reads as what it must be: a revision that decodes, a text whose hash is its id. A row of
`stories` or `metrics` is the value of a name from a revision on, so the value before it must not stand for one that was
lost: a story is then at `LOST`, a text id that no text has, and a concept has no numbers.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import string
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.corpus import text_id
from engine.service.history import schema
from engine.wire.revisions import Revision

LOST = "lost"
"""Stands for a text id that cannot be read."""
Row = tuple[Any, ...]
GAP: Row = ()
"""Stands for pages that cannot be read."""
FILES = ("", "-wal")
"""What a database consists of; the third file, `-shm`, is made anew."""


@dataclass(frozen=True)
class Rescued:
    """What was taken over, and what is known to be lost: a page that cannot be read does not tell how much it held."""

    revisions: int = 0
    texts: int = 0
    lost_revisions: int = 0
    lost_texts: int = 0
    lost_values: int = 0
    """Stories and numbers of concepts at a revision."""

    def __str__(self) -> str:
        return (
            f"saved from it: {self.revisions} revisions, {self.texts} texts; "
            f"lost: at least {self.lost_revisions} revisions, {self.lost_texts} texts, {self.lost_values} values"
        )


def rescue(damaged: Path, connection: sqlite3.Connection) -> Rescued:
    """Copy what can be read of a damaged database, which stays as it is, into a new and empty one.

    Raises:
        OSError, sqlite3.Error: the new one cannot be written, or the damaged one not be copied.
    """
    with tempfile.TemporaryDirectory(dir=damaged.parent, prefix=f".{damaged.name}.") as folder:
        copy = Path(folder) / "history.sqlite"
        for suffix in FILES:
            if Path(f"{damaged}{suffix}").exists():
                shutil.copyfile(f"{damaged}{suffix}", f"{copy}{suffix}")
        source = schema.connect(str(copy))
        # text that is no UTF-8 then costs its row, not all that come after it
        source.text_factory = lambda encoded: encoded.decode("utf-8", "surrogateescape")
        try:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                return _copy(source, connection)
        finally:
            source.close()


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> Rescued:
    numbers: set[int] = set()
    n_revisions = n_texts = 0
    for row in _rows(source, "revisions", "number, fingerprint, revision", "number"):
        if row is not GAP:
            numbers.add(row[0])
            if _is(row, tuple[int, str, str]) and _decodes(row[2], Revision):
                n_revisions += target.execute("INSERT OR IGNORE INTO revisions VALUES (?, ?, ?)", row).rowcount
    for row in _rows(source, "texts NOT INDEXED", "rowid, id, text", "rowid"):
        if row is not GAP and _is(row, tuple[int, str, str]) and text_id(row[2]) == row[1]:
            n_texts += target.execute("INSERT OR IGNORE INTO texts VALUES (?, ?)", row[1:]).rowcount
    n_lost_values = 0
    for table, lost, is_right in ("stories", LOST, _is_text_id), ("metrics", None, _is_metrics):
        of_values, n_lost = _copy_values(source, target, table, lost, is_right)
        numbers |= of_values
        n_lost_values += n_lost
    (n_lost_texts,) = target.execute(
        "SELECT count(DISTINCT value) FROM stories WHERE value <> ? AND value NOT IN (SELECT id FROM texts)", [LOST]
    ).fetchone()
    return Rescued(n_revisions, n_texts, len(numbers) - n_revisions, n_lost_texts, n_lost_values)


def _copy_values(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: str,
    lost: str | None,
    is_right: Callable[[str], bool],
) -> tuple[set[int], int]:
    """Copy `stories` or `metrics`; returns the revisions that its rows are of, and how many values are lost."""
    numbers: set[int] = set()
    n_lost = 0
    add = f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)"
    before_gap: Row | None = None
    last: Row | None = None
    for row in _rows(source, table, "name, number, value", "name, number"):
        if row is GAP:
            before_gap = last
            n_lost += 1
        elif _is(row[:2], tuple[str, int]):
            last = row
            name, number, value = row
            is_whole = value is None or (_is((value,), tuple[str]) and is_right(value))
            numbers.add(number)
            n_lost += not is_whole
            target.execute(add, [name, number, value if is_whole else lost])
        else:
            n_lost += 1
    if before_gap is not None:  # what came next may have been of the same name
        target.execute(add, [before_gap[0], before_gap[1] + 1, lost])
    return numbers, n_lost


def _rows(source: sqlite3.Connection, table: str, columns: str, key: str) -> Iterator[Row]:
    """A table's rows from its start to a page that cannot be read, then `GAP`, then from its end to such a page.

    What lies between the first such page and the last is not looked for.
    """
    is_whole = yield from _until_damage(source, f"SELECT {columns} FROM {table} ORDER BY {key}")
    if not is_whole:
        yield GAP
        descending = ", ".join(f"{column} DESC" for column in key.split(", "))
        yield from _until_damage(source, f"SELECT {columns} FROM {table} ORDER BY {descending}")


def _until_damage(source: sqlite3.Connection, query: str) -> Generator[Row, None, bool]:
    """The rows that a query gives before it fails; returns whether it gave all."""
    n_given = 0
    try:
        for row in source.execute(query):
            n_given += 1
            yield row
    except sqlite3.DatabaseError:
        with contextlib.suppress(sqlite3.DatabaseError):
            # the module asks for a row ahead, and drops the one before the failure
            yield from source.execute(f"{query} LIMIT 1 OFFSET {n_given}")
        return False
    return True


def _is(row: Row, kind: object) -> bool:
    """Whether a row's columns have their types, and its text is UTF-8."""
    try:
        msgspec.convert(row, kind)
        for column in row:
            str(column).encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _decodes(document: str, kind: object) -> bool:
    try:
        msgspec.json.decode(document, type=kind)
    except msgspec.DecodeError:
        return False
    return True


def _is_text_id(value: str) -> bool:
    return len(value) == len(text_id("")) and set(value) <= set(string.hexdigits)


def _is_metrics(value: str) -> bool:
    try:
        schema.decode_metrics(value)
    except msgspec.DecodeError:
        return False
    return True
