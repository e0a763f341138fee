"""Texts are at hand for an undo: exact, for this user alone, and not without end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.corpus import text_id
from engine.corpus.mending import kept as room
from engine.corpus.mending.kept import Kept


def test_a_kept_content_outlives_the_sitting_and_is_exact(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbfIt was so.\r\n"
    key = Kept(tmp_path / "kept").keep(content)
    assert key == text_id("It was so.")
    assert Kept(tmp_path / "kept").get(key) == content
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "kept" / key).stat().st_mode & 0o777 == 0o600
    assert Kept(tmp_path / "kept").get(text_id("Never.")) is None


def test_a_remembered_content_is_not_written(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    assert kept.get(kept.remember(b"It was so.")) == b"It was so."
    assert not (tmp_path / "kept").exists()


def test_a_damaged_file_is_not_taken_for_the_text(tmp_path: Path) -> None:
    key = Kept(tmp_path).keep(b"It was so.")
    (tmp_path / key).write_text("It was otherwise.")
    assert Kept(tmp_path).get(key) is None


def test_the_oldest_go_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_BYTES", 1000)
    kept = Kept(tmp_path)
    keys = []
    for number in range(30):
        keys.append(kept.keep(f"{number:0100}".encode()))
        os.utime(tmp_path / keys[-1], (number, number))
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1000
    assert kept.get(keys[-1]) is not None
    assert kept.get(keys[0]) is None
    assert sum(key in kept for key in keys) == 10


def test_a_full_disk_leaves_the_text_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Kept(tmp_path / "file" / "kept")
    assert kept.get(kept.keep(b"It was so.")) == b"It was so."
