"""Stories, corpora and problems as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from engine.evidence import Place

BASELINE = "baseline"
"""The reserved stem inside a scenario: the scenario told neutrally."""

Severity = Literal["warning", "error"]

Code = Literal[
    "empty", "unreadable", "not-text", "misplaced", "ending", "copy", "too-big", "bad-name", "outside", "duplicate",
    "case", "left-out", "accepted", "relatives",
]  # fmt: skip


class Story(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One text in its place.

    `gc=False`, since a story holds no containers and so is in no reference cycle. Looking for cycles through ten
    thousand stories takes longer than the arithmetic of an edit.
    """

    path: str
    """Relative to the corpus, with forward slashes: `paired/<scenario>/<concept>.txt`."""
    concept: str | None
    """None for a baseline."""
    scenario: str | None
    """None for an unpaired story."""
    text: str
    """Stripped."""
    text_id: str

    @property
    def place(self) -> Place:
        """By which what is computed of it is found, whatever its file is called."""
        return self.text_id, self.concept, self.scenario

    @property
    def is_baseline(self) -> bool:
        return self.concept is None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something about one file that a person should know."""

    path: str
    severity: Severity
    code: Code
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.message}"


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """That a writer accepts a story as it is."""

    text_id: str
    """Of the text that is accepted; another text in its place is not."""
    reason: str
    """The writer's own; may be empty."""


Pair = tuple[str, str]
"""Two concepts, in order of their names."""


def pair_of(one: str, other: str) -> Pair:
    """Two concepts, whichever is named first."""
    return (one, other) if one <= other else (other, one)


class Corpus(msgspec.Struct, frozen=True, kw_only=True):
    """One scan: the stories that are used, sorted by path, and the problems of these and of the other files."""

    stories: tuple[Story, ...]
    problems: tuple[Problem, ...]
    accepted: Mapping[str, Accepted] = {}
    """What `accepted.tsv` says, by path; of earlier texts too, and of stories that are gone."""
    relatives: frozenset[Pair] = frozenset()
    """What `relatives.tsv` says; of concepts that are gone too."""

    def acceptance(self, story: Story) -> str | None:
        """The reason for which a writer accepts a story with this very text, "" without one; None where nobody does."""
        accepted = self.accepted.get(story.path)
        return accepted.reason if accepted is not None and accepted.text_id == story.text_id else None

    @property
    def concepts(self) -> list[str]:
        """The names of the concepts, sorted."""
        return sorted({story.concept for story in self.stories if story.concept is not None})

    @property
    def digest(self) -> str:
        """SHA-256 over every path and text id, for provenance."""
        digest = hashlib.sha256()
        for story in self.stories:
            digest.update(f"{story.path}\0{story.text_id}\n".encode())
        return digest.hexdigest()


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How one file differs between two scans."""

    path: str
    kind: Literal["added", "edited", "removed", "moved"]
    old: str | None = None
    """Where the text stood before, if it moved."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Where something differs: one path, or the old one and the new one."""
        return (self.path,) if self.old is None else (self.old, self.path)


def text_id(text: str) -> str:
    """The content address of a stripped text: the first 128 bits of its SHA-256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def left_out(stories: Iterable[Story], reasons: Mapping[str, str]) -> list[Problem]:
    """The problems of stories that no number is of, since the model cannot take them.

    Args:
        stories: the corpus's, in the order in which they are to be named.
        reasons: why the model cannot take a text, by text id (`engine.results.Results.left_out`).
    """
    return [
        Problem(
            path=story.path,
            severity="error",
            code="left-out",
            message=f"left out, since the model cannot take it: {reasons[story.text_id]}; change it or remove it",
        )
        for story in stories
        if story.text_id in reasons
    ]


def diff(before: Iterable[Story], after: Iterable[Story]) -> list[Change]:
    """The changes that lead from one set of stories to another, by path. A file with the same text is no change.

    A text that is gone from one path and new at another has moved.
    """
    old, new = {story.path: story for story in before}, {story.path: story for story in after}
    origins = _origins([old[path] for path in old.keys() - new.keys()], [new[path] for path in new.keys() - old.keys()])
    gone = old.keys() - new.keys() - set(origins.values())
    changes = [Change(path=path, kind="removed") for path in gone]
    for path, story in new.items():
        earlier = old.get(path)
        if path in origins:
            changes.append(Change(path=path, kind="moved", old=origins[path]))
        elif earlier is None:
            changes.append(Change(path=path, kind="added"))
        elif earlier is not story and earlier.text_id != story.text_id:
            changes.append(Change(path=path, kind="edited"))
    return sorted(changes, key=lambda change: change.path)


def _origins(gone: Iterable[Story], new: Iterable[Story]) -> dict[str, str]:
    """New path -> old path of the stories that moved. Of several with one text, those of a concept or a scenario go
    together, then those that come first."""
    by_text: dict[str, list[Story]] = {}
    for story in sorted(gone, key=lambda story: story.path):
        by_text.setdefault(story.text_id, []).append(story)
    origins = {}
    for story in sorted(new, key=lambda story: story.path):
        if candidates := by_text.get(story.text_id):
            origin = min(candidates, key=lambda old: (old.concept != story.concept) + (old.scenario != story.scenario))
            candidates.remove(origin)
            origins[story.path] = origin.path
    return origins


def changed_paths(before: Mapping[str, Story], after: Mapping[str, Story]) -> set[str]:
    """Paths whose story is new, another object, or gone. Stories never change in place: the same object is the same."""
    return {path for path, story in after.items() if before.get(path) is not story} | (before.keys() - after.keys())
