"""An answer that cannot be written is a sentence or nothing, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [["cache", "info", "--json"], ["cache", "info"]]


def run(arguments: list[str], **streams: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "engine", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, **streams)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_reader_that_has_gone_is_no_traceback(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stream:
        done = run(arguments, stdout=stream)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_disk_under_the_answer_is_said(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as stream:
        done = run(arguments, stdout=stream)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write to standard output: No space left on device\n"


def test_a_closed_standard_output_is_said() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-P", "-m", "engine", "cache", "info"],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: standard output is closed, so the answer would be lost"]
