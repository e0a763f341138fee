"""A file is opened once, and only what was opened counts; what may be another text by now is read again."""

from __future__ import annotations

import errno
import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.corpus import Layout, Scanner
from engine.corpus.reading import OutsideError, read
from engine.corpus.scan import MAX_BYTES

scan_module = importlib.import_module("engine.corpus.scan")  # the package has a function of this name
Times = Callable[[os.stat_result], os.stat_result]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A story in a corpus of two."""
    (tmp_path / "corpus" / "stories").mkdir(parents=True)
    (tmp_path / "corpus" / "stories" / "other.txt").write_text("Another.")
    file = tmp_path / "corpus" / "stories" / "joy.txt"
    file.write_text("She laughed.")
    return file


@pytest.fixture
def scanner(file: Path) -> Scanner:
    return Scanner(Layout.of(file.parent.parent))


def text(scanner: Scanner, *changed: str) -> str | None:
    """The text of `stories/joy.txt` as of a new look."""
    corpus = scanner.scan(changed or None)
    return next((story.text for story in corpus.stories if story.path == "stories/joy.txt"), None)


# Swapped between two looks


def swapped_when_opened(monkeypatch: pytest.MonkeyPatch, file: Path, swap: Callable[[], object]) -> None:
    """Let somebody swap the file just before it is opened."""
    opened = os.open

    def late(path: str, flags: int, *more: int) -> int:
        if path == str(file):
            monkeypatch.setattr(os, "open", opened)
            swap()
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", late)


def test_link_that_is_swapped_in_is_not_followed(
    file: Path, scanner: Scanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("The key is under the mat.")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    swapped_when_opened(monkeypatch, file, lambda: (tmp_path / "link").replace(file))
    assert text(scanner) is None
    assert [problem.code for problem in scanner.scan().problems] == ["outside"]


def test_folder_that_is_swapped_for_a_link_is_not_entered(
    file: Path, scanner: Scanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "joy.txt").write_text("The key is under the mat.")

    def swap() -> None:
        file.parent.rename(tmp_path / "moved")
        file.parent.symlink_to(tmp_path / "outside")

    swapped_when_opened(monkeypatch, file, swap)
    corpus = scanner.scan()
    assert not any("key" in story.text for story in corpus.stories)
    assert ("stories/joy.txt", "outside") in [(problem.path, problem.code) for problem in corpus.problems]


@pytest.mark.timeout(60)
def test_fifo_that_is_swapped_in_is_not_waited_for(
    file: Path, scanner: Scanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo")
    swapped_when_opened(monkeypatch, file, lambda: (tmp_path / "fifo").replace(file))
    assert text(scanner) is None
    assert "not a regular file" in scanner.scan().problems[0].message


def test_file_that_grows_while_it_is_read_is_read_no_further_than_a_story(
    file: Path, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped_when_opened(monkeypatch, file, lambda: file.write_text("x" * 3 * MAX_BYTES))
    assert text(scanner) is None
    assert [problem.code for problem in scanner.scan().problems] == ["too-big"]
    assert len(read(str(file), [str(file.parent)], 7)) == 7


@pytest.mark.parametrize("has_proc", [True, False])
def test_only_what_lies_below_the_roots_is_read(file: Path, has_proc: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_proc:
        readlink = os.readlink

        def missing(path: str) -> str:
            if path.startswith("/proc/"):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory")
            return readlink(path)

        monkeypatch.setattr(os, "readlink", missing)
    assert read(str(file), [str(file.parent)], 100) == b"She laughed."
    with pytest.raises(OutsideError):
        read(str(file), [str(file.parent / "deeper"), f"{file.parent}x"], 100)


@pytest.mark.timeout(60)
def test_swapping_without_end_never_brings_in_what_lies_outside(file: Path, scanner: Scanner, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("The key is under the mat.")
    has_ended = threading.Event()

    def swap() -> None:
        new = tmp_path / "new"
        while not has_ended.is_set():
            new.symlink_to(tmp_path / "secret")
            new.replace(file)
            new.write_text("She laughed.")
            new.replace(file)

    swapping = threading.Thread(target=swap)
    swapping.start()
    end = time.monotonic() + 2.0
    texts = set()
    while time.monotonic() < end:
        texts.add(text(scanner, "stories/joy.txt"))
    has_ended.set()
    swapping.join()
    assert texts <= {"She laughed.", "", None}


# Failures that pass


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.ESTALE])
def test_file_that_could_not_be_read_for_a_moment_is_read_at_the_next_look_of_any_kind(
    file: Path, scanner: Scanner, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    scanner.scan()
    with monkeypatch.context() as moment:
        moment.setattr(os, "open", refused)
        file.write_text("She sang all the way home.")
        assert text(scanner, "stories/joy.txt") is None
    assert text(scanner, "stories/other.txt") == "She sang all the way home."


def test_folder_that_could_not_be_listed_for_a_moment_is_listed_at_the_next_look_of_any_kind(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    scanner.scan()
    with monkeypatch.context() as moment:
        moment.setattr(os, "listdir", refused)
        assert text(scanner) is None
    assert text(scanner, "paired/train") == "She laughed."


# Times that prove nothing


@contextmanager
def times_that_stand_still(monkeypatch: pytest.MonkeyPatch, file: Path) -> Iterator[None]:
    """Let every look at the file give what the first one gave, as a file system does that counts in whole seconds."""
    signature, lstat = file.lstat(), os.lstat
    with monkeypatch.context() as context:
        context.setattr(os, "lstat", lambda path: signature if path == str(file) else lstat(path))
        yield


@pytest.mark.parametrize("off_by_s", [0, -1000, 1000, 1e6])
def test_second_save_in_one_second_is_read_whatever_the_clock_of_the_file_system(
    file: Path, scanner: Scanner, monkeypatch: pytest.MonkeyPatch, off_by_s: int
) -> None:
    scanner.scan()
    file.write_text("She laughed.")
    os.utime(file, (time.time() + off_by_s, time.time() + off_by_s))
    monkeypatch.setattr(scan_module, "YOUNG_S", 0.05)
    assert text(scanner) == "She laughed."
    with times_that_stand_still(monkeypatch, file):
        file.write_text("She giggled.")
        assert text(scanner) == "She giggled.", "it is read at each look while it is young"
        file.write_text("She chortles")
        time.sleep(0.06)
        assert text(scanner) == "She chortles", "it is read once more when it is not young any longer"
        file.write_text("She smirked.")
        assert text(scanner) == "She chortles", "from then on its times are believed"


def test_file_of_long_ago_is_read_once(file: Path, scanner: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "RECENT_S", -1.0)
    assert text(scanner) == "She laughed."
    with times_that_stand_still(monkeypatch, file):
        file.write_text("She giggled.")
        assert text(scanner) == "She laughed."
