"""What sets a story apart from the others of its concept, on the surface."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.prose.surface import Floats, Person, Reading, Surface
from engine.prose.words import Told, commonest

LEAST_OTHERS = 3
"""Of fewer other stories nothing is typical."""
QUANTILE = 0.95
"""The share of the corpus's stories that are not set apart by anything."""
FLOOR = 0.02
"""The least scale of a feature: a text of a hundred words shows no finer steps."""
MAD_TO_SD = 1.4826
USUAL = (0.1, 0.9)
"""The quantiles between which what is usual is told."""
STORIES_A_STEP = 128
MAJORITY = 2 / 3
"""The share of the others that must have one narrator, for it to be typical."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One feature in which a story differs from the others of its concept."""

    feature: str
    """A name of `surface`, or a common word."""
    is_word: bool
    """Whether the feature is how often a common word stands in the text."""
    value: float
    """Words for lengths; else a share between 0 and 1."""
    typical: float
    """The median of the concept's other stories."""
    z: float
    """How far the two lie apart, in robust standard deviations."""
    amount: float
    """The value as a person counts it: words for lengths, per cent for speech, else how often it stands in the text."""
    usual: tuple[float, float]
    """Between what amounts four fifths of the others lie; counts are those of as many words as this text has."""


@dataclass(frozen=True, slots=True)
class Narrator:
    """A story that another person tells than most of its concept: "its narrator is he, where 10 of 11 are I"."""

    person: Person | None
    """None where nobody is named often enough."""
    typical: Person
    n_typical: int
    n_others: int


@dataclass(frozen=True, slots=True)
class SetApart:
    """What sets one story apart from the others of its concept."""

    facts: tuple[Fact, ...]
    """Those beyond the corpus's threshold, the farthest first."""
    narrator: Narrator | None
    """None where the narrator is the usual one, or none is usual."""
    largest_z: float
    """The largest |z| of any feature."""
    n_others: int
    """How many others there are."""


class Apart:
    """The stories of one corpus, each against the others of its concept.

    Args:
        stories: by path; baselines give common words and are compared with nothing.

    From nothing in time linear in the stories but for a sort; a single text in about a millisecond (`of_text`).
    """

    def __init__(self, stories: Mapping[str, Told]) -> None:
        for _ in self._begin(stories, None):
            pass

    @classmethod
    def in_steps(cls, stories: Mapping[str, Told], last: Self | None = None) -> Generator[None, None, Self]:
        """The same, some stories at a time; other work may go first between two steps.

        Args:
            stories: by path.
            last: of most of these stories; what it read of them is not read again.
        """
        apart = cls.__new__(cls)
        yield from apart._begin(stories, last)
        return apart

    def _begin(self, stories: Mapping[str, Told], last: Self | None) -> Iterator[None]:
        in_texts: Counter[str] = Counter()
        for n, story in enumerate(stories.values()):
            in_texts.update(set(story.words))
            if n % STORIES_A_STEP == 0:
                yield
        self.surface = Surface(commonest(in_texts))
        self._stories = stories
        self._concepts = {path: story.concept for path, story in stories.items() if story.concept}
        self._readings = {} if last is None else self._still_true(last)
        for n, path in enumerate(self._concepts):
            if path not in self._readings:
                self._readings[path] = self.surface.read(stories[path])
            if n % STORIES_A_STEP == 0:
                yield
        self._groups: dict[str, list[str]] = {}
        for path, concept in self._concepts.items():
            self._groups.setdefault(concept, []).append(path)
        self._values = {
            concept: np.array([self._readings[path].values for path in paths])
            for concept, paths in self._groups.items()
        }
        self._scaled = {concept: self.surface.scaled(values) for concept, values in self._values.items()}
        yield
        self._scales = self._all_scales()
        self._z = self._all_z()
        largest = [np.abs(z).max() for z in self._z.values()]
        self.threshold = float(np.quantile(largest, QUANTILE)) if largest else np.inf

    def _still_true(self, last: Apart) -> dict[str, Reading]:
        """What was read before of texts that are the same, if the same was looked at."""
        if last.surface.features != self.surface.features:
            return {}
        told = last._stories
        return {
            path: reading
            for path, reading in last._readings.items()
            if path in self._concepts and self._stories[path].text == told[path].text
        }

    def of(self, path: str) -> SetApart | None:
        """What sets a story apart; None for a baseline, and where its concept has too few other stories."""
        if path not in self._z:
            return None
        return self._told(path, self._readings[path], self._z[path], self._concepts[path])

    def of_text(self, text: str, concept: str, instead_of: str | None = None) -> SetApart | None:
        """As `of`, for a text in place of a story (or beside them), by the corpus's words, scales and threshold."""
        is_other = self._is_other(concept, instead_of)
        if is_other.sum() < LEAST_OTHERS:
            return None
        reading = self.surface.read(Told(text, concept, None))
        centre = np.median(self._scaled[concept][is_other], axis=0)
        z = (self.surface.scaled(reading.values) - centre) / self._scales[concept]
        return self._told(instead_of, reading, z, concept)

    def _is_other(self, concept: str, path: str | None) -> NDArray[np.bool_]:
        return np.array([other != path for other in self._groups.get(concept, [])], bool)

    def _all_scales(self) -> dict[str, Floats]:
        """Per concept and feature, how much its stories differ: never less than stories of any concept do."""
        if not self._scaled:
            return {}
        far = {concept: np.abs(rows - np.median(rows, axis=0)) for concept, rows in self._scaled.items()}
        pooled = np.sqrt(np.square(np.concatenate([*far.values()])).mean(axis=0)).clip(min=FLOOR)
        return {concept: np.maximum(MAD_TO_SD * np.median(rows, axis=0), pooled) for concept, rows in far.items()}

    def _all_z(self) -> dict[str, Floats]:
        zs: dict[str, Floats] = {}
        for concept, paths in self._groups.items():
            if len(paths) > LEAST_OTHERS:
                rows = self._scaled[concept]
                zs.update(zip(paths, (rows - medians_of_others(rows)) / self._scales[concept], strict=True))
        return zs

    def _told(self, path: str | None, reading: Reading, z: Floats, concept: str) -> SetApart:
        others = [self._readings[other].person for other in self._groups[concept] if other != path]
        far = [int(f) for f in np.argsort(-np.abs(z), kind="stable") if abs(z[f]) > self.threshold]
        values = self._values[concept][self._is_other(concept, path)][:, far]
        low, typical, high = np.quantile(values, (USUAL[0], 0.5, USUAL[1]), axis=0)
        units = self.surface.units(reading)[far]
        facts = tuple(
            Fact(
                feature=self.surface.features[f],
                is_word=f >= self.surface.n_own,
                value=float(reading.values[f]),
                typical=float(typical[i]),
                z=float(z[f]),
                amount=float(reading.values[f] * units[i]),
                usual=(float(low[i] * units[i]), float(high[i] * units[i])),
            )
            for i, f in enumerate(far)
        )
        return SetApart(facts, _narrator(reading.person, others), float(np.abs(z).max()), len(others))


def medians_of_others(rows: Floats) -> Floats:
    """For each row of `[n, F]` (n > 1), the median of all the other rows, `[n, F]`; by one sort."""
    n = len(rows)
    order = np.argsort(rows, axis=0, kind="stable")
    ranks = np.argsort(order, axis=0, kind="stable")
    ascending = np.take_along_axis(rows, order, axis=0)
    lower, upper = (n - 2) // 2, (n - 1) // 2
    columns = np.arange(rows.shape[1])
    medians: Floats = (ascending[lower + (lower >= ranks), columns] + ascending[upper + (upper >= ranks), columns]) / 2
    return medians


def _narrator(person: Person | None, others: Sequence[Person | None]) -> Narrator | None:
    typical, n_typical = Counter(others).most_common(1)[0]
    if typical is None or typical == person or n_typical < MAJORITY * len(others):
        return None
    return Narrator(person, typical, n_typical, len(others))
