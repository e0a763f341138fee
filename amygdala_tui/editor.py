"""The writer's own editor."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import termios
from pathlib import Path

FALLBACKS = ("nano", "vim", "vi", "emacs")


def find_editor() -> list[str] | None:
    """The command of `$VISUAL`, else `$EDITOR`, else a common editor that is installed; None if there is none."""
    for variable in ("VISUAL", "EDITOR"):
        if words := os.environ.get(variable, "").strip():
            try:
                return shlex.split(words)
            except ValueError:  # an unclosed quotation mark: starting the whole as one command fails, and names it
                return [words]
    fallback = next((name for name in FALLBACKS if shutil.which(name)), None)
    return [fallback] if fallback else None


def run_editor(command: list[str], file: Path) -> str:
    """Run the editor on a file and wait for it; returns words about what went wrong, '' if nothing did."""
    try:
        code = subprocess.run([*command, str(file)], check=False).returncode
    except OSError as error:
        return f"{command[0]} cannot be started: {error.strerror}; set $EDITOR"
    return "" if code == 0 else f"{command[0]} ended with code {code}"


def drop_typed_keys() -> None:
    """Drop what was typed and not read: it was for a program that has ended."""
    with contextlib.suppress(OSError, ValueError, termios.error):  # no terminal
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
