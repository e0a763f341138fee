"""A program in a real terminal: tmux, which has keys typed and tells what is on the screen."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import re
import shlex
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import eventually

NUMBERS = itertools.count()
"""Of terminals: a server that is ending must not be taken for a new one."""
WITHIN = 120.0
"""Seconds within which something must be shown."""
EVERY = 0.05
"""Seconds between two looks."""
REVERSE = re.compile(r"\x1b\[(?:\d+;)*7(?:;\d+)*m")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x0e|\x0f")
Shown = str | Callable[[str], bool]
"""Words on a screen, or a condition that it meets."""


class Terminal:
    """A program in a tmux session of its own server.

    Args:
        folder: for the server's socket.
        command: the program.
        environment: variables beside those of the tests.
        width, height: in columns and rows.
    """

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str], width: int, height: int) -> None:
        self._tmux = ["tmux", "-S", str(folder / f"tmux{next(NUMBERS)}.sock"), "-f", "/dev/null"]
        # some test runners say how large a terminal is, which programs believe more than the terminal itself
        clean = [
            "exec",
            "env",
            "-u",
            "COLUMNS",
            "-u",
            "LINES",
            *(f"{name}={value}" for name, value in environment.items()),
        ]
        size = ("-x", str(width), "-y", str(height))
        self._run("new-session", "-d", "-s", "s", *size, shlex.join([*clean, *command]))
        self.pid = int(self._run("display-message", "-p", "-t", "s", "#{pane_pid}"))
        """Of the process that the terminal was opened for."""

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names, all in one burst."""
        self._run("send-keys", "-t", "s", *keys)

    def type(self, text: str) -> None:
        """Type a text in one burst."""
        self._run("send-keys", "-t", "s", "-l", text)

    def screen(self) -> str:
        """What is on the screen."""
        return self._run("capture-pane", "-p", "-t", "s")

    def lit_row(self) -> str:
        """The row of the list that is drawn in reverse, as it is without colours; empty where there is none."""
        rows = self._run("capture-pane", "-e", "-p", "-t", "s").splitlines()[1:]  # without the tabs
        lit = [row for row in rows if REVERSE.search(row)]
        return ESCAPES.sub("", lit[0]).split("│")[0].strip() if lit else ""

    def wait_for(self, shown: Shown) -> str:
        """The first screen that shows this."""
        return self._until(self.screen, shown)

    def wait_for_lit(self, shown: Shown) -> str:
        """The lit row, once it shows this."""
        return self._until(self.lit_row, shown)

    def _until(self, look: Callable[[], str], shown: Shown) -> str:
        end = time.monotonic() + WITHIN
        while True:
            seen = look()
            if shown(seen) if callable(shown) else shown in seen:
                return seen
            assert time.monotonic() < end, f"never shown within {WITHIN} s: {shown}\n{self.screen()}"
            time.sleep(EVERY)

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self._run("resize-window", "-t", "s", "-x", str(width), "-y", str(height))

    @contextmanager
    def attached(self, width: int, height: int) -> Iterator[None]:
        """Someone looks on from a terminal of another size, which the window then takes."""
        self._run("set-option", "-g", "status", "off")
        self._run("set-option", "-w", "-t", "s", "window-size", "latest")
        child, terminal = pty.fork()
        if child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            os.environ["TERM"] = "xterm-256color"
            os.environ.pop("TMUX", None)
            os.execvp(self._tmux[0], [*self._tmux, "attach-session", "-t", "s"])
        os.set_blocking(terminal, False)
        try:
            eventually(lambda: _drained(terminal) and self._size() == (width, height))
            yield
        finally:
            self._run("detach-client", "-s", "s")
            eventually(lambda: _drained(terminal) and os.waitpid(child, os.WNOHANG)[0])
            os.close(terminal)

    def _size(self) -> tuple[int, int]:
        width, height = self._run("display-message", "-p", "-t", "s", "#{pane_width} #{pane_height}").split()
        return int(width), int(height)

    def hang_up(self) -> None:
        """Take the terminal away from the program: it gets SIGHUP, as when a link is cut."""
        self._run("kill-session", "-t", "s")

    def end(self) -> None:
        """End the program and the server."""
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)

    def _run(self, *arguments: str) -> str:
        return subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, check=True).stdout


def toast(shown: str) -> str:
    """The words of the notes that lie over a screen, each line of which begins with an edge."""
    return " ".join(line.rsplit("▌", 1)[1].strip() for line in shown.splitlines() if "▌" in line).strip()


def _drained(terminal: int) -> bool:
    """Throw away what was drawn in a terminal that nobody looks at."""
    try:
        while os.read(terminal, 65536):
            pass
    except BlockingIOError:
        pass
    except OSError:  # its program has ended
        pass
    return True
