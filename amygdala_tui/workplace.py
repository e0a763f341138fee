"""What a screen can ask the app for: the corpus, the engine, the editor."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

from amygdala_tui.asking import Asking
from amygdala_tui.mender import Mender
from amygdala_tui.place import Place
from amygdala_tui.taking_back import TakingBack


class Workplace(Protocol):
    """The app, as its screens see it."""

    corpus: Path
    socket: Path
    keys: Mapping[str, str]
    """The writer's own keys, by action id."""

    def keep_place(self, where: Place) -> None:
        """Have kept where the writer is, for the next sitting."""

    def edit(self, path: str | None) -> None:
        """Open a story in the writer's editor."""

    @property
    def asking(self) -> Asking:
        """What can be asked of the engine."""

    @property
    def mender(self) -> Mender:
        """The writer's hands on the corpus."""

    @property
    def taking_back(self) -> TakingBack:
        """Undo and redo."""

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that takes its time."""

    def copy_path(self, path: str | None) -> None:
        """Copy a story's path to the clipboard."""

    def showing(self, path: str | None) -> None:
        """Let the engine know which story is on the screen: it goes before others."""

    def start_engine(self) -> None:
        """Connect again."""
