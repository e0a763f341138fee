"""What a screen can ask the app for: the corpus, the engine, the editor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from amygdala_tui.mirror import Mirror
from amygdala_tui.place import Place
from engine.results import Draft


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

    def accept(self, mirror: Mirror, paths: Sequence[str]) -> None:
        """Ask for a reason, and have stories accepted as they are; where all are accepted, not any more."""

    def retrain(self, mirror: Mirror, concept: str | None, paths: Sequence[str]) -> None:
        """Ask what to retrain, and have the engine do it."""

    def cancel(self, mirror: Mirror) -> None:
        """Have the engine drop what waits for the model."""

    def showing(self, path: str | None) -> None:
        """Let the engine know which story is on the screen: it goes before others."""

    async def explain(self, path: str, text: str) -> Draft | None:
        """Ask the engine why a story with this text reads as it does; None where there is no answer."""

    async def read_by(self, path: str, text: str, concepts: tuple[str, ...]) -> Draft | None:
        """Ask the engine how a story with this text reads by some concepts; None where there is no answer."""

    def toggle_live(self, mirror: Mirror) -> None:
        """Follow every save, or pause."""

    def start_engine(self) -> None:
        """Connect again."""
