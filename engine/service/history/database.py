"""The history of a corpus's revisions: what its stories and its concepts' numbers were at each.

One SQLite database (WAL) per corpus: the server writes it, and anyone may read it at the same time. A revision adds
only what differs from the one before; its state is, for every name, the last value at or before it. Nothing
waits for the history: where it cannot be written, the log says so, and the engine goes on.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from engine import paths
from engine.corpus import Change, Story, diff, text_id
from engine.corpus.entries import concept_of
from engine.errors import AmygdalaError
from engine.service.history import schema
from engine.service.history.rescue import rescue
from engine.wire.revisions import Comparison, Metrics, Revision

log = logging.getLogger(__name__)

MAX_REVISIONS = 10_000
"""So many come together in months of steady editing."""
CHUNK = 1_000
"""Revisions that are folded away at once, so that folding is rare."""


class History:
    """The revisions of one corpus. Any thread may use it, but only one at a time."""

    def __init__(self, file: Path, corpus: Path, *, readonly: bool = False) -> None:
        """Open the database, and create it if need be; if the disk refuses, this history is kept in memory.

        With `readonly`, nothing is created or written.

        Raises:
            AmygdalaError: with `readonly`, there is no history, or it cannot be read.
        """
        self._file = file
        self._corpus = corpus
        self._readonly = readonly
        self._failing = False
        self._newest: int | None = None
        self._count = 0
        self._stories: schema.State = {}
        self._metrics: schema.State = {}
        self._connection = self._open_to_read() if readonly else self._open_to_write()

    @property
    def last(self) -> tuple[int, str] | None:
        """Number and fingerprint of the newest revision; None if there is none, or none that can be read."""
        with contextlib.suppress(AmygdalaError), self._snapshot() as connection:
            rows = connection.execute("SELECT number, fingerprint FROM revisions ORDER BY number DESC LIMIT 1")
            return next(iter(schema.typed(rows, tuple[int, str])), None)
        return None

    @property
    def is_sequel(self) -> bool:
        """Whether a damaged history was set aside, now or earlier."""
        return self._aside.exists()

    def record(
        self, revision: Revision, fingerprint: str, stories: Mapping[str, Story], metrics: Mapping[str, Metrics]
    ) -> None:
        """Keep a revision, newer than the last, with all its stories by path and its numbers by concept.

        Where that fails, log it once and go on; the next revision that can be kept has all changes until then.
        """
        encoded = {concept: schema.encode_metrics(numbers) for concept, numbers in metrics.items()}
        try:
            try:
                self._write(revision, fingerprint, stories, encoded)
            except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                if not schema.is_damage(error):
                    raise
                self._begin_anew(error)
                self._write(revision, fingerprint, stories, encoded)
        except (OSError, sqlite3.Error) as error:
            if not self._failing:
                log.warning("revisions of %s are not being kept: %s: %s", self._corpus, self._file, error)
            self._failing = True
        else:
            self._failing = False

    def revisions(self, limit: int = 50, before: int | None = None) -> list[Revision]:
        """The newest revisions, or the newest before one, the newest first."""
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT revision FROM revisions WHERE number < ? ORDER BY number DESC LIMIT ?",
                [schema.MAX_NUMBER if before is None else before, limit],
            )
            return [msgspec.json.decode(row[0], type=Revision) for row in schema.typed(rows, tuple[str])]

    def compare(self, before: int, after: int) -> Comparison:
        """How two revisions differ, whichever is the older.

        Raises:
            AmygdalaError: there is no such revision; so in `text`.
        """
        with self._snapshot() as connection:
            self._check(before)
            self._check(after)
            stories, metrics = (
                schema.pairs(*(schema.state(connection, table, number) for number in (before, after)))
                for table in ("stories", "metrics")
            )
            return Comparison(
                before=before,
                after=after,
                changes=_changes(stories),
                metrics={
                    concept: (schema.decode_metrics(old) if old else None, schema.decode_metrics(new) if new else None)
                    for concept, (old, new) in metrics.items()
                },
            )

    def text(self, number: int, path: str) -> str | None:
        """A story's text at a revision; None if it had no such story.

        Raises:
            AmygdalaError: the text is not the one that was recorded.
        """
        with self._snapshot() as connection:
            self._check(number)
            rows = connection.execute(
                "SELECT value, text FROM stories LEFT JOIN texts ON id = value WHERE name = ? AND number <= ?"
                " ORDER BY number DESC LIMIT 1",
                [path, number],
            )
            recorded_id, text = next(iter(schema.typed(rows, tuple[str | None, str | None])), (None, None))
        if recorded_id is not None and (text is None or text_id(text) != recorded_id):
            raise AmygdalaError(
                f"the history of {self._corpus} is damaged: its text of {path} at revision {number} is not the one "
                f"that was recorded: {self._file}"
            )
        return text

    def texts_of(self, path: str, limit: int) -> list[tuple[int, str | None]]:
        """The revisions at which a story changed, each with the text id it had from then on (None: it was removed); the
        newest first."""
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT number, value FROM stories WHERE name = ? ORDER BY number DESC LIMIT ?", [path, limit]
            )
            return schema.typed(rows, tuple[int, str | None])

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    # Opening

    def _open_to_write(self) -> sqlite3.Connection:
        try:
            paths.make_folder(self._file.parent)
            paths.make_file(self._file)
            try:
                return self._begin(str(self._file))
            except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
                if not schema.is_damage(error):
                    raise
                self._set_aside(error)
                paths.make_file(self._file)
                return self._rescue(self._begin(str(self._file)))
        except (OSError, sqlite3.Error) as error:
            log.warning(
                "revisions of %s are kept only for as long as the engine runs: %s: %s", self._corpus, self._file, error
            )
            return self._begin(":memory:")

    def _begin(self, file: str) -> sqlite3.Connection:
        connection = schema.connect(file)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > schema.VERSION:
                raise sqlite3.NotSupportedError("a newer version of the engine wrote it")
            schema.check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                connection.executescript(schema.SCHEMA)
                connection.execute("INSERT OR IGNORE INTO about VALUES (?)", [str(self._corpus)])
                connection.execute(f"PRAGMA user_version = {schema.VERSION}")
            self._remember(connection)
        except (sqlite3.Error, msgspec.DecodeError):
            connection.close()
            raise
        return connection

    def _open_to_read(self) -> sqlite3.Connection:
        if not self._file.exists():
            raise AmygdalaError(
                f"no history of {self._corpus} yet: the engine begins one when it first computes the corpus"
            )
        try:
            return schema.connect(f"{self._file.absolute().as_uri()}?mode=ro")
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _begin_anew(self, error: Exception) -> None:
        self._connection.close()
        self._set_aside(error)
        self._connection = self._rescue(self._open_to_write())

    def _rescue(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Copy into a history that was begun anew what can still be read of the damaged one."""
        try:
            log.warning("the history of %s: %s", self._corpus, rescue(self._aside, connection))
            self._remember(connection)
        except (OSError, sqlite3.Error, msgspec.DecodeError) as error:
            log.warning("the history of %s: nothing could be saved from %s: %s", self._corpus, self._aside, error)
        return connection

    @property
    def _aside(self) -> Path:
        return Path(f"{self._file}.damaged")

    def _set_aside(self, error: Exception) -> None:
        """Put a damaged database where somebody may still look at it."""
        log.warning(
            "the history of %s is damaged and is begun anew; what there was is now %s: %s",
            self._corpus,
            self._aside,
            error,
        )
        for suffix in ("", "-wal", "-shm"):
            damaged = Path(f"{self._aside}{suffix}")
            damaged.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self._file}{suffix}").rename(damaged)

    # Writing

    def _remember(self, connection: sqlite3.Connection) -> None:
        """Read the last recorded state into memory, to compare the next revision with it."""
        self._newest, self._count = connection.execute("SELECT max(number), count(*) FROM revisions").fetchone()
        self._stories = schema.state(connection, "stories", schema.MAX_NUMBER)
        self._metrics = schema.state(connection, "metrics", schema.MAX_NUMBER)

    def _write(self, revision: Revision, fingerprint: str, stories: Mapping[str, Story], metrics: schema.State) -> None:
        number = revision.number
        text_ids = {path: story.text_id for path, story in stories.items()}
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            (newest,) = connection.execute("SELECT max(number) FROM revisions").fetchone()
            if newest != self._newest:  # another engine, at another socket, has written
                self._remember(connection)
            if newest is not None and number <= newest:
                raise sqlite3.IntegrityError(f"revision {number} comes after {newest}")
            changed = schema.differences(self._stories, text_ids)
            connection.executemany(
                "INSERT OR IGNORE INTO texts VALUES (?, ?)",
                [(text_id, stories[path].text) for path, text_id in changed.items() if text_id is not None],
            )
            for table, values in ("stories", changed), ("metrics", schema.differences(self._metrics, metrics)):
                connection.executemany(
                    f"INSERT INTO {table} VALUES (?, ?, ?)", [(name, number, value) for name, value in values.items()]
                )
            connection.execute(
                "INSERT INTO revisions VALUES (?, ?, ?)",
                [number, fingerprint, msgspec.json.encode(revision).decode()],
            )
            count = self._count + 1
            if count > MAX_REVISIONS:
                schema.fold(connection, count - MAX_REVISIONS + CHUNK - 1)
                (count,) = connection.execute("SELECT count(*) FROM revisions").fetchone()
        self._newest, self._count, self._stories, self._metrics = number, count, text_ids, metrics

    # Reading

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """Let all reads within it see one state, whatever is recorded meanwhile."""
        try:
            with self._connection as connection:
                connection.execute("BEGIN")
                yield connection
        except (sqlite3.Error, OverflowError, msgspec.DecodeError) as error:
            if not self._readonly and schema.is_damage(error):
                self._begin_anew(error)
            raise self._unreadable(error) from error

    def _check(self, number: int) -> None:
        row = self._connection.execute("SELECT 1 FROM revisions WHERE number = ?", [number]).fetchone()
        if row is None:
            oldest, newest = self._connection.execute("SELECT min(number), max(number) FROM revisions").fetchone()
            extent = "which is empty" if newest is None else f"which goes from {oldest} to {newest}"
            raise AmygdalaError(f"there is no revision {number} in the history of {self._corpus}, {extent}")

    def _unreadable(self, error: Exception) -> AmygdalaError:
        return AmygdalaError(f"the history of {self._corpus} cannot be read: {self._file}: {error}")


def _changes(text_ids: Mapping[str, tuple[str | None, str | None]]) -> list[Change]:
    """What became of stories, by the text ids that they had before and after."""
    before, after = (
        [_without_text(path, pair[which]) for path, pair in text_ids.items() if pair[which] is not None]
        for which in (0, 1)
    )
    return diff(before, after)


def _without_text(path: str, text_id: str | None) -> Story:
    """A story as its place and its text's id tell of it."""
    place = PurePosixPath(path)
    scenario = place.parent.name if place.parts[0] == "paired" else None
    return Story(path=path, concept=concept_of(place.name), scenario=scenario, text="", text_id=text_id or "")
