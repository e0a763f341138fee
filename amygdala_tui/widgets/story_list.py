"""A list whose rows are stories: moving in it selects a story for all panes, Enter opens it."""

from __future__ import annotations

from amygdala_tui.messages import StoryOpened, StorySelected
from amygdala_tui.widgets.lines import LineList


class StoryList(LineList):
    """A list whose rows' keys are the paths of stories."""

    def on_line_list_highlighted(self, event: LineList.Highlighted) -> None:
        event.stop()
        self.post_message(StorySelected(event.key))

    def on_line_list_chosen(self, event: LineList.Chosen) -> None:
        event.stop()
        self.post_message(StoryOpened(event.key))
