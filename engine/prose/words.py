"""Stories as this room is given them, and the words of their texts."""

from __future__ import annotations

import heapq
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from engine.prose.sentences import Span, sentences

_BETWEEN = (
    r"\s!-/:-@\[-`{-~"  # ASCII
    r"\u00a0-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb-\u00bf\u00d7\u00f7"  # Latin-1
    r"\u0589\u05be\u060c\u061b\u061f\u06d4\u0964\u0965"  # Armenian, Hebrew, Arabic, Devanagari
    r"\u2000-\u200b\u200e-\u206f\u2e00-\u2e7f\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
"""Characters that stand between words. All others make words, so that no alphabet has to be listed."""
_ALONE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Scripts that put nothing between words (Chinese, Japanese, Thai, Lao, Burmese, Khmer): each character is a word."""
WORD = re.compile(rf"[{_ALONE}]|[^{_BETWEEN}{_ALONE}]+(?:['’][^{_BETWEEN}{_ALONE}]+)*")
COMMON_WORDS = 50
"""How many of a corpus's commonest words count as its function words."""


SPEECH = re.compile(
    r'"[^"\n]*"|“[^“”\n]*”|«[^«»\n]*»|»[^«»\n]*«|„[^„“”\n]*[“”]|「[^「」\n]*」|『[^『』\n]*』|‘[^‘\n]*?’(?!\w)'
)
"""What stands in quotes, as far as its line goes."""


@dataclass(frozen=True)
class Told:
    """One story: what it says, of what concept, in what scenario. What is counted of its text is counted once."""

    text: str
    concept: str | None
    """None for a baseline."""
    scenario: str | None
    """None for an unpaired story."""

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the text in order, folded. Equal words of a corpus are one string: kept, they are small."""
        return tuple(map(sys.intern, words(self.text)))

    @cached_property
    def narrated(self) -> tuple[str, ...]:
        """Those outside of speech, without what follows an apostrophe."""
        return tuple(sys.intern(word.split("'")[0]) for word in words(SPEECH.sub(" ", self.text)))

    @cached_property
    def n_sentences(self) -> int:
        """How many sentences it has."""
        return len(sentences(self.text))

    @cached_property
    def n_spoken(self) -> int:
        """Characters within quotes, without white space."""
        return sum(len("".join(speech.split())) for speech in SPEECH.findall(self.text))


def words(text: str) -> list[str]:
    """The words of a text in order, folded: `Don’t` is `don't`."""
    found: list[str] = WORD.findall(text.casefold().replace("’", "'"))
    return found


def word_spans(text: str) -> list[tuple[str, Span]]:
    """As `words`, each with its place in the text."""
    return [(match.group().casefold().replace("’", "'"), match.span()) for match in WORD.finditer(text)]


def commonest_words(texts: Iterable[Iterable[str]], most: int = COMMON_WORDS) -> tuple[str, ...]:
    """The words that stand in the most texts, commonest first; equally common ones in alphabetical order.

    They are the corpus's own function words, in whatever language. A word counts once a text, so that no single story
    decides.
    """
    return commonest(Counter(word for text in texts for word in set(text)), most)


def commonest(in_texts: Counter[str], most: int = COMMON_WORDS) -> tuple[str, ...]:
    """As `commonest_words`, of how many texts each word stands in."""
    return tuple(heapq.nsmallest(most, in_texts, key=lambda word: (-in_texts[word], word)))
