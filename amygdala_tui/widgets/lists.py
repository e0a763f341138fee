"""The left side: each view's list, one of which is shown."""

from __future__ import annotations

from collections.abc import Container

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import ContentSwitcher

from amygdala_tui.actions import Place
from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import CONCEPT, Selection
from amygdala_tui.sitting import Tally
from amygdala_tui.widgets.concept import ConceptStories
from amygdala_tui.widgets.filter import Filter
from amygdala_tui.widgets.lines import LineList, Selector
from amygdala_tui.widgets.queue import QueueList
from amygdala_tui.widgets.tree import CorpusTree
from amygdala_tui.widgets.triage import TriageList

IDS: dict[Place, str] = {
    "queue": "queue-list",
    "triage": "triage-list",
    "corpus": "tree",
    "concept": "concept-stories",
}
"""The id of each view's list. Engine has none."""


class Lists(ContentSwitcher):
    """The lists of all views. None has a selection of its own: each shows the one it is given.

    Args:
        selector: who owns the selection.
    """

    def __init__(self, selector: Selector, *, id: str) -> None:
        super().__init__(initial="queue-list", id=id)
        self.queue = QueueList(id="queue-list")
        self.triage = TriageList(id="triage-list")
        self.files = CorpusTree(id="tree")
        self.stories = ConceptStories(id="concept-stories")
        self.filter = Filter(narrow=self.files.narrow, leave=self._leave_filter, id="filter")
        self.filter.display = False
        for rows in (self.queue, self.triage, self.files, self.stories):
            rows.selector = selector

    def compose(self) -> ComposeResult:
        yield self.queue
        yield self.triage
        with Vertical(id="corpus"):
            yield self.filter
            yield self.files
        yield self.stories

    def of(self, view: Place) -> LineList | None:
        """A view's list, if it has one."""
        return self.query_one(f"#{IDS[view]}", LineList) if view in IDS else None

    def bring(self, view: Place) -> None:
        """Show a view's list."""
        if view in IDS:
            self.current = "corpus" if view == "corpus" else IDS[view]

    def draw(self, view: Place, mirror: Mirror, selection: Selection, tally: Tally, marked: Container[str]) -> None:
        """Draw a view's list in a state of the corpus, with the selection lit, or else moved to where the light is."""
        rows = self.of(view)
        if rows is None:
            return
        rows.marked = marked
        self.light(view, selection)
        match rows:
            case QueueList():
                rows.show_mirror(mirror, tally)
            case TriageList() | CorpusTree():
                rows.show_mirror(mirror)
            case ConceptStories():
                rows.show_concept(mirror, selection.concept)
        rows.keep_lit()

    def light(self, view: Place, selection: Selection) -> None:
        """Light the selection in a view's list: among concepts, the concept of a story."""
        if (rows := self.of(view)) is not None:
            is_triage = rows is self.triage
            key = f"{CONCEPT}{selection.concept}" if is_triage and selection.concept is not None else selection.key
            rows.select(key)

    @property
    def shows_more(self) -> bool:
        """Whether what the shown list can fold is unfolded."""
        return self.queue.with_maybes if self.current == "queue-list" else self.triage.is_unfolded

    def toggle_more(self) -> None:
        """Unfold what the shown list can fold, or fold it."""
        if self.current == "queue-list":
            self.queue.toggle_maybes()
        else:
            self.triage.toggle_fold()

    def drop_filter(self) -> None:
        """Show all files again."""
        if self.filter.display:
            self.filter.value = ""
            self.filter.display = False

    def _leave_filter(self) -> None:
        self.screen.set_focus(self.files)
        self.files.keep_lit()
