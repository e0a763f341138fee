"""What was done to a corpus, as values: every step says what stood before and what after, so that it can be undone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

import msgspec

from engine.corpus.model import Accepted

Kind = Literal["new", "edit", "save", "move", "rename", "delete", "accept"]
"""A `save` is another's, which the studio saw happen; all others are the studio's."""


class Wrote(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A file has another content."""

    path: str
    before: str | None
    """Content id (`engine.corpus.mending.writing.content_id`); None where there was no file."""
    after: str | None

    @property
    def inverse(self) -> Wrote:
        return Wrote(path=self.path, before=self.after, after=self.before)

    @property
    def places(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def left(self) -> Iterator[tuple[str, str | None]]:
        """Paths of files, each with the content id that it has after the step."""
        yield self.path, self.after


class Relocated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A file, or a scenario's folder with all that is in it, has another path."""

    old: str
    new: str
    contents: dict[str, str]
    """Content ids: of the file, under the empty name; of the folder's stories, by name."""

    @property
    def inverse(self) -> Relocated:
        return Relocated(old=self.new, new=self.old, contents=self.contents)

    @property
    def places(self) -> tuple[str, ...]:
        return self.old, self.new

    @property
    def files(self) -> Iterator[tuple[str, str, str]]:
        """Old path, new path and content id of each file."""
        for name, content_id in self.contents.items():
            yield (f"{self.old}/{name}", f"{self.new}/{name}", content_id) if name else (self.old, self.new, content_id)

    @property
    def left(self) -> Iterator[tuple[str, str | None]]:
        for old, new, content_id in self.files:
            yield old, None
            yield new, content_id


class Marked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A story is accepted as it is, or not any more; or what is accepted stands under another path."""

    path: str
    before: Accepted | None
    after: Accepted | None

    @property
    def inverse(self) -> Marked:
        return Marked(path=self.path, before=self.after, after=self.before)

    @property
    def places(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def left(self) -> Iterator[tuple[str, str | None]]:
        yield from ()


Step = Wrote | Relocated | Marked


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer did in one go. Its steps are of different paths, and are carried out all or none."""

    kind: Kind
    words: str
    """What was done, for the result line: "moved power-cut/ashamed.txt to power-cut/disgusted.txt"."""
    steps: tuple[Step, ...]

    @property
    def inverse(self) -> Task:
        """The task that takes this one back."""
        steps = tuple(step.inverse for step in reversed(self.steps))
        return Task(kind=self.kind, words=self.words, steps=steps)

    @property
    def places(self) -> frozenset[str]:
        """The files and folders that it touches."""
        return frozenset(place for step in self.steps for place in step.places)

    def touches(self, places: Collection[str]) -> bool:
        """Whether it touches any of these files and folders; a folder stands for all in it."""
        return any(_overlap(mine, place) for mine in self.places for place in places)

    @property
    def moves(self) -> dict[str, str]:
        """Old path -> new path of each story that has another path after it."""
        relocations = [step for step in self.steps if isinstance(step, Relocated)]
        return {old: new for step in relocations for old, new, _ in step.files}


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
