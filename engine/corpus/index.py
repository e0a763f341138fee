"""Keeps a corpus in order while single files change: the cost is that of what a change touches, not a pass over all."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable
from itertools import islice
from operator import attrgetter

from engine.corpus import accepted, relatives
from engine.corpus.accepted import Acceptances
from engine.corpus.entries import alike
from engine.corpus.model import Corpus, Problem, Story
from engine.corpus.relatives import Relatives

NAMED = 3
"""Copies of a text that a message names. One text pasted into a thousand files must not make a million names."""

Check = Callable[[list[Story]], list[Problem]]
Group = tuple[Check, str]
"""A check, and what the stories that it compares share: a text id, or what names that look alike have in common."""


class Index:
    """What each file is, a story or a problem, and the `Corpus` that all of them make."""

    def __init__(self) -> None:
        self._items: dict[str, Story | Problem] = {}
        self._stories: list[Story] = []
        """Sorted by path."""
        self._groups: dict[Group, list[Story]] = {}
        """Sorted by `_place`."""
        self._unchecked: set[Group] = set()
        self._problems: dict[str | Group, list[Problem]] = {}
        """Problems by the path or the group that they come from; those without problems are left out."""
        self._corpus: Corpus | None = Corpus(stories=(), problems=())
        """None when something changed since it was made."""
        self._sorted_problems: tuple[Problem, ...] | None = ()
        self._acceptances = Acceptances({}, [])
        self._relatives = Relatives(frozenset(), [])

    def put(self, path: str, item: Story | Problem | None) -> None:
        """Set what is at a path from now on; None for nothing."""
        previous = self._items.get(path)
        if previous == item:
            return
        self._corpus = None
        if isinstance(previous, Story):
            self._remove(previous)
        if item is None:
            del self._items[path]
        else:
            self._items[path] = item
        if isinstance(item, Story):
            self._add(item)
        self._complain(path, [item] if isinstance(item, Problem) else [])

    def accept(self, acceptances: Acceptances) -> None:
        """Set which stories are accepted from now on."""
        if acceptances != self._acceptances:
            self._corpus = None
            self._acceptances = acceptances
            self._complain(accepted.FILE, acceptances.problems)

    def relate(self, related: Relatives) -> None:
        """Set which concepts are relatives from now on."""
        if related != self._relatives:
            self._corpus = None
            self._relatives = related
            self._complain(relatives.FILE, related.problems)

    def corpus(self) -> Corpus:
        """All stories and problems; the very same object while nothing changes."""
        if self._corpus is None:
            for group in self._unchecked:
                check, _ = group
                self._complain(group, check(self._groups.get(group, [])))
            self._unchecked.clear()
            if self._sorted_problems is None:
                every_problem = (problem for problems in self._problems.values() for problem in problems)
                self._sorted_problems = tuple(sorted(every_problem, key=attrgetter("path", "code", "message")))
            self._corpus = Corpus(
                stories=tuple(self._stories),
                problems=self._sorted_problems,
                accepted=self._acceptances.accepted,
                relatives=self._relatives.pairs,
            )
        return self._corpus

    def _add(self, story: Story) -> None:
        insort(self._stories, story, key=attrgetter("path"))
        for group in _groups(story):
            insort(self._groups.setdefault(group, []), story, key=_place)
            self._unchecked.add(group)

    def _remove(self, story: Story) -> None:
        del self._stories[bisect_left(self._stories, story.path, key=attrgetter("path"))]
        for group in _groups(story):
            members = self._groups[group]
            del members[bisect_left(members, _place(story), key=_place)]
            if not members:
                del self._groups[group]
            self._unchecked.add(group)

    def _complain(self, source: str | Group, problems: list[Problem]) -> None:
        if problems == self._problems.get(source, []):
            return
        self._sorted_problems = None
        if problems:
            self._problems[source] = problems
        else:
            del self._problems[source]


def _groups(story: Story) -> list[Group]:
    by_text = duplicates, story.text_id
    return [by_text] if story.concept is None else [by_text, (clashes, alike(story.concept))]


def _place(story: Story) -> tuple[str, str]:
    """Unpaired stories first, then scenario by scenario: the order in which messages name files."""
    return story.scenario or "", story.path


def duplicates(copies: list[Story]) -> list[Problem]:
    """Problems of stories with one and the same text, which may not stand for two concepts."""
    count = Counter(story.concept for story in copies)
    if len(count) < 2:
        return []
    messages = {}
    for concept, n_own in count.items():
        names = ", ".join(islice((story.path for story in copies if story.concept != concept), NAMED))
        n_unnamed = len(copies) - n_own - NAMED
        names += f" and {n_unnamed} more" if n_unnamed > 0 else ""
        messages[concept] = f"the same text is also {names}; each copy pulls the two vectors together"
    return [
        Problem(path=story.path, severity="error", code="duplicate", message=messages[story.concept])
        for story in copies
    ]


def clashes(stories: list[Story]) -> list[Problem]:
    """Problems of stories whose concepts' names look alike; each name's first story gets the problem."""
    first: dict[str, str] = {}
    for story in stories:
        if story.concept is not None:
            first.setdefault(story.concept, story.path)
    return [
        Problem(
            path=path,
            severity="warning",
            code="case",
            message=f"'{name}' and '{twin}' count as two concepts; rename one if they are meant to be the same",
        )
        for name, path in first.items()
        for twin in sorted(first.keys() - {name})
    ]
