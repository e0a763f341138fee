"""The right side: what is selected, a story or a concept; in the Engine view, what the engine does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from amygdala_tui.mirror import Mirror
from amygdala_tui.moved import place_words
from amygdala_tui.selection import Selection
from amygdala_tui.side_by_side import Partner, default_partner
from amygdala_tui.sitting import Sitting
from amygdala_tui.whereabouts import Kind
from amygdala_tui.widgets.compare import ComparePane
from amygdala_tui.widgets.concept import ConceptPane
from amygdala_tui.widgets.draft import DraftPane
from amygdala_tui.widgets.engine import EnginePane
from amygdala_tui.widgets.story import CHOOSE, StoryPane, read
from amygdala_tui.workplace import Workplace
from engine.errors import AmygdalaError
from engine.threads import ANSWERS_WITHIN_S, answered_within


class Details(ContentSwitcher):
    """The pane of a story, of a concept and of the engine, one of which is shown."""

    def __init__(self, workplace: Workplace, *, id: str) -> None:
        super().__init__(initial="story", id=id)
        self._place = workplace
        self._story = StoryPane(workplace.asking.explain, id="story")
        self._concept = ConceptPane(id="concept")
        self._engine = EnginePane(id="engine")
        self.compare = ComparePane(self._text_of, workplace.asking.read_by, id="compare")
        self.draft = DraftPane(workplace.asking, workplace.mender, id="draft")

    def compose(self) -> ComposeResult:
        yield self._story
        yield self._concept
        yield self._engine
        yield self.compare
        yield self.draft

    @property
    def keyboard(self) -> Widget:
        """What takes the keyboard in the pane that is shown."""
        if self.current == "draft":
            return self.draft.area
        if self.current == "compare":
            return self.compare.query_one("#compare-scroll")
        return {"story": self._story, "concept": self._concept}.get(self.current or "", self._engine)

    def show(
        self, kind: Kind, mirror: Mirror, away: str, selection: Selection, sitting: Sitting, marked: Sequence[str]
    ) -> None:
        """Draw a pane in a state of the corpus."""
        self.current = kind
        match kind:
            case "story":
                place = place_words(sitting.place(selection.path or ""), sitting.tally(mirror))
                self._story.show(self._place.corpus, mirror, selection.path, place, _nothing(mirror, selection))
            case "concept":
                self._concept.show(mirror, selection.concept)
            case "compare":
                self.compare.show(mirror, selection.path, self._partner(mirror, selection.path or "", marked))
            case "draft":
                if (story := mirror.stories.get(selection.path or "")) is not None:
                    self.draft.open(story)
            case "engine":
                self._engine.show(self._place.corpus, self._place.socket, mirror, away)

    def _partner(self, mirror: Mirror, path: str, marked: Sequence[str]) -> Partner:
        """What a story is put beside: the marked one, if there is one; else what is the most telling."""
        match [other for other in marked if other != path]:
            case [other]:
                return Partner(other, "marked")
            case _:
                return default_partner(mirror, path, self._story.copies_of(path))

    async def _text_of(self, path: str) -> str | Text:
        file = self._place.corpus / path
        try:
            return await answered_within(ANSWERS_WITHIN_S, file, partial(read, file))
        except AmygdalaError as error:
            return Text(str(error))

    def toggle_classic(self) -> None:
        """Show the classic scores and buckets too, or no longer."""
        self._story.with_classic = self._concept.with_classic = not self._story.with_classic


def _nothing(mirror: Mirror, selection: Selection) -> str:
    """What is said where no story is selected: of a file that is none, why."""
    if (path := selection.problem) is not None:
        return "\n".join([path, *(problem.message for problem in mirror.problems if problem.path == path)])
    return CHOOSE if mirror.stories else "There is no story yet."
