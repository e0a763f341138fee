"""The Find view's list: the stories that have the words that are typed over it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from amygdala_tui.find import Finder, findable
from amygdala_tui.mirror import Mirror
from amygdala_tui.texts import HeldTexts, read_texts
from amygdala_tui.widgets.field import Field
from amygdala_tui.widgets.find_lines import hit_lines
from amygdala_tui.widgets.lines import LineList
from engine.threads import in_thread


class FindPane(Vertical):
    """A field, how many stories have its words, and these stories.

    Args:
        leave: brings the keyboard to the list, after Enter in the field.
    """

    def __init__(self, leave: Callable[[], None], *, id: str) -> None:
        super().__init__(id=id)
        self.rows = LineList(id="find-list", empty="type words of a name or of a text")
        self.field = Field(take=self._find, move=self.rows.action_cursor, leave=leave, id="find-field")
        self._told = Static(id="find-told", markup=False)
        self._finder = Finder()
        self._held = HeldTexts()
        self._mirror = Mirror()

    def compose(self) -> ComposeResult:
        yield self.field
        yield self._told
        yield self.rows

    def open(self) -> None:
        """Begin anew."""
        self.field.value = ""

    def show(self, corpus: Path, mirror: Mirror) -> None:
        """Search the stories of this state from now on, as they are on disk."""
        if mirror.stories is not self._mirror.stories:
            self._mirror = mirror
            self._search_held()
            self.run_worker(partial(self._read, corpus, mirror), group="texts", exclusive=True)  # type: ignore[arg-type]  # as in `Studio.showing`

    async def _read(self, corpus: Path, mirror: Mirror) -> None:
        self._held = await in_thread(lambda: read_texts(corpus, mirror.stories, self._held))
        self._search_held()

    def _search_held(self) -> None:
        texts = self._held.texts
        self._finder.hold(
            findable(view.path, view.concept, view.scenario, held.folded.text if (held := texts.get(view.path)) else "")
            for view in self._mirror.stories.values()
        )
        self._find(self.field.value)

    def _find(self, query: str) -> None:
        hits = self._finder.find(query)
        unread = self._held.told()
        self._told.update(f" {hits.told()}{f' · {unread}' if unread and query else ''}", layout=False)
        self.rows.show(hit_lines(hits, self._held.texts), "no story has these words" if query.strip() else None)
