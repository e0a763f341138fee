"""`engine log`: what engines that were started in the background have said."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import TextIO

from engine import paths
from engine.errors import AmygdalaError
from engine.plain import plain

LOOK_EVERY_S = 0.2
"""Seconds between looks for new lines."""


def show_log(arguments: argparse.Namespace) -> int:
    """Print the last lines; with `--follow` also those that come, even once a new log has replaced the old one."""
    file = paths.log_path()
    stream = _open(file)
    try:
        for line in deque(stream, maxlen=arguments.lines):
            sys.stdout.write(plain(line))
        sys.stdout.flush()
        while arguments.follow:
            if line := stream.readline():
                sys.stdout.write(plain(line))
                sys.stdout.flush()
            elif _is_another(file, stream):
                stream.close()
                stream = _open(file)
            elif os.fstat(stream.fileno()).st_size < stream.tell():
                stream.seek(0)  # it was set aside and emptied
            else:
                time.sleep(LOOK_EVERY_S)
    finally:
        stream.close()
    return 0


def _is_another(file: Path, stream: TextIO) -> bool:
    """Whether there is a new file where the open one was."""
    try:
        return not os.path.samestat(file.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _open(file: Path) -> TextIO:
    try:
        return file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise AmygdalaError(f"no log at {file}: {error.strerror}") from error
