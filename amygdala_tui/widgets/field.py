"""The field over the list of found stories."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class Field(Input):
    """A field that acts by calls, not by messages: the key after a letter must find the list that the letter left.

    Args:
        take: takes the words after each change.
        move: moves the light of the list by so many rows.
        leave: gives the keyboard away, after Enter.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
    ]

    def __init__(
        self, *, take: Callable[[str], None], move: Callable[[int], None], leave: Callable[[], None], id: str
    ) -> None:
        # by itself it selects all when it learns that it has the keyboard, which may be in the midst of a typed word
        super().__init__(placeholder="find", id=id, compact=True, select_on_focus=False)
        self._take = take
        self._move = move
        self._leave = leave

    def watch_value(self, value: str) -> None:
        if self.is_mounted:
            self._take(value)

    def action_move(self, rows: int) -> None:
        self._move(rows)

    async def action_submit(self) -> None:
        self._leave()
