"""Near-copies: texts that share most of their wording, and the passages that they share.

Two texts are compared by their sets of word trigrams: `share = shared trigrams / trigrams of the smaller set`. A copy
of a hundred words with a tenth of them replaced has a share of 0.73, and at the least 0.5; of four million pairs of
unrelated stories, the closest has 0.26.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.prose.sentences import Span
from engine.prose.words import word_spans, words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LEAST_SHARE = 0.4
ABOVE_CHANCE = 0.15
"""How far above the shares that unrelated texts of this corpus have (templates) a share must be."""
CHANCE_PAIRS = 0.001
"""The share of all pairs that may lie above what counts as chance."""
LEAST_TRIGRAMS = 8
"""Texts with fewer are never called copies: with so few, one set phrase would do."""
LEAST_COMMON = 10
"""A trigram in at most so many texts is never ignored as common: in a corpus of four texts, two are half of it."""
MOST_PAIRS = 20
"""The pairs told of each text with texts after it, the closest first: a thousand copies of one text are half a million
pairs."""
BITS = 21
"""A trigram is one number of three words' numbers. Beyond two million different words, two words may share one."""
OCCURRENCES = 16
"""A trigram's places that are looked at in one text; bounds the work for texts such as `ha ha ha`."""
TEXTS_A_STEP = 128


@dataclass(frozen=True, slots=True)
class NearCopy:
    """Two texts that share most of their wording."""

    one: str
    other: str
    share: float
    """Shared trigrams over those of the text that has fewer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Words that stand in both texts, one after the other."""

    one: Span
    other: Span
    n_words: int


class Copies:
    """The near-copies within a corpus, and an index to compare one more text with.

    Args:
        texts: the texts by name (paths or ids).

    Attributes:
        threshold: the share from which two texts are near-copies.
        pairs: the near-copies, the closest first; of each text with texts after it, at most `MOST_PAIRS`.

    Time for `near`: about a millisecond. An edited text that crosses the line between a common and a counted trigram
    moves other pairs too; a new index says how.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        for _ in self._begin(texts):
            pass

    @classmethod
    def in_steps(cls, texts: Mapping[str, str]) -> Generator[None, None, Self]:
        """The same, some texts at a time; other work may go first between two steps."""
        copies = cls.__new__(cls)
        yield from copies._begin(texts)
        return copies

    def _begin(self, texts: Mapping[str, str]) -> Iterator[None]:
        self._names = list(texts)
        self._numbers: dict[str, int] = {}
        numbers = self._numbers
        rows = []
        for n, text in enumerate(texts.values()):
            rows.append(_trigrams([numbers.setdefault(word, len(numbers)) for word in words(text)]))
            if n % TEXTS_A_STEP == 0:
                yield
        of_text = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        in_texts = np.concatenate([*rows, np.empty(0, np.int64)])
        order = np.argsort(in_texts, kind="stable")
        yield
        in_order = in_texts[order]
        starts = np.flatnonzero(np.diff(in_order, prepend=-1))
        counts = np.diff(starts, append=len(in_order))
        self._trigram_ids = np.append(in_order[starts], np.iinfo(np.int64).max)
        """Sorted; with an end that is no trigram, so that a search always finds a place."""
        self._texts_of = of_text[order]
        self._starts = np.append(starts, 0)
        self._counts = np.append(np.where(counts > max(LEAST_COMMON, len(rows) / 2), 0, counts), 0)
        """Where a trigram's texts stand in `_texts_of`, and how many there are; none for a common one."""
        yield
        columns = [np.searchsorted(self._trigram_ids, row) for row in rows]
        yield
        self._sizes = np.array([np.count_nonzero(self._counts[column]) for column in columns], np.int64)
        self.threshold, self.pairs = yield from self._all_pairs(columns)

    def near(self, text: str, instead_of: str | None = None) -> list[NearCopy]:
        """The texts of the corpus that one text, not in it, is a near-copy of; the closest first.

        Args:
            text: what is compared.
            instead_of: the name whose place it takes, which is not compared with; also `NearCopy.one`.
        """
        numbers = self._numbers
        new: dict[str, int] = {}
        row = [numbers[w] if w in numbers else new.setdefault(w, len(numbers) + len(new)) for w in words(text)]
        trigrams = _trigrams(row)
        columns = np.searchsorted(self._trigram_ids, trigrams)
        is_known = self._trigram_ids[columns] == trigrams
        n_common = int(np.count_nonzero(is_known & (self._counts[columns] == 0)))
        shares = self._shares(columns[is_known], len(trigrams) - n_common)
        copies = [
            NearCopy(instead_of or "", self._names[i], float(shares[i]))
            for i in np.flatnonzero(shares >= self.threshold)
            if self._names[i] != instead_of
        ]
        return sorted(copies, key=lambda pair: (-pair.share, pair.other))

    def _shares(self, columns: Ints, size: int) -> Floats:
        """With each text of the corpus, the share of a text that has `size` trigrams, those known in `columns`."""
        counts = self._counts[columns]
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self._starts[columns] - ends + counts, counts)
        shared = np.bincount(self._texts_of[places], minlength=len(self._names))
        smaller = np.minimum(self._sizes, size)
        return np.where(smaller >= LEAST_TRIGRAMS, shared / np.maximum(smaller, 1), 0.0)

    def _all_pairs(self, columns: Sequence[Ints]) -> Generator[None, None, tuple[float, list[NearCopy]]]:
        """The threshold, and the pairs that reach it."""
        histogram = np.zeros(1001, np.int64)
        near: list[tuple[int, Ints, Floats]] = []
        for i, column in enumerate(columns):
            shares = self._shares(column, int(self._sizes[i]))[i + 1 :]
            histogram += np.bincount((shares * 1000).astype(np.int64), minlength=1001)
            others = np.flatnonzero(shares >= LEAST_SHARE)
            others = others[np.argsort(-shares[others], kind="stable")[:MOST_PAIRS]]
            near.append((i, others + i + 1, shares[others]))
            if i % TEXTS_A_STEP == 0:
                yield
        threshold = max(LEAST_SHARE, min(1.0, chance_share(histogram, len(columns)) + ABOVE_CHANCE))
        pairs = [
            NearCopy(self._names[i], self._names[j], float(share))
            for i, others, shares in near
            for j, share in zip(others, shares, strict=True)
            if share >= threshold
        ]
        return threshold, sorted(pairs, key=lambda pair: (-pair.share, pair.one, pair.other))


def _trigrams(row: Sequence[int]) -> Ints:
    """The distinct trigrams of a text, given as its words' numbers; as sorted numbers."""
    numbers = np.array(row, np.int64) % (1 << BITS)
    return np.unique(numbers[:-2] << 2 * BITS | numbers[1:-1] << BITS | numbers[2:])


def chance_share(histogram: Ints, n_texts: int) -> float:
    """The share that a thousandth of all pairs exceed, or as many pairs as half the texts where that is more.

    The latter since in a small corpus a thousandth of the pairs would be the copies themselves.

    Args:
        histogram: how many pairs have a share of 0, 1, ... 1000 thousandths, rounded down.
        n_texts: how many texts make these pairs.
    """
    above = max(CHANCE_PAIRS * n_texts * (n_texts - 1) / 2, n_texts / 2)
    at_least = np.cumsum(histogram[::-1])[::-1]
    """How many pairs have so many thousandths or more."""
    return max(0, int(np.count_nonzero(at_least > above)) - 1) / 1000


def shared_passages(one: str, other: str, most: int = 5) -> list[Passage]:
    """The longest passages of three words and more that two texts share, longest first; they do not overlap."""
    in_one, in_other = word_spans(one), word_spans(other)
    chosen: list[Passage] = []
    used_one: set[int] = set()
    used_other: set[int] = set()
    for n_words, i, j in sorted(
        _runs([w for w, _ in in_one], [w for w, _ in in_other]), key=lambda run: (-run[0], run)
    ):
        if len(chosen) == most:
            break
        if used_one.isdisjoint(range(i, i + n_words)) and used_other.isdisjoint(range(j, j + n_words)):
            used_one.update(range(i, i + n_words))
            used_other.update(range(j, j + n_words))
            last_one, last_other = in_one[i + n_words - 1][1][1], in_other[j + n_words - 1][1][1]
            chosen.append(Passage((in_one[i][1][0], last_one), (in_other[j][1][0], last_other), n_words))
    return chosen


def _runs(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Runs of words in both that cannot be made longer: (number of words, place in one, place in the other)."""
    places: dict[tuple[str, ...], list[int]] = {}
    for j, trigram in enumerate(zip(other, other[1:], other[2:], strict=False)):
        places.setdefault(trigram, []).append(j)
    lengths: dict[int, int] = {}
    """Trigrams of the run that ends at each place of the other text, for the last place of the first."""
    for i, trigram in enumerate(zip(one, one[1:], one[2:], strict=False)):
        longer = {j: lengths.pop(j - 1, 0) + 1 for j in places.get(trigram, [])[:OCCURRENCES]}
        yield from ((n + 2, i - n, j - n + 1) for j, n in lengths.items())
        lengths = longer
    yield from ((n + 2, len(one) - 2 - n, j - n + 1) for j, n in lengths.items())
