"""No revision number stands for two contents, through crashes, damage and disks that refuse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.service.history.numbers import BLOCK, FAR, Numbers
from tests.places import ROOT


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "history" / "x.mark"


def begun(mark: Path, recorded: int = 0, *, is_same: bool = False) -> tuple[Numbers, int]:
    begun_numbers = Numbers(mark)
    return begun_numbers, begun_numbers.first(recorded, is_same=is_same, is_sequel=False)


def test_first_number_is_1_and_a_clean_end_leaves_no_gap(mark: Path) -> None:
    one, first = begun(mark)
    assert [first, one.next(), one.next()] == [1, 2, 3]
    one.close()
    assert begun(mark, 3)[1] == 4


def test_same_content_keeps_its_number_after_a_clean_end(mark: Path) -> None:
    one, _ = begun(mark)
    one.close()
    two, first = begun(mark, 1, is_same=True)
    assert first == 1
    assert two.next() == 2


def test_mark_is_ahead_of_every_number_that_is_told(mark: Path) -> None:
    one, told = begun(mark)
    for _ in range(3 * BLOCK):
        assert int(mark.read_text()) >= told
        told = one.next()


def test_no_number_is_told_again_after_a_crash(mark: Path) -> None:
    one, _ = begun(mark)
    told = one.next()
    assert begun(mark, 1, is_same=True)[1] > told  # 2 was told and not recorded: 1 is not the newest
    assert begun(mark, 2)[1] > told


def test_numbers_go_on_after_a_damaged_history_whose_newest_revisions_are_lost(mark: Path) -> None:
    one, _ = begun(mark)
    told = [one.next() for _ in range(40)][-1]
    assert Numbers(mark).first(7, is_same=True, is_sequel=True) > told
    mark.unlink()
    assert Numbers(mark).first(7, is_same=True, is_sequel=True) > 1e12, "the clock: what is left tells nothing"


def test_same_content_is_not_numbered_anew_by_a_crash_before_anything_changed(mark: Path) -> None:
    begun(mark)[0].close()
    begun(mark, 1, is_same=True)
    assert begun(mark, 1, is_same=True)[1] == 1


def test_unrecorded_number_is_left_out_after_a_clean_end(mark: Path) -> None:
    one, _ = begun(mark)
    one.next()
    one.close()
    assert begun(mark, 1, is_same=True)[1] == 3


def test_engines_at_once_share_no_number(mark: Path) -> None:
    one, first = begun(mark)
    other, others_first = begun(mark, first)
    told = {first, others_first}
    for _ in range(3 * BLOCK):
        told |= {one.next(), other.next()}
    assert len(told) == 2 + 6 * BLOCK
    one.close()
    assert begun(mark)[1] > max(told)


@pytest.mark.parametrize("words", ["", "no number", "\xff"])
def test_mark_that_cannot_be_read_is_passed_by_far(mark: Path, words: str) -> None:
    mark.parent.mkdir()
    mark.write_text(words, "latin-1")
    one, first = begun(mark, 5, is_same=True)
    assert first > time.time()
    assert int(mark.read_text()) >= first
    one.close()
    assert begun(mark, first)[1] == first + 1


def test_history_without_its_mark_is_passed_by_far(mark: Path) -> None:
    assert begun(mark, 5, is_same=True)[1] == 5 + FAR + 1


def test_where_no_mark_can_be_the_clock_numbers_and_it_is_said_once(
    mark: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark.parent.write_text("a file where the folder should be")
    one, told = begun(mark)
    assert told > time.time()
    for _ in range(2 * BLOCK):
        told, before = one.next(), told
        assert told > before
    time.sleep(0.3)
    other, others_first = begun(mark)
    assert others_first > told
    assert [entry.message.split(",")[0] for entry in caplog.records] == ["revisions are numbered by the clock"] * 2
    one.close()
    other.close()
    mark.parent.unlink()
    other.next()
    other.close()
    assert int(mark.read_text()) > others_first


def test_full_disk_in_the_middle_is_passed_by_the_clock(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = begun(mark)
    with monkeypatch.context() as patch:

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        told = [one.next() for _ in range(2 * BLOCK)]
        assert len(set(told)) == len(told)
        assert told[-1] > time.time()
    assert [file.name for file in mark.parent.iterdir()] == [mark.name]
    one.close()
    assert int(mark.read_text()) == told[-1]


TELLER = """
import sys
from pathlib import Path
from engine.service.history.numbers import Numbers

numbers = Numbers(Path(sys.argv[1]))
print(numbers.first(0, is_same=False, is_sequel=False), flush=True)
while True:
    print(numbers.next(), flush=True)
"""


def test_killed_teller_is_never_contradicted(mark: Path) -> None:
    highest = 0
    for _ in range(3):
        command = [sys.executable, "-c", TELLER, str(mark)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as teller:
            assert teller.stdout is not None
            told = [int(teller.stdout.readline()) for _ in range(BLOCK + 7)]
            os.kill(teller.pid, signal.SIGKILL)
            told += [int(line) for line in teller.stdout.read().split("\n")[:-1]]
        assert told[0] > highest
        highest = told[-1]
