"""`engine serve`: the engine in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from engine import paths, settings
from engine.corpus import Layout
from engine.service.lifecycle import AlreadyRunning, Ownership
from engine.service.server import Server
from engine.settings import Settings


def serve(arguments: argparse.Namespace) -> int:
    """Own the socket and serve until stopped (SIGTERM, Ctrl-C, `engine stop`)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it has a line for every save
    if note := paths.runtime_dir_note():
        logging.warning(note)
    flag_values = settings.from_flags(arguments)
    corpora = []
    for path in arguments.corpora:
        Layout.of(path)
        corpora.append((path, settings.load(path, flag_values)))
    idle_exit_s = arguments.idle_exit * 60 if arguments.idle_exit is not None else None
    try:
        owner = Ownership(paths.socket_path(arguments.socket))
    except AlreadyRunning as error:
        print(f"error: {error}; `amygdala-engine status` shows what it does", file=sys.stderr)
        return 1
    if owner.path.parent == paths.runtime_dir() and (note := paths.runtime_dir_note()):
        logging.warning("%s", note)
    with owner:
        asyncio.run(_serve(Server(owner, idle_exit_s), corpora))
    return 0


async def _serve(server: Server, corpora: list[tuple[Path, Settings]]) -> None:
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, server.stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a dropped SSH link does not stop the engine
    await server.serve(corpora)
