"""Whatever happens to the disk or the process, the history stays whole or is begun anew, and the engine goes on."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.corpus import text_id
from engine.service.history import schema
from engine.service.history.database import History
from tests.engine.service.history.recording import CORPUS, record, stories_at, texts_at
from tests.places import ROOT


def test_refusing_disk_is_said_once_and_made_up_for(history: History, caplog: pytest.LogCaptureFixture) -> None:
    record(history, 1, a="x", b="y")
    (pages,) = history._connection.execute("PRAGMA page_count").fetchone()
    history._connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in (2, 3):
        record(history, number, a="long " * 10_000, b=f"version {number}")
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]
    assert "full" in caplog.text
    assert history.last == (1, "fingerprint 1")
    assert texts_at(history, 1) == {"a": "x", "b": "y"}
    history._connection.execute("PRAGMA max_page_count = 100000")
    record(history, 4, a="long " * 10_000)
    assert texts_at(history, 4) == {"a": "long " * 10_000}
    assert texts_at(history, 1) == {"a": "x", "b": "y"}


def test_locked_database_costs_a_revision_and_no_more(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema, "TIMEOUT_S", 0.05)
    history = History(file, CORPUS)
    record(history, 1, a="x")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    record(history, 2, a="y")
    assert "locked" in caplog.text
    assert texts_at(history, 1) == {"a": "x"}
    other.execute("ROLLBACK")
    other.close()
    record(history, 3, a="z")
    assert [one.number for one in history.revisions()] == [3, 1]
    history.close()


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_read_only_folder_is_no_failure(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.mkdir(mode=0o500)
    history = History(file, CORPUS)
    record(history, 1, a="x")
    assert texts_at(history, 1) == {"a": "x"}
    assert "only for as long as the engine runs" in caplog.text
    history.close()


@pytest.mark.parametrize("place", ["the folder", "the file"])
def test_where_no_database_can_be_it_is_kept_in_memory(
    file: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    if place == "the folder":
        file.parent.write_text("a file")
    else:
        file.mkdir(parents=True)
    history = History(file, CORPUS)
    record(history, 1, a="x")
    record(history, 2, a="y")
    assert [texts_at(history, number)["a"] for number in (1, 2)] == ["x", "y"]
    assert [entry.levelname for entry in caplog.records] == ["WARNING"]
    history.close()


def test_closed_history_raises_nothing_on_record(history: History, caplog: pytest.LogCaptureFixture) -> None:
    history.close()
    record(history, 1, a="x")
    assert "not being kept" in caplog.text
    assert history.last is None


@pytest.mark.parametrize("damage", ["no database", "cut", "overwritten"])
def test_damaged_database_is_set_aside_and_begun_anew(
    file: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    history = History(file, CORPUS)
    record(history, 1, **{f"n{i}": f"text {i} " * 50 for i in range(100)})
    history.close()
    whole = file.read_bytes()
    damaged = {
        "no database": b"this is no database" * 100,
        "cut": whole[: len(whole) // 3],
        "overwritten": whole[:4096] + b"\xff" * (len(whole) - 4096),
    }[damage]
    file.write_bytes(damaged)
    history = History(file, CORPUS)
    assert "damaged and is begun anew" in caplog.text
    assert history.last is None
    assert Path(f"{file}.damaged").read_bytes() == damaged
    record(history, 1, a="x")
    assert texts_at(history, 1) == {"a": "x"}
    history.close()


def test_text_that_is_no_utf8_is_damage(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = History(file, CORPUS)
    record(history, 1, somename="x")
    history.close()
    file.write_bytes(file.read_bytes().replace(b"somename", b"some\xffame"))
    History(file, CORPUS).close()
    assert "damaged and is begun anew" in caplog.text


def test_damage_done_while_it_is_open_is_met_too(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = History(file, CORPUS)
    for number in range(1, 20):
        record(history, number, **{f"n{i}": f"{number} text {i} " * 20 for i in range(50)})
    history._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * (file.stat().st_size - 4096))
    other = sqlite3.connect(file)  # a change by another connection, so that pages are read again
    other.execute("PRAGMA user_version = 1")
    other.commit()
    other.close()
    record(history, 20, a="x")
    assert "damaged and is begun anew" in caplog.text
    assert history.last == (20, "fingerprint 20")
    record(history, 21, a="y")
    assert [texts_at(history, number) for number in (20, 21)] == [{"a": "x"}, {"a": "y"}]
    assert Path(f"{file}.damaged").exists()
    history.close()


def test_newer_versions_database_is_left_alone(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    History(file, CORPUS).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 1000")
    before = file.read_bytes()
    history = History(file, CORPUS)
    record(history, 1, a="x")
    history.close()
    assert "a newer version of the engine wrote it" in caplog.text
    assert file.read_bytes() == before


WRITER = """
import sys
from pathlib import Path
from engine.service.history.database import History
from tests.engine.service.history.recording import CORPUS, record

history = History(Path(sys.argv[1]), CORPUS)
number = history.last[0] if history.last else 0
while True:
    number += 1
    record(history, number, **{f"n{i}": str(number) for i in range(1000)})
    print(number, flush=True)
"""


def test_killed_writer_leaves_whole_revisions(file: Path) -> None:
    chance = random.Random(0)
    for _ in range(4):
        words = [sys.executable, "-c", WRITER, str(file)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
            assert writer.stdout is not None
            said = writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.2))
            writer.kill()
            said += writer.stdout.read()
        told = int(said.splitlines()[-1])
        reader = History(file, CORPUS, readonly=True)
        assert reader.last is not None
        assert reader.last[0] in (told, told + 1)
        numbers = [one.number for one in reader.revisions(1000)]
        assert numbers == list(range(reader.last[0], 0, -1))
        for number in (1, numbers[len(numbers) // 2], numbers[0]):
            state = stories_at(reader, number)
            assert (len(state), set(state.values())) == (1000, {text_id(str(number))})
            assert reader.text(number, "stories/n7.txt") == str(number)
        reader.close()
    history = History(file, CORPUS)
    assert history._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    history.close()
