"""Ctrl-C ends a command without a traceback, whatever it is doing."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import GOLDEN, ROOT

INTERRUPTED = """
import atexit, os, runpy, signal, sys

moment, *sys.argv[1:] = sys.argv[1:]

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            interrupt()

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
if moment == "the end":
    atexit.register(interrupt)
runpy.run_module("engine", run_name="__main__", alter_sys=True)
"""
"""Runs the command line, and interrupts it when it imports a module, or when Python ends."""


@pytest.mark.parametrize(
    ("command", "moment"),
    [
        *itertools.product(["export", "watch", "status"], ["engine.encoding", "the end"]),
        ("export", "torch"),
    ],
)
def test_interrupt_is_130_and_no_traceback(tmp_path: Path, command: str, moment: str) -> None:
    words = [command]
    if command != "status":
        corpus = GOLDEN / "corpus" if moment == "torch" else tmp_path / "none"
        words += [str(corpus), "--model", str(GOLDEN / "models" / "llama"), "--output-dir", str(tmp_path / "out")]
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, moment, *words],
        cwd=ROOT,
        env=os.environ | {"AMYGDALA_SOCKET": str(tmp_path / "s")},
        capture_output=True,
        text=True,
    )
    assert ended.returncode in (130, -signal.SIGINT), "which a shell tells as 130"
    assert ended.returncode == 130 or moment == "the end"
    assert "Traceback" not in ended.stderr
    assert "KeyboardInterrupt" not in ended.stderr
