"""Where the writer is among the views, and the way back. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from amygdala_tui.actions import View
from amygdala_tui.selection import Selection

Kind = Literal["story", "concept", "compare", "draft", "engine"]
"""What is shown of the selection."""


class Spot(NamedTuple):
    """A row of a view, to come back to."""

    view: View
    key: str | None
    is_in: bool


class Whereabouts:
    """The shown view, and whether the writer is at its list or has gone into what is selected there."""

    def __init__(self) -> None:
        self.view: View = "queue"
        self.is_in = False
        """Whether the keyboard is at what is selected, not at the list; on a narrow screen only that is shown then."""
        self._is_about_concept = False
        """Whether the concept of the selected story is shown in its place."""
        self._came_from: list[Spot] = []

    def kind(self, selection: Selection) -> Kind:
        """What is shown of a selection."""
        if self.view in ("engine", "compare", "draft"):
            return self.view
        is_concept = self._is_about_concept or self.view == "triage" or (self.view == "concept" and not self.is_in)
        is_concept = is_concept or (selection.path is None and selection.concept is not None)
        return "concept" if is_concept else "story"

    @property
    def has_way_back(self) -> bool:
        """Whether there is a level to go back from."""
        return self.is_in or self._is_about_concept or bool(self._came_from)

    def go_to(self, view: View) -> None:
        """Switch to a view's list; there is no way back from there."""
        self._came_from.clear()
        self._be_at(view)

    def go_from(self, key: str | None, view: View) -> None:
        """Switch to a view, from a row that can be come back to."""
        self._came_from.append(Spot(self.view, key, self.is_in))
        self._be_at(view)

    def land(self, view: View) -> None:
        """Switch to a view's list for good, as at the end of a search; the way back leads to before the search."""
        self._be_at(view)

    def go_in(self) -> None:
        """Go into what is selected."""
        self.is_in = True

    def toggle_about(self) -> None:
        """Show the concept of the selected story in its place, or the story again."""
        self._is_about_concept = not self._is_about_concept

    def go_on(self) -> None:
        """Another story is selected: it is shown, not its concept."""
        self._is_about_concept = False

    def back(self) -> Spot | None:
        """Go back one level; returns the row that is to be selected again, if that is in another view."""
        if self._is_about_concept:
            self._is_about_concept = False
        elif self.is_in:
            self.is_in = False
        elif self._came_from:
            spot = self._came_from.pop()
            self._be_at(spot.view)
            self.is_in = spot.is_in
            return spot
        return None

    def _be_at(self, view: View) -> None:
        self.view, self.is_in, self._is_about_concept = view, False, False
