"""A writer's home: where the engine, its cache and the studio's state lie, and an editor that does what it is told."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amygdala_tui.demo import copy_sample
from engine import client
from tests.e2e.terminal import Terminal

EDITOR = """#!/bin/sh
echo "$1" >> {home}/opened
. {home}/does
"""


class Home:
    """A folder that one engine and all studios of a test run share: the model is loaded once.

    Args:
        folder: of a short path, since a socket lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "e.sock"
        self._n_corpora = 0
        editor = folder / "editor"
        editor.write_text(EDITOR.format(home=folder))
        editor.chmod(0o755)
        self.editor_does(":")

    def editor_does(self, script: str) -> None:
        """What the editor does from now on, in the shell's words; `$1` is the file that it was opened with."""
        (self.folder / "does").write_text(f"{script}\n")

    def editor_pastes(self, text: str) -> None:
        """From now on the editor saves this text."""
        (self.folder / "pasted").write_text(text, "utf-8")
        self.editor_does(f'cp {self.folder}/pasted "$1"')

    @property
    def opened(self) -> list[Path]:
        """The files that the editor was opened with, in order."""
        opened = self.folder / "opened"
        return [Path(line) for line in opened.read_text("utf-8").splitlines()] if opened.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        """Of every program that is started here."""
        return {
            "AMYGDALA_SOCKET": str(self.socket),
            "AMYGDALA_CACHE": str(self.folder / "cache"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
            "VISUAL": str(self.folder / "editor"),
            "TERM": "tmux-256color",
        }

    def new_corpus(self) -> Path:
        """A folder for a corpus, which is not there yet."""
        self._n_corpora += 1
        return self.folder / f"corpus-{self._n_corpora}"

    def sample(self) -> Path:
        """A new copy of the sample corpus."""
        corpus = self.new_corpus()
        copy_sample(corpus)
        return corpus

    def command(self, corpus: Path) -> list[str]:
        """What opens the studio on a corpus, with the embedded model."""
        return [sys.executable, "-m", "amygdala_tui", str(corpus), "--model", "embedded"]

    @contextmanager
    def studio(
        self, corpus: Path, width: int = 120, height: int = 40, *, in_colours: bool = True
    ) -> Iterator[Terminal]:
        """The studio in a terminal; without colours, the lit row is drawn in reverse (`Terminal.lit_row`)."""
        with self.terminal(
            self.command(corpus), width, height, **({} if in_colours else {"NO_COLOR": "1"})
        ) as terminal:
            yield terminal

    @contextmanager
    def shell(self, corpus: Path) -> Iterator[Terminal]:
        """The studio as a job of an interactive shell, begun by a script that waits for it."""
        with self.terminal(["bash", "--norc", "-i"]) as terminal:
            terminal.type(f"sh -c {shlex.quote(shlex.join(self.command(corpus)) + '; echo ended')}")
            terminal.press("Enter")
            yield terminal

    @contextmanager
    def terminal(self, command: list[str], width: int = 120, height: int = 40, **more: str) -> Iterator[Terminal]:
        """Any program in a terminal, in this home's environment and more of it."""
        terminal = Terminal(self.folder, command, self.environment | more, width, height)
        try:
            yield terminal
        finally:
            terminal.end()

    def engine_pid(self) -> int:
        """The process id of the engine that serves here.

        Raises:
            NoEngine: none does.
        """

        async def ask() -> int:
            connection = await client.connect(self.socket)
            await connection.close()
            return connection.welcome.pid

        return asyncio.run(ask())

    def stop_engine(self) -> None:
        """Stop the engine, if one serves here."""
        stop = [sys.executable, "-m", "engine", "stop", "--socket", str(self.socket)]
        subprocess.run(stop, capture_output=True, check=False)


@contextmanager
def home() -> Iterator[Home]:
    """A home of its own, taken away at the end with its engine."""
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    place = Home(folder)
    try:
        yield place
    finally:
        place.stop_engine()
        shutil.rmtree(folder, ignore_errors=True)
