"""What the history gives is what was recorded: a damaged row is never taken for the truth."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.errors import AmygdalaError
from engine.service.history.database import History
from tests.engine.service.history.recording import CORPUS, record, texts_at


def altered(file: Path, statement: str) -> None:
    """Change a closed history behind its back."""
    connection = sqlite3.connect(file)
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("change", ["UPDATE texts SET text = 'Anybody'", "DELETE FROM texts"])
def test_text_that_was_altered_is_named(history: History, file: Path, change: str) -> None:
    record(history, 1, lonely="Nobody")
    altered(file, change)
    with pytest.raises(AmygdalaError, match=r"damaged: its text of stories/lonely.txt at revision 1 is not the one"):
        history.text(1, "stories/lonely.txt")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE stories SET value = x'00ff'",
        "UPDATE metrics SET value = x'07'",
        "UPDATE stories SET name = x'61'",
    ],
)
def test_row_of_another_type_is_damage_when_opened(file: Path, change: str, caplog: pytest.LogCaptureFixture) -> None:
    history = History(file, CORPUS)
    record(history, 1, a="x")
    history.close()
    altered(file, change)
    history = History(file, CORPUS)
    assert "damaged and is begun anew" in caplog.text
    assert history.is_sequel
    record(history, 2, a="y")
    assert texts_at(history, 2) == {"a": "y"}
    history.close()


@pytest.mark.parametrize("value", ["7", "x'00'", "'no JSON'", "'{}'"])
def test_row_that_does_not_decode_sets_the_history_aside(history: History, file: Path, value: str) -> None:
    record(history, 1, a="x")
    altered(file, f"UPDATE revisions SET revision = {value}")
    reader = History(file, CORPUS, readonly=True)
    with pytest.raises(AmygdalaError, match="cannot be read"):
        reader.revisions()
    reader.close()
    assert not history.is_sequel
    with pytest.raises(AmygdalaError, match="cannot be read"):
        history.revisions()
    assert history.is_sequel
    assert history.revisions() == []
    record(history, 2, a="y")
    assert texts_at(history, 2) == {"a": "y"}


@pytest.mark.parametrize("value", ["7.5", "'[]'", "'[1,2,3,4,5,6]'"])
def test_numbers_that_do_not_decode_set_the_history_aside(history: History, file: Path, value: str) -> None:
    record(history, 1, a="x")
    record(history, 2, b="x")
    altered(file, f"UPDATE metrics SET value = {value} WHERE value IS NOT NULL")
    with pytest.raises(AmygdalaError, match="cannot be read"):
        history.compare(1, 2)
    assert history.is_sequel


def test_pages_that_do_not_fit_together_are_damage_when_opened(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = History(file, CORPUS)
    for number in range(1, 30):
        record(history, number, **{f"n{i}": f"{number} text {i}" for i in range(20)})
    history.close()
    connection = sqlite3.connect(file)
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_texts_1'"
    ).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with file.open("r+b") as stream:
        stream.seek((root - 1) * size)
        stream.write(b"\xff" * size)
    History(file, CORPUS).close()
    assert "damaged and is begun anew" in caplog.text
