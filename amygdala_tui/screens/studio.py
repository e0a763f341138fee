"""The one frame for every view: the corpus on the left, the view, the inspector, what moved, the keys."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Static

from amygdala_tui.actions import ACTIONS
from amygdala_tui.frame import KEYBOARD, LARGE, VIEWS, WIDE, result_line, status_line
from amygdala_tui.mirror import Mirror
from amygdala_tui.screens.dialogs import Help
from amygdala_tui.walk import Walk
from amygdala_tui.widgets.concept import ConceptPane
from amygdala_tui.widgets.engine import EnginePane
from amygdala_tui.widgets.filter import Filter
from amygdala_tui.widgets.inspector import Inspector
from amygdala_tui.widgets.lines import LineList
from amygdala_tui.widgets.queue import QueuePane
from amygdala_tui.widgets.story import StoryPane
from amygdala_tui.widgets.tree import BRANCH, CorpusTree
from amygdala_tui.widgets.triage import TriagePane
from amygdala_tui.words import Opened, way_ends
from amygdala_tui.workplace import Workplace
from engine.settings import Settings


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
        self.branch: str | None = None
        """The tree's branch that is lit, where no story is."""
        self._path_before_filter: str | None = None
        self._opened: dict[str, Opened] = {}
        """Stories as they were when they last became the selection."""
        self._walk = Walk()
        self._place = workplace
        self._are_panes_mounted = False

    @property
    def view(self) -> str:
        """The id of the view that is shown."""
        return self.query_one(ContentSwitcher).current or "story"

    @property
    def is_up(self) -> bool:
        """Whether the panes are there: not yet at the start, and no more once the studio is closing."""
        return self._are_panes_mounted and bool(self.query(CorpusTree))

    def compose(self) -> ComposeResult:
        yield Static(id="status", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="side"):
                tree = CorpusTree(id="tree")
                yield Filter(narrow=tree.narrow, leave=self._focus_tree, id="filter")
                yield tree
            with ContentSwitcher(initial="story", id="views"):
                yield StoryPane(self._place.explain, id="story")
                yield TriagePane(id="triage")
                yield QueuePane(id="queue")
                yield ConceptPane(id="concept")
                yield EnginePane(id="engine")
            yield Inspector(id="inspector")
        yield Static(id="moved", markup=False)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self._are_panes_mounted = True
        self.add_class("-story", "-show-tree")  # a narrow screen starts with the tree: nothing is chosen yet
        self.query_one(Filter).display = False
        for rows in self.query(LineList):
            rows.selector = self
        self.draw(self.mirror, self.away)

    def on_resize(self) -> None:
        self._draw_status()

    # Drawing

    def draw(self, mirror: Mirror, away: str) -> None:
        """Draw a state; `away` says why no engine is connected, else is empty. Before the screen is up, keep both."""
        before, was_away = self.mirror, self.away
        self.mirror, self.away = mirror, away
        if not self.is_up:
            return
        if away == was_away and before.doing != mirror.doing and replace(before, doing=mirror.doing) == mirror:
            self._draw_progress()
            return
        if self.path not in mirror.stories:
            self.path = None
        if self.concept not in mirror.concepts and not mirror.stories_of(self.concept or ""):
            self.concept = None
        if self.path is not None and mirror.revision and self._opened[self.path].revision == 0:
            self._remember(self.path)  # it was selected before there were numbers
        self._light_selection()
        self.query_one(CorpusTree).show_mirror(mirror)
        self._draw_status()
        self._draw_moved()
        self._draw_view()
        for rows in self.query(LineList):
            rows.keep_lit()

    def _draw_progress(self) -> None:
        """Draw only what shows progress, which comes four times a second and must not repaint the rest."""
        self._draw_status()
        self._draw_moved()
        if self.view == "engine":
            self._draw_view()

    def _draw_status(self) -> None:
        width, name = self.size.width, self._place.corpus.name
        line = status_line(self.mirror, self.away, name, VIEWS, self.view, width=width, is_wide=width >= WIDE)
        self.query_one("#status", Static).update(line, layout=False)

    def _draw_moved(self) -> None:
        self.query_one("#moved", Static).update(result_line(self.mirror, self.away, self._opened), layout=False)

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

    # The selection: the row that is lit, in every list that has it

    def select_story(self, path: str) -> None:
        """Make a story the selection, and its concept with it."""
        if (view := self.mirror.stories.get(path)) is not None:
            self._select(path, view.concept)

    def leads(self, rows: LineList) -> bool:
        """The list with the keyboard leads; the tree also while the writer types the filter over it."""
        return self.focused is rows or (rows.id == "tree" and isinstance(self.focused, Filter))

    def row_lit(self, rows: LineList, key: str | None) -> None:
        """Make a lit row the selection."""
        if rows.id == "triage-list":
            if key is not None:
                self._select_concept(key)
        elif key is None:
            self._select(None, None)
        elif key.startswith(BRANCH):
            concept = key.removeprefix(f"{BRANCH}concept/")
            self._select(None, concept if concept in self.mirror.concepts else None, branch=key)
        else:
            self.select_story(key)

    def row_chosen(self, rows: LineList) -> None:
        """Open what the lit row stands for."""
        self.show_view("concept" if rows.id == "triage-list" else "story")

    def _select_concept(self, concept: str) -> None:
        view = self.mirror.stories.get(self.path or "")
        self._select(self.path if view is not None and view.concept == concept else None, concept)

    def _select(self, path: str | None, concept: str | None, branch: str | None = None) -> None:
        if (path, concept, branch) == (self.path, self.concept, self.branch):
            return
        if path is not None and path != self.path:
            self._remember(path)
        if path != self.path:
            self._place.showing(path)
        self.path, self.concept, self.branch = path, concept, branch
        self._light_selection()
        self._draw_view()

    def _remember(self, path: str) -> None:
        """Keep a story's numbers of now: what an edit did is told from here on, however often it is saved."""
        mirror = self.mirror
        self._opened[path] = Opened(mirror.revision, mirror.stories[path], mirror.misread)

    def _light_selection(self) -> None:
        for rows in self.query(LineList):
            match rows.id:
                case "triage-list":
                    rows.select(self.concept)
                case "tree":
                    rows.select(self.path or self.branch)
                case _:
                    rows.select(self.path)

    @property
    def _lit_story(self) -> str | None:
        """The story that a key acts on: none while the keyboard is among concepts."""
        return None if self.focused is self.query_one("#triage-list") else self.path

    # Views

    def show_view(self, view: str) -> None:
        """Switch to a view; the selection stays, and the keyboard goes to the view's list."""
        self.remove_class("-show-tree", "-show-inspector")
        self.set_class(view == "story", "-story")
        self.query_one(ContentSwitcher).current = view
        self._draw_status()
        self._draw_view()
        target = self.query_one(KEYBOARD[view])
        self.set_focus(target)  # at once: the next key may be in the queue already
        if isinstance(target, LineList):
            target.keep_lit()

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
        self._focus_tree()

    def action_show_inspector(self) -> None:
        self.remove_class("-show-tree")
        self.toggle_class("-show-inspector")

    def action_sort(self) -> None:
        if self.view == "triage":
            self.query_one(TriagePane).sort_next()

    def action_classic(self) -> None:
        self.query_one(StoryPane).toggle_classic()
        self._draw_view()

    def action_help(self) -> None:
        thresholds = (self.mirror.settings or Settings()).thresholds
        self.app.push_screen(Help(self.view, self._place.keys, thresholds))

    # The tree

    def action_group(self) -> None:
        by_concept = self.query_one(CorpusTree).group_by_concept()
        self.notify("the tree is by concept" if by_concept else "the tree is by file", timeout=2)

    def action_filter(self) -> None:
        field = self.query_one(Filter)
        self._path_before_filter = self.path
        self.remove_class("-show-inspector")
        self.add_class("-show-tree")
        field.display = True
        self.set_focus(field)

    def action_close_filter(self) -> None:
        field = self.query_one(Filter)
        if field.display:
            nothing_matched = self.path is None and self.branch is None
            self._focus_tree()
            field.value = ""
            field.display = False
            if nothing_matched and self._path_before_filter is not None:
                self.select_story(self._path_before_filter)

    def _focus_tree(self) -> None:
        tree = self.query_one(CorpusTree)
        self.set_focus(tree)
        tree.keep_lit()

    # The queue

    def action_next_story(self) -> None:
        """Go to the worst misread story that was not visited in this sitting; after those, to the maybes."""
        self._go_on_from(self.path)

    def _go_on_from(self, last: str | None) -> None:
        path = self._walk.next(self.mirror.queue, last)
        if path is None:
            self.notify(way_ends(self.mirror), timeout=3)
        else:
            self._visit(path)

    def draw_accepted(self, mirror: Mirror, path: str) -> None:
        """Draw a state in which a story is accepted; go on from it as `n` does, unless the writer has left it."""
        was_lit = self.path == path
        self.draw(mirror, self.away)
        if was_lit and mirror.revision:
            self._go_on_from(path)

    def action_previous_story(self) -> None:
        """Go back to where `n` came from."""
        path = self._walk.back(self.mirror.stories, self.path)
        if path is None:
            self.notify("that was the first one", timeout=3)
        else:
            self._visit(path)

    def _visit(self, path: str) -> None:
        view = "queue" if self.view == "queue" and self.mirror.stories[path].rank is not None else "story"
        self.show_view(view)
        self.select_story(path)

    # What the app does, since it owns the terminal and the link to the engine

    def action_edit(self) -> None:
        self._place.edit(self._lit_story)

    def action_accept(self) -> None:
        self._place.accept(self.mirror, self._lit_story)

    def action_retrain(self) -> None:
        self._place.retrain(self.mirror, self.concept, self._lit_story)

    def action_cancel(self) -> None:
        self._place.cancel(self.mirror)

    def action_live(self) -> None:
        self._place.toggle_live(self.mirror)

    def action_start_engine(self) -> None:
        self._place.start_engine()

    def action_leave(self) -> None:
        self.app.exit()
