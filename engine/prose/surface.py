"""The surface of a text: its length, its sentences, its speech, its commonest words, and who tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.prose.words import Told

Floats = NDArray[np.float64]
Person = Literal["I", "we", "you", "he", "she", "they"]

PERSONS: Mapping[Person, frozenset[str]] = {
    "I": frozenset({"i", "me", "my", "mine", "myself"}),
    "we": frozenset({"we", "us", "our", "ours", "ourselves"}),
    "you": frozenset({"you", "your", "yours", "yourself", "yourselves"}),
    "he": frozenset({"he", "him", "his", "himself"}),
    "she": frozenset({"she", "her", "hers", "herself"}),
    "they": frozenset({"they", "them", "their", "theirs", "themselves"}),
}
THIRD: tuple[Person, ...] = ("he", "she", "they")
ENGLISH = frozenset({"the", "and"})
"""Words that are among the commonest of any English corpus; elsewhere, persons and past tenses are not looked for."""
LEAST_COUNT, LEAST_RATE = 2, 0.01
"""A person tells a text that says it so often, counted and by words; `you` must be said twice as often."""

LENGTH, SENTENCE_LENGTH, SPEECH_SHARE = "length", "sentence length", "speech"
PAST, QUESTIONS, EXCLAMATIONS = "-ed", "?", "!"


@dataclass(frozen=True, slots=True)
class Reading:
    """The surface of one text."""

    values: Floats
    """Per feature, in the units of `Fact`: words, or shares between 0 and 1."""
    person: Person | None
    n_words: int
    n_told: int
    """Words outside of speech, of which the persons' are counted; 0 where no persons are looked for."""


class Surface:
    """What is looked at in the texts of one corpus.

    Args:
        common: the corpus's commonest words.
    """

    def __init__(self, common: Sequence[str]) -> None:
        self.is_english = set(common) >= ENGLISH
        persons = frozenset().union(*PERSONS.values()) if self.is_english else frozenset()
        self.common = tuple(word for word in common if word not in persons)
        english = (*PERSONS, PAST) if self.is_english else ()
        own: tuple[str, ...] = (LENGTH, SENTENCE_LENGTH, SPEECH_SHARE, QUESTIONS, EXCLAMATIONS, *english)
        self.features = own + self.common
        """The names of the features; of a common word, the word."""
        self.n_own = len(own)
        """How many of them come before the common words."""

    def read(self, story: Told) -> Reading:
        """The surface of one text, its values in the order of `features`."""
        text, all_words = story.text, story.words
        told = story.narrated if self.is_english else ()
        by_person = persons_in(told)
        n_words = max(1, len(all_words))
        counts = Counter(all_words)
        values: list[float] = [
            len(all_words), len(all_words) / max(1, story.n_sentences),
            story.n_spoken / max(1, len("".join(text.split()))),
            (text.count("?") + text.count("？")) / n_words, (text.count("!") + text.count("！")) / n_words,
        ]  # fmt: skip
        if self.is_english:
            values += [by_person[person] / max(1, len(told)) for person in PERSONS]
            values.append(sum(word.endswith("ed") and len(word) > 3 for word in all_words) / n_words)
        values += [counts[word] / n_words for word in self.common]
        return Reading(np.array(values), narrator(by_person, len(told)), len(all_words), len(told))

    def units(self, reading: Reading) -> Floats:
        """What makes values, such as a text's own, amounts as a person counts them in a text of its length: `[F]`."""
        of_words = {LENGTH: 1.0, SENTENCE_LENGTH: 1.0, SPEECH_SHARE: 100.0} | dict.fromkeys(PERSONS, reading.n_told)
        own = [of_words.get(feature, reading.n_words) for feature in self.features[: self.n_own]]
        return np.array([*own, *[reading.n_words] * len(self.common)], float)

    @staticmethod
    def scaled(values: Floats) -> Floats:
        """Values `[..., F]` on scales where equal steps mean equally much: logarithms of lengths, roots of shares."""
        return np.concatenate([np.log1p(values[..., :2]), np.sqrt(values[..., 2:])], axis=-1)


def person_of(story: Told) -> Person | None:
    """Who tells an English text, or whom it tells of: `I` and `we` before `you`, and these before the third persons.

    Speech is left out. None where nobody is named often enough to say.
    """
    return narrator(persons_in(story.narrated), len(story.narrated))


def persons_in(told: Sequence[str]) -> Counter[Person]:
    """How many of the words stand for each person."""
    counts = Counter(told)
    return Counter({person: sum(counts[form] for form in forms) for person, forms in PERSONS.items()})


def narrator(by_person: Mapping[Person, int], n_words: int) -> Person | None:
    """As `person_of`, of counts."""
    least = max(LEAST_COUNT, LEAST_RATE * n_words)
    if by_person["I"] + by_person["we"] >= least:
        return "I" if by_person["I"] >= by_person["we"] else "we"
    if by_person["you"] >= 2 * least:
        return "you"
    third = max(THIRD, key=lambda person: by_person[person])
    return third if by_person[third] >= least else None
