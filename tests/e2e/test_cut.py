"""What is lost where something is cut in the midst of work, in a real terminal: the engine, the window, the link."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e import misfiled
from tests.e2e.counted import editor_knows
from tests.e2e.home import Home
from tests.e2e.link import Link, NoLink
from tests.e2e.terminal import Terminal

SOON_S = 10.0
"""Seconds within which a studio whose terminal is gone must end; it takes one, but machines may be busy."""
SIZES = ((200, 50), (60, 20), (80, 24), (120, 40))


def wait_until_judged(terminal: Terminal) -> None:
    terminal.wait_for(lambda shown: "TO FIX  10" in shown and "● up to date" in shown)


def has_ended(pid: int) -> bool:
    """Whether a process is no more, or waits only to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ended_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not has_ended(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return has_ended(pid)


def test_engine_killed_in_the_middle_comes_back_and_the_last_numbers_stand_until_then(home: Home) -> None:
    corpus = misfiled.write(home.new_corpus())
    editor_knows(home, corpus)
    seen: list[str] = []
    with home.studio(corpus, in_colours=False) as terminal:
        wait_until_judged(terminal)
        terminal.press("e")
        terminal.wait_for("to fix 10 → 9")
        terminal.press("n")
        terminal.wait_for_lit("hospital")
        killed = home.engine_pid()
        os.kill(killed, signal.SIGKILL)

        def is_back(shown: str) -> bool:
            seen.append(shown)
            return "● up to date" in shown and any("● up to date" not in earlier for earlier in seen)

        terminal.wait_for(lambda shown: "● up to date" not in shown)
        terminal.press("e")  # writing goes on meanwhile
        terminal.wait_for(is_back)
        assert any("TO FIX  9" in shown for shown in seen), "the numbers of before stand until there are new ones"
        terminal.wait_for(lambda shown: "TO FIX  8" in shown and "● up to date" in shown)
        assert home.engine_pid() != killed
        assert "hospital" in terminal.lit_row()
        assert (corpus / "paired/hospital/disgusted.txt").read_text("utf-8") == misfiled.right_text(
            "paired/hospital/disgusted.txt"
        )


def test_window_of_another_size_and_a_smaller_client_change_nothing_but_the_size(home: Home) -> None:
    corpus = misfiled.write(home.new_corpus())
    with home.studio(corpus, in_colours=False) as terminal:
        wait_until_judged(terminal)
        terminal.press("j", "j")
        terminal.wait_for_lit("market")
        for width, height in SIZES:
            terminal.resize(width, height)
            shown = terminal.wait_for(lambda shown, size=(width, height): fills(shown, *size))  # type: ignore[misc]
            assert "TO FIX" in shown
            assert "market" in terminal.lit_row()
        with terminal.attached(80, 24):
            terminal.wait_for(lambda shown: fills(shown, 80, 24))
            terminal.press("j")
            terminal.wait_for_lit("garden")
        terminal.resize(120, 40)
        terminal.wait_for(lambda shown: fills(shown, 120, 40))
        assert "garden" in terminal.wait_for_lit("curious")


def fills(shown: str, width: int, height: int) -> bool:
    """Whether the frame is as wide as the terminal, and its last line is that of the keys."""
    lines = shown.rstrip("\n").split("\n")
    rules = [line for line in lines if line.startswith("─" * 40)]
    return [len(rule) for rule in rules] == [width] and len(lines) == height and "q quit" in lines[-1]


def test_terminal_that_is_gone_ends_the_studio_and_the_place_is_there_on_return(home: Home) -> None:
    corpus = misfiled.write(home.new_corpus())
    with home.studio(corpus, in_colours=False) as terminal:
        go_to_a_place(terminal)
        engine, studio = home.engine_pid(), terminal.pid
        terminal.hang_up()
        assert ended_within(studio, SOON_S)
    assert home.engine_pid() == engine
    with home.studio(corpus, in_colours=False) as terminal:
        assert_is_at_that_place(terminal)


def test_cut_link_ends_the_studio_and_the_place_is_there_on_return(home: Home) -> None:
    try:
        link = Link(home)
    except NoLink as reason:
        pytest.skip(str(reason))
    corpus = misfiled.write(home.new_corpus())
    with link, home.terminal(link.command(home.command(corpus), NO_COLOR="1")) as terminal:
        go_to_a_place(terminal)
        engine, studio = home.engine_pid(), link.studio_pid()
        link.cut(terminal.pid)
        assert ended_within(studio, SOON_S)
        assert home.engine_pid() == engine
    with link, home.terminal(link.command(home.command(corpus), NO_COLOR="1")) as terminal:
        assert_is_at_that_place(terminal)


def go_to_a_place(terminal: Terminal) -> None:
    wait_until_judged(terminal)
    terminal.press("n", "3", "b")
    terminal.wait_for("▾ disgusted")
    terminal.wait_for_lit("hospital")


def assert_is_at_that_place(terminal: Terminal) -> None:
    terminal.wait_for("▾ disgusted")
    assert "hospital" in terminal.wait_for_lit("hospital")
    assert "disgusted · hospital" in terminal.wait_for("disgusted · hospital")
