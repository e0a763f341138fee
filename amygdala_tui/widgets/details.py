"""The right side: what is selected, a story or a concept; in the Engine view, what the engine does."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import Selection
from amygdala_tui.sitting import Sitting
from amygdala_tui.whereabouts import Kind
from amygdala_tui.widgets.concept import ConceptPane
from amygdala_tui.widgets.engine import EnginePane
from amygdala_tui.widgets.story import CHOOSE, StoryPane
from amygdala_tui.words import place_words
from amygdala_tui.workplace import Workplace


class Details(ContentSwitcher):
    """The pane of a story, of a concept and of the engine, one of which is shown."""

    def __init__(self, workplace: Workplace, *, id: str) -> None:
        super().__init__(initial="story", id=id)
        self._place = workplace
        self._story = StoryPane(workplace.explain, id="story")
        self._concept = ConceptPane(id="concept")
        self._engine = EnginePane(id="engine")

    def compose(self) -> ComposeResult:
        yield self._story
        yield self._concept
        yield self._engine

    @property
    def pane(self) -> Widget:
        """The pane that is shown."""
        return {"story": self._story, "concept": self._concept}.get(self.current or "", self._engine)

    def show(self, kind: Kind, mirror: Mirror, away: str, selection: Selection, sitting: Sitting) -> None:
        """Draw a pane in a state of the corpus."""
        self.current = kind
        match kind:
            case "story":
                place = place_words(sitting.place(selection.path or ""), sitting.tally(mirror))
                self._story.show(self._place.corpus, mirror, selection.path, place, _nothing(mirror, selection))
            case "concept":
                self._concept.show(mirror, selection.concept)
            case "engine":
                self._engine.show(self._place.corpus, self._place.socket, mirror, away)

    def toggle_classic(self) -> None:
        """Show the classic scores and buckets too, or no longer."""
        self._story.with_classic = self._concept.with_classic = not self._story.with_classic


def _nothing(mirror: Mirror, selection: Selection) -> str:
    """What is said where no story is selected: of a file that is none, why."""
    if (path := selection.problem) is not None:
        return "\n".join([path, *(problem.message for problem in mirror.problems if problem.path == path)])
    return CHOOSE if mirror.stories else "There is no story yet."
