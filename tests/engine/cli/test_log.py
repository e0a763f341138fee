"""`engine log`: what engines in the background have said."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine import cli, paths
from tests.engine.service.running import heed_interrupts
from tests.waiting import eventually


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's log lies."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths.log_path().parent.mkdir(parents=True)
    return paths.log_path()


def test_no_log_exits_1_and_says_where_it_would_be(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["log"]) == 1
    assert f"no log at {log}" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "first"), [([], 70), (["--lines", "3"], 117), (["--lines", "500"], 0)])
def test_last_lines_are_shown(log: Path, capsys: pytest.CaptureFixture[str], words: list[str], first: int) -> None:
    log.write_text("".join(f"line {number}\n" for number in range(120)))
    assert cli.run(["log", *words]) == 0
    assert capsys.readouterr().out.splitlines() == [f"line {number}" for number in range(first, 120)]


def test_negative_number_of_lines_is_bad_usage(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_text("line\n")
    assert cli.run(["log", "--lines", "-1"]) == 2
    assert "--lines" in capsys.readouterr().err


def test_nothing_reaches_the_terminal_as_a_command(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_bytes(b"opened /tmp/\x1b[31mred\x07gone\x00 caf\xe9\n")
    assert cli.run(["log"]) == 0
    assert capsys.readouterr().out == "opened /tmp/␛[31mred␇gone␀ caf\N{REPLACEMENT CHARACTER}\n"


def test_followed_log_shows_what_comes_until_it_is_interrupted(log: Path, tmp_path: Path) -> None:
    log.write_text("before\n")
    out = tmp_path / "out"
    with out.open("wb") as stream:
        command = [sys.executable, "-m", "engine", "log", "--follow"]
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.PIPE, preexec_fn=heed_interrupts)
    eventually(lambda: out.read_text() == "before\n")
    with log.open("a") as more:
        more.write("after\n")
    eventually(lambda: out.read_text() == "before\nafter\n")
    log.write_text("")  # as a log that has grown too large is
    with log.open("a") as more:
        more.write("anew\n")
    eventually(lambda: out.read_text() == "before\nafter\nanew\n")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"stopped\n")
