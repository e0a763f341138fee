"""`engine log`: what engines that were started in the background have said."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque

from engine import paths
from engine.errors import AmygdalaError
from engine.plain import plain

LOOK_EVERY = 0.2
"""Seconds between looks for more."""


def show_log(arguments: argparse.Namespace) -> int:
    """Print the last lines, and with `--follow` what comes."""
    file = paths.log_path()
    try:
        stream = file.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise AmygdalaError(f"no log at {file}: {error.strerror}") from error
    with stream:
        for line in deque(stream, maxlen=arguments.lines):
            sys.stdout.write(plain(line))
        sys.stdout.flush()
        while arguments.follow:
            if line := stream.readline():
                sys.stdout.write(plain(line))
                sys.stdout.flush()
            else:
                time.sleep(LOOK_EVERY)
    return 0
