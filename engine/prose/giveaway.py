"""Stories that name what they should show: the concept's own name, or a form of it, in its story.

A name is compared with words by their letters alone, so that no grammar has to be listed. The rule would rather miss
`anxiety` in a story of `anxious` than find `terrible` in one of `terrified`.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.prose.sentences import Span
from engine.prose.words import word_spans, words

LONGEST_ENDING = 5
"""The letters that a form of a word may have behind what it shares with the name: `content` and `contentment`."""
LEAST_SHARED = 5
"""The letters that a form must share with the name, where it does not hold the whole of it."""
SHARE = 0.75
"""The part of the name that a form must share with it, where neither holds the whole of the other."""
SHORT = 3
"""Names of so few letters begin too many other words (`sad`, `saddle`): of them, only `ENDINGS` make forms."""
ENDINGS = frozenset({"s", "ly", "ness"})


@dataclass(frozen=True, slots=True)
class Giveaway:
    """A place where a story says its concept's name."""

    span: Span
    words: str
    """What stands there."""


def giveaways(text: str, concept: str) -> list[Giveaway]:
    """Where a text says the name of its concept, in order.

    Args:
        text: the story.
        concept: the name, of one word or several, as in `at_peace` and `grief-stricken`. Of several, all must stand
            together, and the last may have another ending.
    """
    name = words(concept)
    if not name or _same_letters(name[-1][:LEAST_SHARED]) not in _same_letters(text.casefold().replace("’", "'")):
        return []  # as it is of nearly every story
    in_text = word_spans(text)
    found = []
    for first in range(len(in_text) - len(name) + 1):
        said = in_text[first : first + len(name)]
        if is_form_of(said[-1][0], name[-1]) and [word for word, _ in said[:-1]] == name[:-1]:
            span = (said[0][1][0], said[-1][1][1])
            found.append(Giveaway(span, text[slice(*span)]))
    return found


def is_form_of(word: str, name: str) -> bool:
    """Whether a folded word is the name itself or a form of it, such as `terrify` of `terrified`."""
    word = word.removesuffix("'s")
    if len(name) <= SHORT:
        return word == name or (word.startswith(name) and word[len(name) :] in ENDINGS)
    word, name = _same_letters(word), _same_letters(name)
    shared = _shared(word, name)
    if word != name and word.endswith("ing"):
        shared = min(shared, len(word) - len("ing"))  # `wearing` is no form of `weary`
    if max(len(word), len(name)) - shared > LONGEST_ENDING:
        return False
    return shared == len(name) or (shared >= LEAST_SHARED and (shared == len(word) or shared >= SHARE * len(name)))


def _same_letters(word: str) -> str:
    """With one letter for two that change places in forms of a word: `lonely`, `loneliness`."""
    return word.replace("y", "i")


def _shared(one: str, other: str) -> int:
    """The number of letters that two words begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
