"""A writer's sitting at the queue: where to go next, and what has become of what was flagged. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from amygdala_tui.mirror import Mirror
from engine.wire.snapshot import StoryView


@dataclass(frozen=True)
class Tally:
    """What has become of the stories that were to fix at any time of a sitting."""

    flagged: int = 0
    """All of them that there still are."""
    fixed: int = 0
    kept: int = 0
    """Accepted as they are."""
    left: tuple[StoryView, ...] = ()
    """Those that are still misread, the worst first."""
    paths: frozenset[str] = frozenset()
    """Of all of them."""


@dataclass(frozen=True)
class Opened:
    """A story as it was when the writer came to it."""

    revision: int
    story: StoryView
    misread: frozenset[str]
    """Of the whole corpus, then: paths."""


class Sitting:
    """Goes on to stories that were not visited, and back the same way; remembers what was to fix."""

    def __init__(self) -> None:
        self._trail: list[str] = []
        """Where going on has led to, and going back has not left."""
        self._visited: set[str] = set()
        self._flagged: dict[str, int] = {}
        """Every story that was to fix, with its number in the order in which they came up."""
        self._places: dict[str, int] = {}
        """Those that were looked at, numbered in that order."""
        self.opened: dict[str, Opened] = {}
        """Stories as they were when they last became the selection, or were marked."""

    def open(self, path: str, mirror: Mirror) -> None:
        """Keep a story's numbers of now: what an edit did is told from here on, however often it is saved."""
        self.opened[path] = Opened(mirror.revision, mirror.stories[path], mirror.misread)

    def see(self, mirror: Mirror) -> None:
        """Take note of what is to fix now; and of the numbers of what was opened before there were any."""
        for path, before in self.opened.items():
            if mirror.revision and before.revision == 0 and path in mirror.stories:
                self.open(path, mirror)
        for view in mirror.queue:
            if view.misread:
                self._flagged.setdefault(view.path, len(self._flagged) + 1)

    def follow(self, moves: Mapping[str, str]) -> None:
        """Know stories again that have another path now, by their old ones, where other stories may be written next."""
        self._trail = [moves.get(path, path) for path in self._trail]
        self._visited |= {moves[path] for path in self._visited if path in moves}
        self._flagged = {moves.get(path, path): number for path, number in self._flagged.items()}
        self._places = {moves.get(path, path): number for path, number in self._places.items()}
        self.opened = {path: opened for path, opened in self.opened.items() if path not in moves}

    def place(self, path: str) -> int | None:
        """A story's number among those that were to fix and were looked at, from 1; None for others."""
        return self._places.setdefault(path, len(self._places) + 1) if path in self._flagged else None

    def tally(self, mirror: Mirror) -> Tally:
        """What has become of them."""
        views = [view for path in self._flagged if (view := mirror.stories.get(path)) is not None]
        kinds = Counter("kept" if view.accepted is not None else "left" if view.misread else "fixed" for view in views)
        left = tuple(view for view in mirror.queue if view.misread)
        return Tally(len(views), kinds["fixed"], kinds["kept"], left, frozenset(self._flagged))

    def next(self, queue: Sequence[StoryView], broken: Sequence[StoryView], path: str | None) -> str | None:
        """The worst misread story that was not visited; then a broken file; then a maybe. None if all were visited.

        Args:
            queue: stories to fix and maybes, the worst first.
            broken: files that no vector can be made of.
            path: the story from which the writer goes on.
        """
        if path is not None:
            self._visited.add(path)
        misread, maybes = [view for view in queue if view.misread], [view for view in queue if not view.misread]
        target = next((view.path for view in (*misread, *broken, *maybes) if view.path not in self._visited), None)
        if target is None:
            return None
        if path is not None and not self._trail:
            self._trail.append(path)
        self._trail.append(target)
        self._visited.add(target)
        return target

    def back(self, stories: Container[str], path: str | None) -> str | None:
        """Where the writer came from to `path`, among the stories that there still are; None at the first one."""
        self._trail = [visited for visited in self._trail if visited in stories]
        while self._trail and self._trail[-1] == path:
            self._trail.pop()
        if not self._trail:
            return None
        self._visited.add(self._trail[-1])
        return self._trail[-1]
