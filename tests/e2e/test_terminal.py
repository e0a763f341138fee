"""The sample in a real terminal, at the two sizes that writers have; and as a job of a shell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.e2e.sample import MISFILED, mended
from tests.e2e.terminal import Terminal


@contextmanager
def demo(home: Home, folder: Path, width: int, height: int) -> Iterator[Terminal]:
    """`amygdala demo`, as its first users open it."""
    with home.terminal([sys.executable, "-m", "amygdala_tui", "demo", str(folder)], width, height) as terminal:
        yield terminal


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_a_writer_mends_the_misfiled_story_of_the_sample(home: Home, size: tuple[int, int]) -> None:
    folder = home.new_corpus()
    home.editor_pastes(mended())
    screens: list[str] = []
    with demo(home, folder, *size) as terminal:
        screens.append(terminal.wait_for("TO FIX"))  # painted before the engine answers
        screens.append(terminal.wait_for(lambda shown: "TO FIX  1" in shown and "● up to date" in shown))
        if size[0] < 100:
            terminal.press("Enter")
        screens.append(terminal.wait_for("Reads as disgusted (90%), not as jealous (8%)."))
        terminal.press("e")
        screens.append(terminal.wait_for("cleared: as jealous 8 → 100 % · to fix 1 → 0"))
        terminal.press("2")
        screens.append(terminal.wait_for("16 concepts"))
        terminal.press("4")
        screens.append(terminal.wait_for("jealous · 5 stories"))
        terminal.press("8")
        screens.append(terminal.wait_for("socket "))
        terminal.press("q")
    assert (folder / MISFILED).read_text("utf-8") == mended()
    assert all(len(line) <= size[0] for shown in screens for line in shown.splitlines())


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_the_studio_back(home: Home) -> None:
    with home.shell(home.sample()) as terminal:
        terminal.wait_for("TO FIX")
        terminal.press("C-z", "8", "L")
        terminal.wait_for("Stopped")
        terminal.press("C-u")
        terminal.type("echo the shell has $((6 * 7))")
        terminal.press("Enter")
        in_shell = terminal.wait_for("the shell has 42")
        assert "2 Triage" not in in_shell
        terminal.type("fg")
        terminal.press("Enter")
        back = terminal.wait_for(lambda shown: "TO FIX" in shown and "2 Triage" in shown)
        assert "socket " not in back
        assert "paused" not in back
        terminal.press("8")
        terminal.wait_for("socket ")
        terminal.press("q")
        terminal.wait_for("ended")
