"""The keys of the view at hand, on the last line."""

from __future__ import annotations

from rich.cells import cell_len
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

LAST_TO_GO = 2
"""Keys at the end that stay longest: help, which names all others, and quit."""


class KeyLine(Footer):
    """Textual's footer, which drops keys where there is no room for all: the palette's first, then from the end."""

    def __init__(self) -> None:
        super().__init__(compact=True)

    def bindings_changed(self, screen: Screen[object]) -> None:
        super().bindings_changed(screen)
        self.call_after_refresh(self._fit)

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        keys = list(self.query(FooterKey))
        of_palette = [key for key in keys if key.has_class("-command-palette")]
        of_view = [key for key in keys if key not in of_palette]
        droppable = [*of_view[-LAST_TO_GO:], *of_view[:-LAST_TO_GO], *of_palette]
        needed = sum(map(_width, keys))
        while needed > self.size.width and droppable:
            dropped = droppable.pop()
            needed -= _width(dropped)
        for key in keys:
            key.display = key in droppable


def _width(key: FooterKey) -> int:
    return cell_len(f"{key.key_display} {key.description} ")
