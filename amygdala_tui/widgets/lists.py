"""The left side: each view's list, one of which is shown."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import ContentSwitcher

from amygdala_tui.actions import View
from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import CONCEPT, Selection
from amygdala_tui.sitting import Tally
from amygdala_tui.widgets.concept import ConceptStories
from amygdala_tui.widgets.find import FindPane
from amygdala_tui.widgets.lines import LineList, Selector
from amygdala_tui.widgets.queue import QueueList
from amygdala_tui.widgets.tree import CorpusTree
from amygdala_tui.widgets.triage import TriageList

IDS: dict[View, str] = {
    "queue": "queue-list",
    "triage": "triage-list",
    "corpus": "tree",
    "concept": "concept-stories",
    "find": "find-list",
}
"""The id of each view's list. Engine has none."""


class Lists(ContentSwitcher):
    """The lists of all views. None has a selection of its own: each shows the one it is given.

    Args:
        corpus: the corpus's folder.
        selector: who owns the selection.
        leave_field: brings the keyboard from the field of Find to its list.
    """

    def __init__(self, corpus: Path, selector: Selector, leave_field: Callable[[], None], *, id: str) -> None:
        super().__init__(initial="queue-list", id=id)
        self._corpus = corpus
        self.queue = QueueList(id="queue-list")
        self.triage = TriageList(id="triage-list")
        self.files = CorpusTree(id="tree")
        self.stories = ConceptStories(id="concept-stories")
        self.find = FindPane(leave_field, id="find")
        for rows in (self.queue, self.triage, self.files, self.stories, self.find.rows):
            rows.selector = selector

    def compose(self) -> ComposeResult:
        yield self.queue
        yield self.triage
        yield self.files
        yield self.stories
        yield self.find

    def of(self, view: View) -> LineList | None:
        """A view's list, if it has one."""
        return self.query_one(f"#{IDS[view]}", LineList) if view in IDS else None

    def bring(self, view: View) -> None:
        """Show a view's list."""
        if view in IDS:
            self.current = "find" if view == "find" else IDS[view]

    def draw(
        self, view: View, mirror: Mirror, selection: Selection, tally: Tally, marked: Container[str], *, is_dim: bool
    ) -> None:
        """Draw a view's list in a state of the corpus, with the selection lit, or else moved to where the light is."""
        rows = self.of(view)
        if rows is None:
            return
        rows.marked = marked
        if rows.is_dim != is_dim:
            rows.is_dim = is_dim
            rows.refresh()
        self.light(view, selection)
        match rows:
            case QueueList():
                rows.show_mirror(mirror, tally)
            case TriageList() | CorpusTree():
                rows.show_mirror(mirror)
            case ConceptStories():
                rows.show_concept(mirror, selection.concept)
            case _:
                self.find.show(self._corpus, mirror)
        rows.keep_lit()

    def light(self, view: View, selection: Selection) -> None:
        """Light the selection in a view's list: among concepts, the concept of a story."""
        if (rows := self.of(view)) is not None:
            is_triage = rows is self.triage
            key = f"{CONCEPT}{selection.concept}" if is_triage and selection.concept is not None else selection.key
            rows.select(key)

    @property
    def arrangement(self) -> tuple[str, str, tuple[str, ...]]:
        """How files are grouped, by what concepts are sorted, and which parts of lists are unfolded."""
        unfolded = {"maybes": self.queue.with_maybes, "as chance": self.triage.is_unfolded}
        grouping = "concept" if self.files.is_by_concept else "file"
        return grouping, self.triage.sort, tuple(name for name, is_unfolded in unfolded.items() if is_unfolded)

    def rearrange(self, grouping: str, sort: str, unfolded: Container[str]) -> None:
        """Take up an arrangement; what is of no list any more is passed over."""
        if (grouping == "concept") != self.files.is_by_concept:
            self.files.group_by_concept()
        self.triage.sort_by(sort)
        if ("maybes" in unfolded) != self.queue.with_maybes:
            self.queue.toggle_maybes()
        if ("as chance" in unfolded) != self.triage.is_unfolded:
            self.triage.toggle_fold()

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
