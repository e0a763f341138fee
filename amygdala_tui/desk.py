"""The app, as those see it that do things for a writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from textual.screen import Screen

from amygdala_tui.mirror import Mirror
from engine.wire import protocol

T = TypeVar("T")


class Desk(Protocol):
    """What a thing that is done needs of the app: to ask, to tell, and to take its time."""

    corpus: Path

    @property
    def mirror(self) -> Mirror:
        """What is known of the corpus."""

    def say(self, words: str, *, is_error: bool = False) -> None:
        """Tell the writer something in passing."""

    def ask(self, dialog: Screen[T], take: Callable[[T | None], None]) -> None:
        """Show a dialog, and give its answer."""

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that takes its time."""

    def edit(self, path: str | None) -> None:
        """Open a story in the writer's editor."""

    def await_story(self, path: str) -> None:
        """Select a story as soon as it is known."""

    def show_accepted(self, path: str, reason: str | None, *, goes_on: bool) -> None:
        """Show that a story is accepted, or not any more (None); `goes_on` leads to the next story to fix."""

    def request(self, kind: type[protocol.Request], **fields: Any) -> Awaitable[protocol.Reply]:
        """Ask the engine."""
