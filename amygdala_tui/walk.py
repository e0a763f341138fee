"""The writer's way through the queue in one sitting. Pure: it is told what there is, and says where to go."""

from __future__ import annotations

from collections.abc import Container, Sequence

from engine.wire.snapshot import StoryView


class Walk:
    """Goes on to stories that were not visited, and back the same way."""

    def __init__(self) -> None:
        self._trail: list[str] = []
        """Where going on has led to, and going back has not left."""
        self._visited: set[str] = set()

    def next(self, queue: Sequence[StoryView], path: str | None) -> str | None:
        """The worst misread story that was not visited; after those, the others by rank; None if all were visited.

        Args:
            path: the story from which the writer goes on.
        """
        if path is not None:
            self._visited.add(path)
        ahead = [view for view in queue if view.path not in self._visited]
        if not ahead:
            return None
        target = min(ahead, key=lambda view: (not view.misread, view.rank)).path
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
