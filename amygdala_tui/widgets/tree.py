"""The corpus as a tree, by file or by concept; lines are made only for branches that are open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import BRANCH
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.words import fit, state_sign
from engine.plain import plain
from engine.wire.snapshot import StoryView

TROUBLED = ("error", "empty", "duplicate", "left-out", "misread")


class CorpusTree(LineList):
    """Folders that open and close over stories with their states."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "fold", "close", show=False),
        Binding("right,l", "unfold", "open", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, empty="no stories yet")
        self._mirror = Mirror()
        self._open = {"stories", "paired"}
        self._by_concept = False

    def show_mirror(self, mirror: Mirror) -> None:
        """Draw this state; open branches stay open."""
        if mirror.stories is not self._mirror.stories:
            self._mirror = mirror
            self._rebuild()

    @property
    def is_by_concept(self) -> bool:
        """Whether the branches are concepts, not folders."""
        return self._by_concept

    def group_by_concept(self) -> None:
        """Switch between files and concepts."""
        self._by_concept = not self._by_concept
        self._rebuild()

    def select(self, key: str | None) -> None:
        """Light a story, opening the branches above it, or a branch."""
        super().select(key)
        view = self._mirror.stories.get(key or "")
        if view is not None and not self._open.issuperset(_branches(view, self._by_concept)):
            self._rebuild()

    def action_choose(self) -> None:
        key = self.key or ""
        if key.startswith(BRANCH):
            branch = key.removeprefix(BRANCH)
            self._open ^= {branch}
            self._rebuild()
        else:
            super().action_choose()

    def action_unfold(self) -> None:
        branch = (self.key or "").removeprefix(BRANCH)
        if self.key != branch and branch not in self._open:
            self._open.add(branch)
            self._rebuild()
        else:
            self.action_cursor(1)

    def action_fold(self) -> None:
        """Close the branch, or go up to the one around the story."""
        key = self.key or ""
        branch = key.removeprefix(BRANCH)
        if key != branch and branch in self._open:
            self._open.discard(branch)
            self._rebuild()
            return
        view = self._mirror.stories.get(key)
        above = _branches(view, self._by_concept)[-1] if view else branch.rpartition("/")[0]
        place = self._places.get(BRANCH + above)
        if place is not None:
            self._move_to(place)

    def _rebuild(self) -> None:
        if (selected := self._mirror.stories.get(self._selected or "")) is not None:
            self._open.update(_branches(selected, self._by_concept))
        views, is_open = self._mirror.stories.values(), self._open.__contains__
        self.show(_by_concept(views, is_open) if self._by_concept else _by_file(views, is_open))


def _branches(view: StoryView, by_concept: bool) -> list[str]:
    """The branches above a story, outermost first."""
    if by_concept:
        return [f"concept/{view.concept or 'baseline'}"]
    return ["stories"] if view.scenario is None else ["paired", f"paired/{view.scenario}"]


def _by_file(views: Iterable[StoryView], is_open: Callable[[str], bool]) -> list[Line]:
    unpaired = sorted((view for view in views if view.scenario is None), key=lambda view: view.path)
    scenarios: dict[str, list[StoryView]] = defaultdict(list)
    for view in views:
        if view.scenario is not None:
            scenarios[view.scenario].append(view)
    lines = []
    if unpaired:
        lines.append(_branch("stories", "stories", 0, unpaired, len(unpaired), is_open))
        if is_open("stories"):
            lines += [_leaf(view, 1, view.concept or "baseline") for view in unpaired]
    if scenarios:
        paired = [view for group in scenarios.values() for view in group]
        lines.append(_branch("paired", "paired", 0, paired, len(scenarios), is_open))
        if is_open("paired"):
            for name, group in sorted(scenarios.items()):
                branch = f"paired/{name}"
                lines.append(_branch(branch, name, 1, group, len(group), is_open))
                if is_open(branch):
                    ordered = sorted(group, key=lambda view: view.concept or "")
                    lines += [_leaf(view, 2, view.concept or "baseline") for view in ordered]
    return lines


def _by_concept(views: Iterable[StoryView], is_open: Callable[[str], bool]) -> list[Line]:
    groups: dict[str, list[StoryView]] = defaultdict(list)
    for view in views:
        groups[view.concept or "baseline"].append(view)
    lines = []
    for name, group in sorted(groups.items()):
        branch = f"concept/{name}"
        lines.append(_branch(branch, name, 0, group, len(group), is_open))
        if is_open(branch):
            lines += [_leaf(view, 1, view.scenario or "stories") for view in sorted(group, key=lambda view: view.path)]
    return lines


def _branch(
    branch: str, name: str, depth: int, views: Sequence[StoryView], count: int, is_open: Callable[[str], bool]
) -> Line:
    opened = is_open(branch)
    troubled = sum(view.state in TROUBLED for view in views)
    return Line(BRANCH + branch, partial(_draw_branch, plain(name), depth, opened, count, troubled))


def _draw_branch(name: str, depth: int, opened: bool, count: int, troubled: int, width: int) -> Text:
    right = Text(f"!{troubled} " if troubled and not opened else "", style=styles.RIVAL).append(
        str(count), style=styles.DIM
    )
    indent = "  " * depth + ("▾ " if opened else "▸ ")
    return _justify(indent, Text(name, style=styles.HEADING), right, width)


def _leaf(view: StoryView, depth: int, name: str) -> Line:
    return Line(view.path, partial(_draw_leaf, view, depth, plain(name)))


def _draw_leaf(view: StoryView, depth: int, name: str, width: int) -> Text:
    return _justify("  " * (depth + 1), Text(name), state_sign(view), width)


def _justify(indent: str, name: Text, right: Text, width: int) -> Text:
    """A name and what stands right of it on one line; if there is no room for both, the name is cut."""
    room = max(1, width - len(indent) - right.cell_len - 1)
    left = Text(fit(name.plain, room), style=name.style)
    left.truncate(room, overflow="ellipsis", pad=True)
    return Text.assemble(indent, left, " ", right)
