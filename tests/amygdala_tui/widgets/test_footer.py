"""The line of keys."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets._footer import FooterKey

from amygdala_tui.widgets.footer import KeyLine
from tests.waiting import eventually_async

WORDS = ("edit", "accept", "next", "retrain", "filter", "live", "help", "quit")


class Host(App[None]):
    """Has a few keys."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding(word[0], f"do_{word}", word) for word in WORDS]

    def compose(self) -> ComposeResult:
        yield KeyLine()


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, [*WORDS, "palette"]),
        (80, [*WORDS, "palette"]),
        (66, list(WORDS)),
        (60, [word for word in WORDS if word != "live"]),
        (20, ["help", "quit"]),
    ],
)
async def test_the_palettes_key_goes_first_and_help_and_quit_last(width: int, shown: list[str]) -> None:
    app = Host()
    async with app.run_test(size=(width, 20)) as pilot:
        await eventually_async(lambda: len(app.query(FooterKey)) == len(WORDS) + 1)
        await pilot.pause()
        keys = [key for key in app.query(FooterKey) if key.display]
        assert [key.description for key in keys] == shown
        edges = sorted((key.region.x, key.region.right) for key in keys)
        assert all(before[1] <= after[0] for before, after in pairwise(edges))
        assert edges[-1][1] <= width


async def test_keys_come_back_with_the_room() -> None:
    app = Host()
    async with app.run_test(size=(20, 20)) as pilot:
        await eventually_async(lambda: len(app.query(FooterKey)) == len(WORDS) + 1)
        await pilot.resize_terminal(120, 20)
        await pilot.pause()
        assert all(key.display for key in app.query(FooterKey))
