"""Texts as a search compares them: without case, accents and joiners; and where each found place stands in the text.

Folding is compatible decomposition (NFKD) and case folding, without what then combines: `É`, `e` and a decomposed `é`
are all `e`, `ﬁ` is `fi`, and `’` is `'`.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

from engine.plain import JOINERS
from engine.prose.sentences import Span

NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class Folded(NamedTuple):
    """A text, folded. Only where folding changes lengths are places written down, so that most texts need none."""

    text: str
    places: array[int]
    """Places in `text`, rising, behind which all places of the original lie as far on as their counterparts do."""
    originals: array[int]
    """The places of the original that these come from."""

    def origin(self, place: int) -> int:
        """Where a character of `text` comes from, in the original."""
        k = bisect_right(self.places, place) - 1
        return place if k < 0 else self.originals[k] + place - self.places[k]

    def span(self, start: int, end: int) -> Span:
        """The characters of the original from which `text[start:end]` comes, which is not empty."""
        return self.origin(start), self.origin(end - 1) + 1


def fold(text: str) -> Folded:
    """A text folded, with the way back."""
    lowered = text.lower() if text.isascii() else ""
    if lowered or not text:
        return Folded(lowered, array("l"), array("l"))
    pieces: list[str] = []
    places, originals = array("l"), array("l")
    length = end = 0
    for match in NOT_ASCII.finditer(text):
        start = match.start()
        pieces.append(text[end:start].lower())
        length += start - end
        folded = _folded(match.group())
        pieces.append(folded)
        end = start + 1
        if len(folded) != 1:
            places.extend(range(length, length + len(folded) + 1))
            originals.extend([start] * len(folded) + [end])
        length += len(folded)
    pieces.append(text[end:].lower())
    return Folded("".join(pieces), places, originals)


@lru_cache(maxsize=1 << 14)
def _folded(char: str) -> str:
    if char in JOINERS:
        return ""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(each for each in decomposed if not unicodedata.combining(each)).replace("’", "'")


def query_words(query: str) -> tuple[str, ...]:
    """The words of a query, folded; each once, the longest first, without those that stand within a longer one."""
    told = sorted(set(fold(query).text.split()), key=lambda word: (-len(word), word))
    return tuple(word for n, word in enumerate(told) if not any(word in longer for longer in told[:n]))


def places_of(words: tuple[str, ...], text: str) -> list[Span]:
    """Where words of a query stand in a text, in order; places that meet or overlap are one."""
    folded = fold(text)
    spans = sorted(
        folded.span(match.start(), match.end()) for word in words for match in re.finditer(re.escape(word), folded.text)
    )
    joined: list[Span] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
