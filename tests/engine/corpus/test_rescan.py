"""A scan after another reads what changed, and forgets what is gone."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from engine.corpus import Corpus, Layout, Scanner
from tests.engine.corpus.scanning import Write, paths

scan_module = importlib.import_module("engine.corpus.scan")  # the package has a function of this name


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read, as they are."""
    names: list[str] = []
    opened = os.open

    def counted(path: str, flags: int) -> int:
        names.append(Path(path).name)
        return opened(path, flags)

    monkeypatch.setattr(os, "open", counted)
    return names


def test_rescan_reads_only_what_changed(
    root: Path, put: Write, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "RECENT_S", -1.0)  # as if all had been written long ago
    put("stories/other.txt", "Another.")
    put("stories/hush.txt", "")
    scanner = Scanner(Layout.of(root))
    before = scanner.scan()
    assert sorted(reads) == ["good.txt", "hush.txt", "other.txt"]
    reads.clear()
    assert scanner.scan() == before
    assert reads == []
    put("stories/other.txt", "Another one.")
    after = scanner.scan()
    assert reads == ["other.txt"]
    assert [story.text for story in after.stories] == ["A good story.", "Another one."]


def test_rescan_notices_an_edit_that_keeps_size_and_time(root: Path, put: Write) -> None:
    scanner = Scanner(Layout.of(root))
    (before,) = scanner.scan().stories
    file = root / "stories" / "good.txt"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    temporary = put("elsewhere", "A mood story.")
    os.utime(temporary, ns=times)
    temporary.replace(file)
    (after,) = scanner.scan().stories
    assert (before.text, after.text) == ("A good story.", "A mood story.")


def test_rescan_forgets_what_is_gone(root: Path, put: Write) -> None:
    scanner = Scanner(Layout.of(root))
    other = put("stories/other.txt", b"\xff")
    assert scanner.scan().problems
    other.unlink()
    assert paths(scanner.scan()) == ["stories/good.txt"]
    assert not scanner.scan().problems


def test_corpus_that_vanished_is_empty_not_an_error(root: Path) -> None:
    import shutil

    scanner = Scanner(Layout.of(root))
    scanner.scan()
    shutil.rmtree(root)
    assert scanner.scan() == Corpus(stories=(), problems=())
