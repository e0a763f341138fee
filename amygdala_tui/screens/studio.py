"""What keys do in the studio: where they lead, and what they ask the app for."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from amygdala_tui.actions import ACTIONS, View
from amygdala_tui.frame import WIDE, can_be_done
from amygdala_tui.mirror import Mirror
from amygdala_tui.moved import sitting_ends
from amygdala_tui.screens.dialogs import Help
from amygdala_tui.screens.frame import FrameScreen
from amygdala_tui.screens.structure import Conflict, Decision
from amygdala_tui.screens.tutorial import Tutorial
from amygdala_tui.selection import Selection
from amygdala_tui.widgets.details import Details
from amygdala_tui.widgets.queue import broken_stories
from engine.corpus.mending.tasks import Task, Wrote
from engine.settings import Settings

TUTORIAL = "tutorial"
"""The name under which the tutorial's screen is kept."""
METHODS = {action.method: action for action in ACTIONS}


class StudioScreen(FrameScreen):
    """The frame, with keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(action.binding for action in ACTIONS),
        Binding("escape", "back", "back", show=False),
    ]

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """An action that makes no sense in the shown view, or without a story, is not done."""
        known = METHODS.get(action)
        if known is None or not self.is_up:
            return True
        return can_be_done(known, self.view, self.path is not None, has_marked=bool(self.marked))

    def action_show(self, view: View) -> None:
        self.show_view(view)

    def action_back(self) -> None:
        """Go back one level: out of what is selected, to the view before, out of the marks."""
        if self._where.has_way_back:
            if (spot := self._where.back()) is not None:
                self.selection = Selection.of(spot.key, self.mirror)
            self._arrange()
        elif self.marked:
            self.marked.clear()
            self._redraw_marks()

    def action_about(self) -> None:
        self._where.toggle_about()
        self._arrange()

    def action_draft(self) -> None:
        self._where.go_from(self.selection.key, "draft")
        self._arrange()

    def action_revert(self) -> None:
        self.query_one(Details).draft.revert()

    def action_save_draft(self) -> None:
        self._place.begin(self._save_draft())

    async def _save_draft(self, insist_over: str | None = None) -> None:
        """Save the draft and go back; where another text stands in the file by now, ask whose is to stand."""
        pane, path = self.query_one(Details).draft, self.path or ""
        done = await pane.save(insist_over=insist_over)
        if isinstance(done, Task) and self.view == "draft":
            self.action_back()
        elif isinstance(done, Wrote):
            theirs = self._place.mender.journal.text_of(done.after)

            def take(decision: Decision | None) -> None:
                if decision == "mine":
                    self._place.begin(self._save_draft(done.after))
                elif decision == "theirs":
                    pane.revert()

            self.app.push_screen(Conflict(path, pane.text, theirs), take)

    def action_compare(self) -> None:
        if self.view == "compare":
            self.action_back()
        else:
            self._where.go_from(self.selection.key, "compare")
            self._arrange()

    def action_differences(self) -> None:
        self.query_one(Details).compare.toggle_same()

    def action_bars(self) -> None:
        self.query_one(Details).compare.switch_concept()

    def action_other_story(self) -> None:
        self.query_one(Details).compare.switch_story()

    def action_sort(self) -> None:
        if self.view == "queue":
            self._lists.queue.sort_next()
        else:
            self._lists.triage.sort_next()

    def action_only(self) -> None:
        queue, story = self._lists.queue, self.mirror.stories.get(self.path or "")
        kinds = ["", story.concept or "", story.scenario or "stories"] if story is not None else [""]
        queue.narrow(kinds[(kinds.index(queue.only) + 1) % len(kinds)] if queue.only in kinds else "")

    def action_more(self) -> None:
        self._lists.toggle_more()
        self._draw_keys()

    def action_classic(self) -> None:
        self.query_one(Details).toggle_classic()
        self._lists.triage.toggle_classic()
        self._draw_details()

    def action_help(self) -> None:
        thresholds = (self.mirror.settings or Settings()).thresholds
        self.app.push_screen(Help(self.view, self._place.keys, thresholds))

    def action_tutorial(self) -> None:
        if not self.app.is_screen_installed(TUTORIAL):
            self.app.install_screen(Tutorial(self._place.corpus), TUTORIAL)
        self.app.push_screen(TUTORIAL)

    def action_palette(self) -> None:
        self.app.action_command_palette()

    def action_group(self) -> None:
        self._lists.files.group_by_concept()
        self._draw_keys()

    def action_find(self) -> None:
        if self.view != "find":
            self._where.go_from(self.selection.key, "find")
            self._lists.find.open()
            self._arrange()
        self.set_focus(self._lists.find.field)
        self._lists.find.field.select_all()

    # The queue

    def action_next_story(self) -> None:
        """Go to the worst story to fix that was not visited in this sitting; then to broken files, then to maybes."""
        shows_story = self._where.is_in or self.size.width >= WIDE
        self._go_on_from(self.path if shows_story else None)

    def _go_on_from(self, last: str | None) -> None:
        with_maybes = self._lists.queue.with_maybes
        narrowed = self._lists.queue.narrowed
        to_visit = [view for view in narrowed(self.mirror.queue) if view.misread or with_maybes]
        path = self._sitting.next(to_visit, narrowed(broken_stories(self.mirror)), last)
        if path is None:
            self.notify(sitting_ends(self.mirror, self._sitting.tally(self.mirror)), timeout=8)
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
        path = self._sitting.back(self.mirror.stories, self.path)
        if path is None:
            self.notify("that was the first one", timeout=3)
        else:
            self._visit(path)

    def _visit(self, path: str) -> None:
        was_in = self._where.is_in or self.size.width < WIDE
        self._select(path)
        self.show_view(self._home_of(path))
        if was_in:
            self._where.go_in()
            self._arrange()

    # Marks

    def action_mark(self) -> None:
        """Mark the lit story, or no longer, and go on to the next row."""
        if self.path in self.marked:
            del self.marked[self.path]
        elif self.path is not None:
            self.marked[self.path] = None
            self._sitting.open(self.path, self.mirror)
        self._redraw_marks()
        if (rows := self._lists.of(self.view)) is not None and not self._where.is_in:
            rows.action_cursor(1)

    def _redraw_marks(self) -> None:
        if (rows := self._lists.of(self.view)) is not None:
            rows.marked = self.marked.keys()
            rows.refresh()
        self._draw_moved()
        self._draw_keys()

    @property
    def _targets(self) -> list[str]:
        """What an action acts on: the marked stories, else the lit one."""
        return list(self.marked) or ([self.path] if self.path is not None else [])

    # What the app does, since it owns the terminal and the link to the engine

    def action_edit(self) -> None:
        self._place.edit(self.path)

    def action_accept(self) -> None:
        self._place.mender.accept(self._targets)

    def action_move(self) -> None:
        self._place.mender.move(self._targets)

    def action_relatives(self) -> None:
        self._place.mender.relate(self.concept)

    def action_rename(self) -> None:
        self._place.mender.rename(self.selection)

    def action_new(self) -> None:
        self._place.mender.new(self.selection)

    def action_delete(self) -> None:
        self._place.mender.delete(self._targets)

    def action_undo(self) -> None:
        self._place.begin(self._place.taking_back.undo(self.path or self.selection.folder))

    def action_redo(self) -> None:
        self._place.begin(self._place.taking_back.redo(self.path or self.selection.folder))

    def action_copy_path(self) -> None:
        self._place.copy_path(self.path)

    def action_retrain(self) -> None:
        self._place.asking.retrain(self.concept, self._targets)

    def action_cancel(self) -> None:
        self._place.asking.cancel()

    def action_live(self) -> None:
        self._place.asking.toggle_live()

    def action_start_engine(self) -> None:
        self._place.start_engine()

    def action_leave(self) -> None:
        self.app.exit()
