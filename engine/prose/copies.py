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
from engine.prose.words import Told, word_spans, words

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
THOUSANDTHS = 1000


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


class CopyIndex:
    """An index of texts, to compare one more text with.

    Args:
        texts: the texts by name (paths or ids).

    Attributes:
        threshold: the share from which two texts are near-copies.

    Time for `near`: about a millisecond. An edited text that crosses the line between a common and a counted trigram
    moves other pairs too; a new index says how.
    """

    threshold: float
    _histogram: Ints
    """How many pairs have a share of 0, 1, ... 1000 thousandths."""

    def __init__(self, texts: Mapping[str, Told]) -> None:
        for _ in self._begin(texts, None):
            pass

    @classmethod
    def in_steps(cls, texts: Mapping[str, Told], last: CopyIndex | None = None) -> Generator[None, None, Self]:
        """The same, some texts at a time; other work may go first between two steps.

        Args:
            texts: by name.
            last: of most of these texts; only what differs is compared with the others.
        """
        index = cls.__new__(cls)
        yield from index._begin(texts, last)
        return index

    def _begin(self, texts: Mapping[str, Told], last: CopyIndex | None) -> Iterator[None]:
        yield from self._count(texts, last)
        if last is not None and np.array_equal(last._common, self._common):
            gone = [name for name, row in last._rows.items() if self._rows.get(name) is not row]
            came = [name for name, row in self._rows.items() if last._rows.get(name) is not row]
            self._histogram = last._histogram - (yield from last._pairs_of(gone)) + (yield from self._pairs_of(came))
        else:
            self._histogram = yield from self._compared()
        chance = chance_share(self._histogram, len(self._rows))
        self.threshold = max(LEAST_SHARE, min(1.0, chance + ABOVE_CHANCE))

    def _count(self, texts: Mapping[str, Told], last: CopyIndex | None) -> Iterator[None]:
        """Note where each trigram stands."""
        self._texts = texts
        self._names = list(texts)
        self._place = {name: i for i, name in enumerate(self._names)}
        self._numbers: dict[str, int] = {} if last is None else last._numbers
        """Of words. New words never change the old ones' numbers, so that indexes share the table."""
        self._rows: dict[str, Ints] = {}
        """Each text's trigrams."""
        numbers = self._numbers
        for n, (name, text) in enumerate(texts.items()):
            if last is not None and name in last._texts and last._texts[name].text == text.text:
                self._rows[name] = last._rows[name]
            else:
                self._rows[name] = _trigrams([numbers.setdefault(word, len(numbers)) for word in text.words])
            if n % TEXTS_A_STEP == 0:
                yield
        rows = list(self._rows.values())
        self._ends = np.cumsum([0, *map(len, rows)])
        of_text = np.repeat(np.arange(len(rows)), np.diff(self._ends))
        in_texts = np.concatenate([*rows, np.empty(0, np.int64)])
        order = np.argsort(in_texts, kind="stable")
        yield
        in_order = in_texts[order]
        starts = np.flatnonzero(np.diff(in_order, prepend=-1))
        counts = np.diff(starts, append=len(in_order))
        self._trigram_ids = np.append(in_order[starts], np.iinfo(np.int64).max)
        """Sorted; with an end that is no trigram, so that a search always finds a place."""
        self._texts_of = of_text[order]
        is_common = counts > max(LEAST_COMMON, len(rows) / 2)
        self._common = in_order[starts][is_common]
        self._starts = np.append(starts, 0)
        self._counts = np.append(np.where(is_common, 0, counts), 0)
        """Where a trigram's texts stand in `_texts_of`, and how many there are; none for a common one."""
        yield
        self._columns = np.empty(len(in_order), np.int64)
        """Of the trigrams of all texts, one text after the other, the places in `_trigram_ids`."""
        self._columns[order] = np.repeat(np.arange(len(starts)), counts)
        is_counted = self._counts[self._columns] > 0
        self._sizes = np.bincount(of_text[is_counted], minlength=len(rows))

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

    def _shares_of(self, i: int) -> Floats:
        """Of the i-th text with each one."""
        return self._shares(self._columns[self._ends[i] : self._ends[i + 1]], int(self._sizes[i]))

    def _pairs_of(self, names: Sequence[str]) -> Generator[None, None, Ints]:
        """The histogram of all pairs that have one of these texts."""
        histogram = np.zeros(THOUSANDTHS + 1, np.int64)
        is_left = np.ones(len(self._names), bool)
        for n, name in enumerate(names):
            is_left[self._place[name]] = False
            histogram += _histogram(self._shares_of(self._place[name])[is_left])
            if n % TEXTS_A_STEP == 0:
                yield
        return histogram

    def _compared(self) -> Generator[None, None, Ints]:
        """The histogram of all pairs."""
        histogram = np.zeros(THOUSANDTHS + 1, np.int64)
        for i in range(len(self._names)):
            shares = self._shares_of(i)[i + 1 :]
            histogram += _histogram(shares)
            self._note(i, shares)
            if i % TEXTS_A_STEP == 0:
                yield
        return histogram

    def _note(self, i: int, shares: Floats) -> None:
        """Called with the shares of a text and all texts after it, where all pairs are compared."""


class Copies(CopyIndex):
    """The near-copies within a corpus, and an index to compare one more text with.

    Args:
        texts: the texts by name (paths or ids).

    Attributes:
        pairs: the near-copies, the closest first; of each text with texts after it, at most `MOST_PAIRS`.
    """

    def _begin(self, texts: Mapping[str, Told], last: CopyIndex | None) -> Iterator[None]:  # noqa: ARG002 (of the base)
        self._near: list[NearCopy] = []
        yield from super()._begin(texts, None)  # pairs are noted only where all are compared
        pairs = [pair for pair in self._near if pair.share >= self.threshold]
        self.pairs = sorted(pairs, key=lambda pair: (-pair.share, pair.one, pair.other))

    def _note(self, i: int, shares: Floats) -> None:
        others = np.flatnonzero(shares >= LEAST_SHARE)
        others = others[np.argsort(-shares[others], kind="stable")[:MOST_PAIRS]]
        self._near += [NearCopy(self._names[i], self._names[i + 1 + j], float(shares[j])) for j in others]


def _trigrams(row: Sequence[int]) -> Ints:
    """The distinct trigrams of a text, given as its words' numbers; as sorted numbers."""
    numbers = np.array(row, np.int64) % (1 << BITS)
    return np.unique(numbers[:-2] << 2 * BITS | numbers[1:-1] << BITS | numbers[2:])


def _histogram(shares: Floats) -> Ints:
    """How many shares there are of each number of thousandths, rounded down."""
    counts: Ints = np.bincount((shares * THOUSANDTHS).astype(np.int64), minlength=THOUSANDTHS + 1)
    return counts


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
    return max(0, int(np.count_nonzero(at_least > above)) - 1) / THOUSANDTHS


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
