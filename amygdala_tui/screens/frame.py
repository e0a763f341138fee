"""The one frame for every view: a list, what is selected in it, what moved, the keys."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from amygdala_tui.actions import LISTS, View
from amygdala_tui.frame import LARGE, WIDE, Going, key_labels, key_line, result_line, status_line
from amygdala_tui.mirror import Mirror
from amygdala_tui.place import Place
from amygdala_tui.selection import CONCEPT, Selection
from amygdala_tui.sitting import Sitting
from amygdala_tui.whereabouts import Whereabouts
from amygdala_tui.widgets.details import Details
from amygdala_tui.widgets.lines import LineList
from amygdala_tui.widgets.lists import IDS, Lists
from amygdala_tui.words import WRAPPING, title
from amygdala_tui.workplace import Workplace
from engine.corpus import Change
from engine.plain import plain

LEAST_RESULT, MOST_RESULT = 2, 8
"""Lines that the result has."""


class FrameScreen(Screen[None]):
    """Owns the selection: what the lit row of the shown view's list stands for. Lists show it, and have no other."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide"), (LARGE, "-large")]  # noqa: RUF012 (an instance variable in the base class)
    AUTO_FOCUS = "#queue-list"

    def __init__(self, workplace: Workplace) -> None:
        super().__init__()
        self.mirror = Mirror()
        self.away = ""
        self.selection = Selection()
        self.marked: dict[str, None] = {}
        """Marked stories, in the order of marking."""
        self._where = Whereabouts()
        self._last_path: str | None = None
        """The story that was selected last."""
        self.awaited: str | None = None
        """A story that is to be selected as soon as it is known."""
        self.is_untouched = True
        """Whether the writer has done nothing yet: until then the worst story is selected, as soon as it is known."""
        self._kept = Place()
        """Where the writer was at the end of the last sitting."""
        self._missing: str | None = None
        """The selected story whose file is gone, until it is told where it went: that comes a moment later."""
        self._sitting = Sitting()
        self._place = workplace
        self._are_panes_mounted = False

    @property
    def view(self) -> View:
        """The id of the shown view."""
        return self._where.view

    @property
    def path(self) -> str | None:
        """The selected story."""
        return self.selection.path

    @property
    def concept(self) -> str | None:
        """The selected concept, or that of the selected story."""
        return self.selection.concept

    @property
    def is_up(self) -> bool:
        """Whether the panes are there: not yet at the start, and no more once the studio is closing."""
        return self._are_panes_mounted and all(self.query(part) for part in ("#status", "Lists", "#keys"))

    def compose(self) -> ComposeResult:
        yield Static(id="status", markup=False)
        with Horizontal(id="body"):
            yield Lists(self._place.corpus, self, self._focus, id="lists")
            yield Details(self._place, id="details")
        yield Static(id="moved", markup=False)
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        self._are_panes_mounted = True
        if self._kept != Place():  # it was read before there were panes to take it up
            self.take_up(self._kept)
        self.draw(self.mirror, self.away)

    def on_resize(self) -> None:
        self._draw_status()
        self._draw_moved()
        self._draw_keys()

    # Drawing

    def draw(self, mirror: Mirror, away: str) -> None:
        """Draw a state; `away` says why no engine is connected, else is empty. Before the screen is up, keep both."""
        before, was_away = self.mirror, self.away
        self.mirror, self.away = self._with_what_may_move(mirror), away
        self._sitting.see(self.mirror)
        if not self.is_up:
            return
        if away == was_away and before.doing != mirror.doing and replace(before, doing=mirror.doing) == self.mirror:
            self._draw_progress()
            return
        self._follow_moves(before)
        self.marked = {path: None for path in self.marked if path in self.mirror.stories}
        if self.is_untouched and (first := self._first_story()) is not None:
            self._select(first)
        self.selection = Selection.of(self.selection.key, self.mirror)
        if self.awaited in self.mirror.stories:
            path, self.awaited = self.awaited, None
            self.select_story(path)
        self._draw_list()
        self._draw_status()
        self._draw_moved()
        self._draw_details()
        self._draw_keys()

    def _with_what_may_move(self, mirror: Mirror) -> Mirror:
        """A state with those selected or marked stories that are gone from it: whether they moved, and where to, the
        engine tells only with the next revision."""
        if mirror.doing is None or mirror.doing.state not in ("loading", "computing"):
            return mirror
        told = {path for change in _news(self.mirror, mirror) for path in change.paths} | mirror.stories.keys()
        in_hand = [path for path in (self.selection.path, *self.marked) if path is not None and path not in told]
        waiting = {path: structs.replace(self.mirror.stories[path], state="computing") for path in in_hand}
        return replace(mirror, stories=mirror.stories | waiting) if waiting else mirror

    def _follow_moves(self, before: Mirror) -> None:
        """Keep what is selected or marked when it has another path now; say so when it is gone."""
        changes = _news(before, self.mirror)
        moves = {change.old: change.path for change in changes if change.old is not None}
        self.marked = {moves.get(path, path): None for path in self.marked}
        self._sitting.follow(moves)
        key = self.selection.key
        if key in before.stories and key not in self.mirror.stories:
            self._missing = key
        if self._missing is None:
            self._follow(moves.get(key or ""))
        elif changes:
            is_ours = self._missing in self._place.mender.left
            if not self._follow(moves.get(self._missing)) and self._missing not in self.mirror.stories and not is_ours:
                self.notify(f"{plain(title(self._missing))} is gone; u brings it back", markup=False)
            self._missing = None

    def _follow(self, path: str | None) -> bool:
        """Select the story at the path to which the selected one was moved; False where there is none."""
        if path is None or path not in self.mirror.stories:
            return False
        self.selection = Selection.of(path, self.mirror)
        self._sitting.open(path, self.mirror)
        return True

    def _first_story(self) -> str | None:
        """What is selected before the writer has chosen: in Queue the worst story, or the last one if it is to fix."""
        misread = [view.path for view in self.mirror.queue if view.misread]
        is_there = self._kept.story in (misread if self.view == "queue" else self.mirror.stories)
        return self._kept.story if is_there else misread[0] if misread and self.view == "queue" else None

    def take_up(self, kept: Place) -> None:
        """Be where the writer was at the end of the last sitting, unless a key has been pressed already."""
        self._kept = kept
        views: dict[str, View] = {view: view for view in LISTS}
        if self.is_untouched and self.is_up:
            self._lists.rearrange(kept.grouping, kept.sort, kept.unfolded)
            self.show_view(views.get(kept.view, "queue"))

    def _keep_place(self) -> None:
        """Have kept where the writer is, once anything was chosen."""
        if not self.is_untouched and self.view in IDS:
            grouping, sort, unfolded = self._lists.arrangement
            self._place.keep_place(
                Place(
                    view=self.view,
                    story=self.path,
                    concept=self.concept,
                    grouping=grouping,
                    sort=sort,
                    unfolded=unfolded,
                )
            )

    def _draw_progress(self) -> None:
        """Draw only what shows progress, which comes four times a second and must not repaint the rest."""
        self._draw_status()
        self._draw_moved()
        if self.view == "engine":
            self._draw_details()

    def _draw_status(self) -> None:
        tally = self._sitting.tally(self.mirror)
        name = self._place.corpus.name
        line = status_line(self.mirror, self.away, name, self.view, tally, width=self.size.width)
        self.query_one("#status", Static).update(line, layout=False)

    def _draw_moved(self) -> None:
        """Draw the result in as many lines as it needs, within limits; only where they change is the rest laid out."""
        line = result_line(self.mirror, self.away, self._sitting.opened, tuple(self.marked))
        pane, width = self.query_one("#moved", Static), max(1, self.size.width - 2)
        pane.update(line, layout=False)
        n_lines = min(max(len(line.wrap(WRAPPING, width)), LEAST_RESULT), MOST_RESULT)
        if pane.styles.height is None or pane.styles.height.value != n_lines + 1:
            pane.styles.height = n_lines + 1

    def _draw_keys(self) -> None:
        """Draw the keys of this view; those that act on a story name it."""
        lists, story = self._lists, self.mirror.stories.get(self.path or "")
        labels = key_labels(self.mirror, self.view, story, len(self.marked), self._going)
        labels["group"] = "by file" if lists.files.is_by_concept else "by concept"
        labels["more"] = "fewer" if lists.shows_more else "maybes" if self.view == "queue" else "others"
        target = (story.concept or "baseline") if story is not None else ""
        width, has_marked = self.size.width - 2, bool(self.marked)
        line = key_line(self._place.keys, self.view, target, labels, width=width, has_marked=has_marked)
        self.query_one("#keys", Static).update(line, layout=False)
        self._keep_place()

    @property
    def _going(self) -> Going:
        """Which way Enter or Esc leads, where that is not plain to see."""
        if self._where.has_way_back:
            return "back"
        return "read" if self.size.width < WIDE and self.selection.key is not None and self.view != "engine" else ""

    def _draw_list(self) -> None:
        tally = self._sitting.tally(self.mirror)
        is_dim = self.mirror.is_from_before or bool(self.away)
        self._lists.draw(self.view, self.mirror, self.selection, tally, self.marked.keys(), is_dim=is_dim)

    def _draw_details(self) -> None:
        kind = self._where.kind(self.selection)
        marked = tuple(self.marked)
        self.query_one(Details).show(kind, self.mirror, self.away, self.selection, self._sitting, marked)

    @property
    def _lists(self) -> Lists:
        return self.query_one(Lists)

    # The selection: what the lit row of the shown view's list stands for

    def select_story(self, path: str) -> None:
        """Make a story the selection, in the shown view if its list has the story, else among the files."""
        if path not in self.mirror.stories:
            return
        self._select(path)
        rows = self._lists.of(self.view)
        if rows is None or rows.key != path:
            self.show_view("corpus")

    def select_concept(self, concept: str) -> None:
        """Show a concept and its stories."""
        self.selection = Selection.of(f"{CONCEPT}{concept}", self.mirror)
        self.show_view("concept")

    def leads(self, rows: LineList) -> bool:
        """The list of the shown view leads."""
        return rows is self._lists.of(self.view)

    def row_lit(self, key: str | None) -> None:
        """Make a lit row the selection."""
        self._select(key)

    def row_chosen(self) -> None:
        """Go into what the lit row stands for; where a concept is shown already, to its stories."""
        if self.path is None and self.concept is not None and self.size.width >= WIDE:
            self._where.go_from(self.selection.key, "concept")
        elif self.view == "find" and self.path is not None:
            self._where.land(self._home_of(self.path))
        elif self.path is not None or self.concept is not None:
            self._where.go_in()
        self._arrange()

    def _home_of(self, path: str) -> View:
        """The view in whose list a story is to be shown."""
        return "queue" if self._lists.queue.holds(self.mirror, path) else "corpus"

    def _select(self, key: str | None) -> None:
        before, self.selection = self.selection, Selection.of(key, self.mirror)
        if self.selection == before:
            return
        if self.path != before.path:
            self._where.go_on()
            if self.path is not None:
                self._last_path = self.path
                self._sitting.open(self.path, self.mirror)
            self._place.showing(self.path)
        self._lists.light(self.view, self.selection)
        self._draw_details()
        self._draw_keys()

    # Views

    def show_view(self, view: View) -> None:
        """Switch to a view; the selection stays where its list has it. Behind a concept stands its story of before."""
        last = self.mirror.stories.get(self._last_path or "")
        if self.path is None and last is not None and last.concept == self.concept and view in ("queue", "corpus"):
            self.selection = Selection.of(last.path, self.mirror)
        self._where.go_to(view)
        self._arrange()

    def _arrange(self) -> None:
        """Show the panes of this view, and bring the keyboard there at once: the next key may be in the queue."""
        self._lists.bring(self.view)
        self.set_class(self._lists.of(self.view) is None, "-whole")
        self.set_class(self.view == "triage", "-triage")
        self.set_class(self._where.is_in, "-in")
        if self.view != "draft" and (draft := self.query_one(Details).draft).is_open:
            if draft.is_changed:
                self.notify("the draft is kept: d goes on with it", timeout=4)
            self._place.begin(draft.close())
        self._draw_list()
        if (rows := self._lists.of(self.view)) is not None and rows.key is not None:
            self._select(rows.key)
        self._draw_status()
        self._draw_details()
        self._draw_keys()
        self._focus()

    def _focus(self) -> None:
        rows = self._lists.of(self.view)
        self.set_focus(self.query_one(Details).keyboard if self._where.is_in or rows is None else rows)


def _news(before: Mirror, now: Mirror) -> list[Change]:
    """What the revisions between two states have changed."""
    seen = before.moves[0].revision if before.moves else 0
    return [change for moved in now.moves if moved.revision > seen for change in moved.changes]
