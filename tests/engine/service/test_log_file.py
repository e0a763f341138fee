"""A log that grows is set aside while it is written to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from engine.service import log_file
from engine.service.log_file import rotate


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_BYTES", 100)


def test_writers_go_on_in_the_emptied_file(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    with log.open("ab", buffering=0) as engine, log.open("ab", buffering=0) as model:
        engine.write(b"a" * 99)
        assert not rotate(log, engine.fileno())
        model.write(b"b" * 99)
        assert rotate(log, engine.fileno())
        model.write(b"after")
        engine.write(b"wards")
    assert log.read_bytes() == b"afterwards"
    aside = tmp_path / "engine.old.log"
    assert aside.read_bytes() == b"a" * 99 + b"b" * 99
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600


def test_an_engine_in_the_foreground_leaves_the_log_alone(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_bytes(b"x" * 1000)
    with (tmp_path / "terminal").open("ab") as terminal:
        assert not rotate(log, terminal.fileno())
    reading, writing = os.pipe()
    assert not rotate(log, writing)
    os.close(reading)
    os.close(writing)
    assert log.stat().st_size == 1000


def test_no_log_is_no_failure(tmp_path: Path) -> None:
    with (tmp_path / "other").open("ab") as stream:
        assert not rotate(tmp_path / "engine.log", stream.fileno())
