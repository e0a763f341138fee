"""Stories, corpora and problems as plain values."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import msgspec

BASELINE = "baseline"
"""The reserved stem inside a scenario: the scenario told neutrally."""

NAMED = 3
"""Copies of a text that a message names: a refusal pasted into a thousand files must not make a million names."""

Severity = Literal["warning", "error"]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One text in its place."""

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
    def is_baseline(self) -> bool:
        return self.concept is None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something about one file that a person should know."""

    path: str
    severity: Severity
    code: Literal[
        "empty", "unreadable", "misplaced", "too-big", "bad-name", "outside", "duplicate", "case", "truncated"
    ]
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.message}"


class Corpus(msgspec.Struct, frozen=True, kw_only=True):
    """One scan: the stories that count, sorted by path, and what is wrong with the others (or with these)."""

    stories: tuple[Story, ...]
    problems: tuple[Problem, ...]

    @property
    def concepts(self) -> list[str]:
        """Names, sorted."""
        return sorted({story.concept for story in self.stories if story.concept is not None})

    @property
    def digest(self) -> str:
        """SHA-256 over every path and text, for provenance."""
        digest = hashlib.sha256()
        for story in self.stories:
            digest.update(f"{story.path}\0{story.text_id}\n".encode())
        return digest.hexdigest()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How one file differs between two scans."""

    path: str
    kind: Literal["added", "edited", "removed"]


def text_id(text: str) -> str:
    """The content address of a stripped text: the first 128 bits of its SHA-256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def diff(before: Iterable[Story], after: Iterable[Story]) -> list[Change]:
    """The changes that lead from one set of stories to another, by path; a file with the same text is no change."""
    old = {story.path: story.text_id for story in before}
    new = {story.path: story.text_id for story in after}
    changes = [Change(path=path, kind="removed") for path in old.keys() - new.keys()]
    changes += [Change(path=path, kind="added") for path in new.keys() - old.keys()]
    changes += [Change(path=path, kind="edited") for path in old.keys() & new.keys() if old[path] != new[path]]
    return sorted(changes, key=lambda change: change.path)


def cross_check(stories: Iterable[Story]) -> list[Problem]:
    """Problems that show only when stories are seen together: a text under two concepts, names that differ by case."""
    by_text: dict[str, list[Story]] = defaultdict(list)
    by_folded: dict[str, set[str]] = defaultdict(set)
    by_concept: dict[str, str] = {}
    for story in stories:
        by_text[story.text_id].append(story)
        if story.concept is not None:
            by_folded[story.concept.casefold()].add(story.concept)
            by_concept.setdefault(story.concept, story.path)
    return _duplicates(by_text) + _case_clashes(by_folded, by_concept)


def _duplicates(by_text: dict[str, list[Story]]) -> list[Problem]:
    problems = []
    for copies in by_text.values():
        if len({story.concept for story in copies}) < 2:
            continue
        for story in copies:
            others = [other.path for other in copies if other.concept != story.concept]
            named = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
            message = f"the same text is also {named}; each copy pulls the two vectors together"
            problems.append(Problem(path=story.path, severity="error", code="duplicate", message=message))
    return problems


def _case_clashes(by_folded: dict[str, set[str]], by_concept: dict[str, str]) -> list[Problem]:
    return [
        Problem(
            path=by_concept[name],
            severity="warning",
            code="case",
            message=f"'{name}' and '{other}' count as two concepts; rename one if they are meant to be the same",
        )
        for names in by_folded.values()
        for name in names
        for other in sorted(names - {name})
    ]
