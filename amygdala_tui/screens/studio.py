"""The one frame for every view: the corpus on the left, the view, the inspector, what moved, the keys."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Input, Static

from amygdala_tui.actions import ACTIONS
from amygdala_tui.messages import ConceptOpened, ConceptSelected, StoryOpened, StorySelected
from amygdala_tui.mirror import Mirror
from amygdala_tui.screens.dialogs import Help
from amygdala_tui.widgets.concept import ConceptPane
from amygdala_tui.widgets.engine import EnginePane
from amygdala_tui.widgets.inspector import Inspector
from amygdala_tui.widgets.lines import LineList
from amygdala_tui.widgets.queue import QueuePane
from amygdala_tui.widgets.story import StoryPane
from amygdala_tui.widgets.tree import BRANCH, CorpusTree
from amygdala_tui.widgets.triage import TriagePane
from amygdala_tui.words import engine_state, moved_line
from amygdala_tui.workplace import Workplace
from engine.plain import plain
from engine.settings import Settings

VIEWS = {"story": "1 Story", "triage": "2 Triage", "queue": "3 Queue", "concept": "4 Concept", "engine": "8 Engine"}
KEYBOARD = {
    "story": "#story-scroll",
    "triage": "#triage-list",
    "queue": "#queue-list",
    "concept": "#concept-stories",
    "engine": "#engine",
}
"""The widget that takes the keyboard in each view."""
WIDE = 100
"""Columns from which tree, view and inspector fit side by side; below, they take turns."""
LARGE = 160
"""Columns from which the inspector fits beside the tables too."""


class StudioScreen(Screen[None]):
    """Owns the selection (a story, a concept), which all panes share, and draws the mirror."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding for action in ACTIONS),
        Binding("escape", "close_filter", "close the filter", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide"), (LARGE, "-large")]  # noqa: RUF012 (an instance variable in the base class)
    AUTO_FOCUS = "#tree"

    def __init__(self, workplace: Workplace) -> None:
        super().__init__()
        self.mirror = Mirror()
        self.away = ""
        self.path: str | None = None
        self.concept: str | None = None
        self._place = workplace
        self._is_up = False

    @property
    def view(self) -> str:
        """The id of the view that is shown."""
        return self.query_one(ContentSwitcher).current or "story"

    def compose(self) -> ComposeResult:
        yield Static(id="status", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="side"):
                yield Input(placeholder="filter", id="filter", compact=True)
                yield CorpusTree(id="tree")
            with ContentSwitcher(initial="story", id="views"):
                yield StoryPane(id="story")
                yield TriagePane(id="triage")
                yield QueuePane(id="queue")
                yield ConceptPane(id="concept")
                yield EnginePane(id="engine")
            yield Inspector(id="inspector")
        yield Static(id="moved", markup=False)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self._is_up = True
        self.add_class("-story", "-show-tree")  # a narrow screen starts with the tree: nothing is chosen yet
        self.query_one("#filter").display = False
        self.draw(self.mirror, self.away)

    def on_resize(self) -> None:
        self._draw_status()

    # Drawing

    def draw(self, mirror: Mirror, away: str) -> None:
        """Draw a state; `away` says why no engine is connected, else is empty. Before the screen is up, keep both."""
        before, was_away = self.mirror, self.away
        self.mirror, self.away = mirror, away
        if not self._is_up:
            return
        if away == was_away and before.doing != mirror.doing and replace(before, doing=mirror.doing) == mirror:
            self._draw_progress()
            return
        if self.path not in mirror.stories:
            self.path = None
        if self.concept not in mirror.concepts and not mirror.stories_of(self.concept or ""):
            self.concept = None
        self.query_one(CorpusTree).show_mirror(mirror)
        self._draw_status()
        self._draw_moved()
        self._draw_view()

    def _draw_progress(self) -> None:
        """Draw only what shows progress, which comes four times a second and must not repaint the rest."""
        self._draw_status()
        self._draw_moved()
        if self.view == "engine":
            self._draw_view()

    def _draw_status(self) -> None:
        width = self.size.width
        name = plain(self._place.corpus.name)
        state = engine_state(self.mirror, self.away)
        doing = self.mirror.doing
        if doing is not None and not self.away:
            wide = width >= WIDE and not doing.total
            device = f"  {doing.device}" if wide and doing.device else ""
            state.append(
                f"{device}  rev {self.mirror.revision}  {'live' if doing.live else 'PAUSED'}", style="not bold"
            )
        left = Text(f" {name}  " if width < WIDE else f" Amygdala · {name}   ", style="bold")
        for view, label in VIEWS.items():
            shown = label if width >= WIDE or view == self.view else label[0]
            left.append(f" {shown} ", style="reverse not bold" if view == self.view else "not bold")
        left.truncate(max(1, width - state.cell_len - 2), overflow="ellipsis", pad=True)
        self.query_one("#status", Static).update(Text.assemble(left, " ", state, " "), layout=False)

    def _draw_moved(self) -> None:
        moves = self.mirror.moves
        doing = self.mirror.doing
        if self.away:
            line = Text(plain(self.away), style="bold red")
        elif doing is not None and doing.state == "failed":
            line = Text(f"failed: {plain(doing.detail)}", style="bold red").append("  (8: more)", style="not bold")
        else:
            line = moved_line(moves[0]) if moves else Text("nothing has moved yet", style="dim")
        self.query_one("#moved", Static).update(line, layout=False)

    def _draw_view(self) -> None:
        match self.view:
            case "story":
                self.query_one(StoryPane).show(self._place.corpus, self.mirror, self.path)
            case "triage":
                self.query_one(TriagePane).show(self.mirror)
            case "queue":
                self.query_one(QueuePane).show(self.mirror)
            case "concept":
                self.query_one(ConceptPane).show(self.mirror, self.concept)
            case "engine":
                self.query_one(EnginePane).show(self._place.corpus, self._place.socket, self.mirror, self.away)
        self.query_one(Inspector).show(self.mirror, self.concept, self.path)

    # The shared selection

    def select_story(self, path: str) -> None:
        """Make a story the selection, and its concept with it."""
        view = self.mirror.stories.get(path)
        if view is None:
            return
        self.path = path
        self._place.showing(path)
        self.concept = view.concept or self.concept
        self.query_one(CorpusTree).reveal(path)
        self._draw_view()

    @on(LineList.Highlighted, "#tree")
    def _tree_moved(self, event: LineList.Highlighted) -> None:
        if not event.key.startswith(BRANCH):
            self.select_story(event.key)
        elif event.key.startswith(f"{BRANCH}concept/"):
            self._select_concept(event.key.removeprefix(f"{BRANCH}concept/"))

    @on(LineList.Chosen, "#tree")
    def _tree_chosen(self, event: LineList.Chosen) -> None:
        self.select_story(event.key)
        self.show_view("story")

    @on(StorySelected)
    def _story_selected(self, event: StorySelected) -> None:
        self.select_story(event.path)

    @on(StoryOpened)
    def _story_opened(self, event: StoryOpened) -> None:
        self.select_story(event.path)
        self.show_view("story")

    @on(ConceptSelected)
    def _concept_selected(self, event: ConceptSelected) -> None:
        self._select_concept(event.concept)

    @on(ConceptOpened)
    def _concept_opened(self, event: ConceptOpened) -> None:
        self._select_concept(event.concept)
        self.show_view("concept")

    def _select_concept(self, concept: str) -> None:
        if concept in self.mirror.concepts:
            self.concept = concept
            self._draw_view()

    # Views

    def show_view(self, view: str) -> None:
        """Switch to a view; the selection stays, and the keyboard goes to the view's list."""
        self.remove_class("-show-tree", "-show-inspector")
        self.set_class(view == "story", "-story")
        self.query_one(ContentSwitcher).current = view
        self._draw_status()
        self._draw_view()
        target = self.query_one(KEYBOARD[view])
        target.focus()
        selected = self.concept if view == "triage" else self.path
        if isinstance(target, LineList) and selected is not None:
            target.select(selected)

    def action_show_story(self) -> None:
        self.show_view("story")

    def action_show_triage(self) -> None:
        self.show_view("triage")

    def action_show_queue(self) -> None:
        self.show_view("queue")

    def action_show_concept(self) -> None:
        self.show_view("concept")

    def action_show_engine(self) -> None:
        self.show_view("engine")

    def action_show_tree(self) -> None:
        self.remove_class("-show-inspector")
        self.toggle_class("-show-tree")
        self.query_one(CorpusTree).focus()

    def action_show_inspector(self) -> None:
        self.remove_class("-show-tree")
        self.toggle_class("-show-inspector")

    def action_sort(self) -> None:
        if self.view == "triage":
            self.query_one(TriagePane).sort_next()

    def action_help(self) -> None:
        thresholds = (self.mirror.settings or Settings()).thresholds
        self.app.push_screen(Help(self.view, self._place.keys, thresholds))

    # The tree

    def action_group(self) -> None:
        by_concept = self.query_one(CorpusTree).group_by_concept()
        self.notify("the tree is by concept" if by_concept else "the tree is by file", timeout=2)

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        self.remove_class("-show-inspector")
        self.add_class("-show-tree")
        field.display = True
        field.focus()

    @on(Input.Changed, "#filter")
    def _narrow(self, event: Input.Changed) -> None:
        self.query_one(CorpusTree).narrow(event.value)

    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        self.query_one(CorpusTree).focus()

    def action_close_filter(self) -> None:
        field = self.query_one("#filter", Input)
        if field.display:
            field.value = ""
            field.display = False
            self.query_one(CorpusTree).focus()

    # The queue

    def action_next_outlier(self) -> None:
        self._step(1)

    def action_previous_outlier(self) -> None:
        self._step(-1)

    def _step(self, step: int) -> None:
        """Go on through the queue from the selected story; if that is not in the queue, go to its start."""
        paths = [view.path for view in self.mirror.queue]
        if not paths:
            self.notify("nothing is in the queue" if self.mirror.revision else "no numbers yet", timeout=3)
            return
        place = paths.index(self.path) + step if self.path in paths else 0
        if not 0 <= place < len(paths):
            self.notify("that was the last one in the queue" if step > 0 else "that was the first one", timeout=3)
            return
        self.select_story(paths[place])
        self.show_view("queue" if self.view == "queue" else "story")

    # What the app does, since it owns the terminal and the link to the engine

    def action_edit(self) -> None:
        self._place.edit(self.path)

    def action_retrain(self) -> None:
        self._place.retrain(self.mirror, self.concept, self.path)

    def action_cancel(self) -> None:
        self._place.cancel(self.mirror)

    def action_live(self) -> None:
        self._place.toggle_live(self.mirror)

    def action_start_engine(self) -> None:
        self._place.start_engine()

    def action_leave(self) -> None:
        self.app.exit()
