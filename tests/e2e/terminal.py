"""The studio in a real terminal (tmux): open the demo, go to the worst story, mend it in an editor, see what moved.

Run it to watch: `python -m tests.e2e.terminal` prints each screen (needs tmux; `--size 80x24` for a small terminal).
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.sample import MISFILED, mended

WITHIN = 90.0


class Terminal:
    """A program in a tmux session of its own server."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str], width: int, height: int) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux.sock"), "-f", "/dev/null"]
        words = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
        self._run("new-session", "-d", "-s", "s", "-x", str(width), "-y", str(height), f"{words} {shlex.join(command)}")

    def press(self, *keys: str) -> None:
        """Type keys, by tmux's names."""
        self._run("send-keys", "-t", "s", *keys)

    def screen(self) -> str:
        """What is on the screen."""
        return self._run("capture-pane", "-p", "-t", "s")

    def wait_for(self, what: str | Callable[[str], bool]) -> str:
        """The first screen that shows some words, or meets a condition."""
        end = time.monotonic() + WITHIN
        while True:
            shown = self.screen()
            if what(shown) if callable(what) else what in shown:
                return shown
            if time.monotonic() > end:
                raise AssertionError(f"never shown within {WITHIN} s: {what}\n{shown}")
            time.sleep(0.1)

    def end(self) -> None:
        """Kill the session."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def _run(self, *arguments: str) -> str:
        return subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, check=True).stdout


@contextmanager
def demo(width: int = 120, height: int = 40, *, by_shell: bool = False) -> Iterator[tuple[Terminal, Path]]:
    """`amygdala demo` in a terminal, with an editor that pastes the mended story; engine and files are its own.

    `by_shell`: as a job of an interactive shell, begun by a script that waits for it.
    """
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    (folder / "mended.txt").write_text(mended(), "utf-8")
    editor = folder / "editor"
    editor.write_text(f'#!/bin/sh\ncp {folder}/mended.txt "$1"\n')
    editor.chmod(0o755)
    environment = {
        "AMYGDALA_SOCKET": str(folder / "e.sock"),
        "AMYGDALA_CACHE": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "VISUAL": str(editor),
        "TERM": "tmux-256color",
    }
    command = [sys.executable, "-m", "amygdala_tui", "demo", str(folder / "demo")]
    shell = ["bash", "--norc", "-i"]
    terminal = Terminal(folder, shell if by_shell else command, environment, width, height)
    if by_shell:
        terminal.press("-l", f"sh -c {shlex.quote(shlex.join(command) + '; echo ended')}")
        terminal.press("Enter")
    try:
        yield terminal, folder
    finally:
        terminal.end()
        stop = [sys.executable, "-m", "engine", "stop", "--socket", str(folder / "e.sock")]
        subprocess.run(stop, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def mend(terminal: Terminal, look: Callable[[str, str], None]) -> None:
    """Drive the main job; `look(caption, screen)` gets each screen on the way."""
    look("painted at once", terminal.wait_for("▾ stories"))
    look("the engine is ready", terminal.wait_for("● ready"))
    terminal.press("2")
    look("triage", terminal.wait_for("fragmented 2"))
    terminal.press("3")
    look("the queue", terminal.wait_for("1 to fix"))
    terminal.press("1")
    look("the worst story", terminal.wait_for("Four days without current"))
    terminal.press("e")
    look("mended in the editor", terminal.wait_for(lambda shown: "rev 2" in shown and "twenty" in shown))
    look("what moved", terminal.wait_for("fragmented → mixed"))
    terminal.press("2")
    look("triage again", terminal.wait_for("fragmented 1"))
    terminal.press("4")
    look("the concept", terminal.wait_for("bucket: mixed"))
    terminal.press("8")
    look("the engine", terminal.wait_for("3 problems in the corpus"))
    terminal.press("q")


def type_ahead(terminal: Terminal, folder: Path) -> str:
    """Type on after `e`, before and while a slow editor is open; returns the screen once the editor has ended."""
    editor = folder / "editor"
    editor.write_text("#!/bin/sh\nsleep 2\n")
    terminal.wait_for("● ready")
    terminal.press("3")
    terminal.wait_for("1 to fix")
    terminal.press("1")
    terminal.wait_for("Four days without current")
    terminal.press("-l", "e88L")
    terminal.wait_for(lambda shown: "Four days without current" not in shown)
    terminal.press("-l", "8L")
    terminal.wait_for("Four days without current")
    time.sleep(1.0)
    return terminal.screen()


def suspend(terminal: Terminal) -> tuple[str, str]:
    """Suspend the studio, typing on; do something in the shell, and come back. Returns both screens."""
    terminal.wait_for("▾ stories")
    terminal.press("C-z", "8", "L")
    terminal.wait_for("Stopped")
    terminal.press("C-u")
    terminal.press("-l", "echo the shell has $((6 * 7))")
    terminal.press("Enter")
    in_shell = terminal.wait_for("the shell has 42")
    terminal.press("-l", "fg")
    terminal.press("Enter")
    back = terminal.wait_for(lambda shown: "▾ stories" in shown and "2 Triage" in shown)
    terminal.press("8")
    terminal.wait_for("socket ")
    terminal.press("q")
    terminal.wait_for("ended")
    return in_shell, back


def main() -> int:
    """Print every screen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="120x40", metavar="WxH")
    width, height = map(int, parser.parse_args().size.split("x"))

    def look(caption: str, shown: str) -> None:
        print(f"=== {caption}\n{shown.rstrip()}\n")

    with demo(width, height) as (terminal, folder):
        mend(terminal, look)
        print(f"{MISFILED} was mended in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
