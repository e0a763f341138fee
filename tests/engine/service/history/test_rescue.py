"""What can be read of a damaged history is saved, and nothing that was lost is taken for what came before it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.errors import AmygdalaError
from engine.service.history import rescue, schema
from engine.service.history.database import History
from tests.engine.service.history.recording import CORPUS, metrics, record, revision, stories, texts_at

TABLES = {
    "revisions": "number, fingerprint, revision",
    "texts": "id, text",
    "stories": "name, number, value",
    "metrics": "name, number, value",
}
LEAVES = {b"\x0d", b"\x0a"}
"""The first byte of a page that holds rows, and not the way to other pages."""
Rows = dict[str, set[tuple[Any, ...]]]


def rows_of(connection: sqlite3.Connection) -> Rows:
    return {table: set(connection.execute(f"SELECT {names} FROM {table}")) for table, names in TABLES.items()}


def rows(file: Path) -> Rows:
    connection = sqlite3.connect(file)
    recorded = rows_of(connection)
    connection.close()
    return recorded


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of 40 revisions, in which a row's last column is no other row's."""
    file = tmp_path_factory.mktemp("whole") / "history.sqlite"
    history = History(file, CORPUS)
    for number in range(1, 41):
        names = [f"n{i}" for i in range(12) if (number + i) % 7]  # some are removed for a while
        texts = {name: f"text of {name} at {number // 2}" for name in names}
        first_pcs = {name: number + int(name[1:]) / 100 for name in names}
        history.record(revision(number), f"fingerprint {number}", stories(**texts), metrics(**first_pcs))
    history.close()
    return file


def size_of_page(file: Path) -> int:
    return int.from_bytes(file.read_bytes()[16:18], "big")


def test_every_row_that_is_not_on_the_damaged_page_is_saved(whole: Path, tmp_path: Path) -> None:
    size, content, recorded = size_of_page(whole), whole.read_bytes(), rows(whole)
    n_leaves = n_lost = 0
    for start in range(size, len(content), size):
        page = content[start : start + size]
        file = tmp_path / f"{start}.sqlite"
        file.write_bytes(content[:start] + b"\xff" * size + content[start + size :])
        History(file, CORPUS).close()
        saved = rows(file)
        lost = {table: recorded[table] - saved[table] for table in TABLES}
        n_lost += sum(map(len, lost.values()))
        for table in ("revisions", "texts"):
            assert saved[table] <= recorded[table], "nothing is made up"
        if page[:1] in LEAVES:
            n_leaves += 1
            elsewhere = [row for table in TABLES for row in lost[table] if str(row[-1]).encode() not in page]
            assert [row for row in elsewhere if row[-1] is not None] == []
        file.unlink()
    assert n_leaves > 10
    assert n_lost > 0


def test_no_value_stands_for_a_later_one_that_was_lost(whole: Path, tmp_path: Path) -> None:
    size, content = size_of_page(whole), whole.read_bytes()
    connection = sqlite3.connect(whole)
    truth = {
        table: [schema.state(connection, table, number) for number in range(1, 41)] for table in ("stories", "metrics")
    }
    connection.close()
    n_unknown = 0
    for start in range(size, len(content), size):
        file = tmp_path / f"{start}.sqlite"
        file.write_bytes(content[:start] + b"\xff" * size + content[start + size :])
        History(file, CORPUS).close()
        connection = sqlite3.connect(file)
        for table, states in truth.items():
            for number, state in enumerate(states, 1):
                saved = schema.state(connection, table, number)
                n_unknown += len(state.items() - saved.items())
                assert {name for name, value in saved.items() if value not in (state.get(name), rescue.LOST)} == set()
        connection.close()
        file.unlink()
    assert n_unknown > 0


BAD_ROWS = {
    "revisions": ["revision = 'no JSON'", "fingerprint = x'00'", "revision = 7"],
    "texts": ["text = 'Anybody'", "text = x'00ff'", "id = 'another'"],
    "stories": ["value = x'00'", "value = 'no id'", "name = x'ff'"],
    "metrics": ["value = '[7]'", "value = 7.5", "name = CAST(x'ff' AS TEXT)"],
}


@pytest.mark.parametrize(("table", "change"), [(table, change) for table in TABLES for change in BAD_ROWS[table]])
def test_a_row_that_does_not_read_costs_that_row(whole: Path, tmp_path: Path, table: str, change: str) -> None:
    file = Path(shutil.copy(whole, tmp_path))
    recorded = rows(whole)
    with sqlite3.connect(file) as connection:
        columns = TABLES[table]
        where = "rowid = 17" if table in ("revisions", "texts") else "number = 20 AND name LIKE '%n2%'"
        bad = connection.execute(f"SELECT {columns} FROM {table} WHERE {where}").fetchone()
        assert connection.execute(f"UPDATE {table} SET {change} WHERE {where}").rowcount == 1
    connection.close()
    new = schema.connect(":memory:")
    new.executescript(schema.SCHEMA)
    rescued = rescue.rescue(file, new)
    saved = rows_of(new)
    unread = {} if change.startswith("name") else {"stories": rescue.LOST, "metrics": None}
    expected = {other: set(recorded[other]) for other in TABLES}
    expected[table].remove(bad)
    if table in unread:
        expected[table].add((*bad[:2], unread[table]))
    assert saved == expected
    n_revisions, n_texts = len(recorded["revisions"]), len(recorded["texts"])
    assert rescued == rescue.Rescued(
        revisions=n_revisions - (table == "revisions"),
        texts=n_texts - (table == "texts"),
        lost_revisions=int(table == "revisions"),
        lost_texts=int(table == "texts"),
        lost_values=int(table in ("stories", "metrics")),
    )


def test_what_was_saved_and_lost_is_said_and_recording_goes_on(
    history: History, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(history, 1, a="x", b="y")
    record(history, 2, a="x2", b="y")
    with sqlite3.connect(file) as connection:  # not closed before: what is only in the log of writes counts too
        connection.execute("UPDATE stories SET value = x'00' WHERE name = 'stories/b.txt'")
    connection.close()
    record(history, 3, a="x3", b="y")
    history.close()
    history = History(file, CORPUS)
    assert "saved from it: 3 revisions, 4 texts; lost: at least 0 revisions, 0 texts, 1 values" in caplog.text
    assert [one.number for one in history.revisions()] == [3, 2, 1]
    with pytest.raises(AmygdalaError, match=r"its text of stories/b.txt at revision 2 is not the one"):
        history.text(2, "stories/b.txt")
    record(history, 4, a="x3", b="y")
    assert texts_at(history, 4) == {"a": "x3", "b": "y"}
    assert [history.text(number, "stories/a.txt") for number in (1, 2, 3)] == ["x", "x2", "x3"]
    history.close()


def test_the_damaged_file_stays_as_it_is_and_no_copy_is_left(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    file = tmp_path / "history.sqlite"
    file.write_bytes(content[: len(content) // 2])
    History(file, CORPUS).close()
    assert Path(f"{file}.damaged").read_bytes() == content[: len(content) // 2]
    assert {left.name for left in tmp_path.iterdir()} == {"history.sqlite", "history.sqlite.damaged"}
