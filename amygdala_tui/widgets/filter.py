"""The field over the tree whose words narrow it."""

from __future__ import annotations

from collections.abc import Callable

from textual.widgets import Input


class Filter(Input):
    """A field that acts by calls, not by messages: the key after a letter must find the tree that the letter left.

    Args:
        narrow: takes the words after each change.
        leave: gives the keyboard back, after Enter.
    """

    def __init__(self, *, narrow: Callable[[str], None], leave: Callable[[], None], id: str) -> None:
        super().__init__(placeholder="filter", id=id, compact=True)
        self._narrow = narrow
        self._leave = leave

    def watch_value(self, value: str) -> None:
        if self.is_mounted:
            self._narrow(value)

    async def action_submit(self) -> None:
        self._leave()
