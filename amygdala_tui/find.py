"""Finding stories by words of their names and texts. Pure: what is searched is given, folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from amygdala_tui.folding import Folded, fold, query_words
from amygdala_tui.words import counted
from engine.corpus import BASELINE
from engine.prose.sentences import Span

BEGINS, NAMED, SAYS = range(3)
"""Why a story is a hit: words of its name begin with those of the query; its name has them; else its text does."""
SEPARATORS = re.compile(r"[-_]")


class Findable(NamedTuple):
    """A story that can be found."""

    path: str
    concept: str
    """As it is shown; the baseline's, too."""
    scenario: str
    """As it is shown; empty for an unpaired story."""
    name: str
    """Concept and scenario, folded: with a blank before each of their words, and as they are."""
    text: str
    """Folded; empty while nobody has read it."""


def findable(path: str, concept: str | None, scenario: str | None, text: str = "") -> Findable:
    """A story with its names folded. Its text comes folded, since that costs more (`amygdala_tui.texts`)."""
    shown = concept or BASELINE, scenario or ""
    name = fold(" ".join(shown)).text
    return Findable(path, *shown, f" {SEPARATORS.sub(' ', name)}\n{name}", text)


class Hit(NamedTuple):
    """A story that has all words of a query."""

    story: Findable
    rank: int
    """`BEGINS`, `NAMED` or `SAYS`."""


@dataclass(frozen=True)
class Hits:
    """What a query found."""

    words: tuple[str, ...] = ()
    """Of the query, folded."""
    ranked: tuple[Hit, ...] = ()
    """Names in which the words begin, then other names, then texts; each as the stories were given."""

    def told(self) -> str:
        """How many there are, in words."""
        n, n_by_name = len(self.ranked), sum(hit.rank != SAYS for hit in self.ranked)
        if not n:
            return "no story has these words" if self.words else ""
        by_name = "" if not n_by_name else ", by name" if n_by_name == n else f", {n_by_name} by name"
        return f"{counted(n, 'story', 'stories')}{by_name}"


class Finder:
    """Searches stories key by key: where a query grows, only its last stories are looked at again."""

    def __init__(self) -> None:
        self._stories: Sequence[Findable] = ()
        self._words: tuple[str, ...] = ()
        """Of the last query."""
        self._having: Sequence[Findable] = ()
        """The stories that have them, as the stories were given."""

    def hold(self, stories: Iterable[Findable]) -> None:
        """Search these stories from now on."""
        self._stories = self._having = tuple(stories)
        self._words = ()

    def find(self, query: str) -> Hits:
        """The stories that have all words of a query in their name or text, wherever in a word they stand."""
        words = query_words(query)
        is_narrower = all(any(old in word for word in words) for old in self._words)
        new = [word for word in words if word not in self._words] if is_narrower else words
        self._having = having(self._having if is_narrower else self._stories, new)
        self._words = words
        return ranked(self._having, words)


def having(stories: Sequence[Findable], words: Iterable[str]) -> Sequence[Findable]:
    """The stories that have all these folded words."""
    for word in words:
        stories = [story for story in stories if word in story.name or word in story.text]
    return stories


def ranked(stories: Iterable[Findable], words: tuple[str, ...]) -> Hits:
    """Stories that have all words of a query as its hits; none where it has no words."""
    if not words:
        return Hits()
    hits = [Hit(story, _rank(story.name, words)) for story in stories]
    hits.sort(key=itemgetter(1))
    return Hits(words, tuple(hits))


def _rank(name: str, words: Sequence[str]) -> int:
    for word in words:
        if word not in name:
            return SAYS
    return BEGINS if all(f" {word}" in name for word in words) else NAMED


class Excerpt(NamedTuple):
    """The line of a text that a hit is shown by."""

    line: str
    span: Span
    """Where in it the word stands that is shown."""


def excerpt(text: str, folded: Folded, words: Iterable[str]) -> Excerpt | None:
    """The line with the longest word of a query that a text has, where it stands first; None where it has none.

    Args:
        text: a story's.
        folded: the same, folded.
        words: of the query, the longest first (`Hits.words`).
    """
    places = ((folded.text.find(word), len(word)) for word in words)
    place, length = next((found for found in places if found[0] >= 0), (-1, 0))
    if place < 0:
        return None
    start, end = folded.span(place, place + length)
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    return Excerpt(text[begin : len(text) if stop < 0 else stop], (start - begin, end - begin))
