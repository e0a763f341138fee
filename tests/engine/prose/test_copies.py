"""Near-copies, against a comparison of all pairs by sets."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prose.copies import MOST_PAIRS, Copies, CopyIndex, NearCopy, shared_passages
from engine.prose.words import Told

Trigram = tuple[str, ...]


def told(texts: dict[str, str]) -> dict[str, Told]:
    return {name: Told(text, None, None) for name, text in texts.items()}


def copies_of(texts: dict[str, str]) -> Copies:
    return Copies(told(texts))


def trigrams_of(text: str) -> set[Trigram]:
    found = text.split()
    return {tuple(found[i : i + 3]) for i in range(len(found) - 2)}


def common_trigrams(texts: dict[str, str]) -> set[Trigram]:
    counts = Counter(trigram for text in texts.values() for trigram in trigrams_of(text))
    return {trigram for trigram, count in counts.items() if count > max(10, len(texts) / 2)}


def share_of(one: set[Trigram], other: set[Trigram]) -> float:
    smaller = min(len(one), len(other))
    return len(one & other) / smaller if smaller >= 8 else 0.0


def naive(texts: dict[str, str]) -> tuple[float, list[NearCopy]]:
    common = common_trigrams(texts)
    sets = {name: trigrams_of(text) - common for name, text in texts.items()}
    shares = {(a, b): share_of(sets[a], sets[b]) for a, b in itertools.combinations(texts, 2)}
    rounded = sorted((int(share * 1000) for share in shares.values()), reverse=True)
    above = int(max(0.001 * len(rounded), len(texts) / 2))
    chance = rounded[above] / 1000 if above < len(rounded) else 0.0
    threshold = max(0.4, min(1.0, chance + 0.15))
    pairs = []
    for one in texts:
        own = [NearCopy(a, b, share) for (a, b), share in shares.items() if a == one and share >= threshold]
        pairs += sorted(own, key=lambda pair: -pair.share)[:MOST_PAIRS]
    return threshold, sorted(pairs, key=lambda pair: (-pair.share, pair.one, pair.other))


def corpus_of(seed: int) -> dict[str, str]:
    """Stories of one template or of none, some of them copies with some words replaced."""
    rng = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(rng.choice([3, 30, 300]))]
    template = rng.choices(vocabulary, k=rng.randrange(30))
    texts: list[list[str]] = []
    for _ in range(rng.randrange(30)):
        if texts and rng.random() < 0.3:
            change = rng.random() * 0.5
            text = [rng.choice(vocabulary) if rng.random() < change else word for word in rng.choice(texts)]
        else:
            text = template * rng.randrange(2) + rng.choices(vocabulary, k=rng.randrange(40))
        texts.append(text)
    return {f"t{i:02}": " ".join(text) for i, text in enumerate(texts)}


@settings(max_examples=200)
@given(st.integers(0, 1 << 32))
def test_pairs_and_threshold_are_those_of_all_pairs_compared_by_sets(seed: int) -> None:
    texts = corpus_of(seed)
    copies = copies_of(texts)
    threshold, pairs = naive(texts)
    assert copies.threshold == pytest.approx(threshold)
    assert copies.pairs == pairs


def test_in_steps_it_comes_to_the_same() -> None:
    rng = random.Random(3)
    texts = {f"t{i}": " ".join(story(rng)) for i in range(300)} | {"copy": ""}
    texts["copy"] = texts["t7"] + " and on"
    index, n_steps = in_steps(texts, None)
    assert n_steps >= 2 * len(texts) / 128
    assert index.threshold == copies_of(texts).threshold
    assert [near.other for near in index.near(texts["t7"], "t7")] == ["copy"]


def in_steps(texts: dict[str, str], last: CopyIndex | None) -> tuple[CopyIndex, int]:
    """The index, and in how many steps it was made."""
    steps = CopyIndex.in_steps(told(texts), last)
    n_steps = 0
    while True:
        try:
            next(steps)
            n_steps += 1
        except StopIteration as end:
            index: CopyIndex = end.value
            return index, n_steps


@settings(max_examples=200)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_from_the_last_index_of_other_texts_it_comes_to_the_same(seed: int, another: int) -> None:
    texts, changed = corpus_of(seed), corpus_of(another)
    rng = random.Random(seed)
    kept = {name: text for name, text in texts.items() if rng.random() < 0.7}
    after = kept | {name: text for name, text in changed.items() if rng.random() < 0.3}
    last, _ = in_steps(texts, None)
    index, _ = in_steps(after, last)
    assert index.threshold == copies_of(after).threshold
    for name, text in {**texts, **after}.items():
        assert index.near(text, name) == copies_of(after).near(text, name)


@settings(max_examples=100)
@given(st.integers(0, 1 << 32))
def test_an_edited_text_is_compared_as_the_index_counts(seed: int) -> None:
    texts = corpus_of(seed) or {"t00": ""}
    copies = copies_of(texts)
    common = common_trigrams(texts)
    rng = random.Random(seed)
    edited, source = rng.choice(list(texts)), rng.choice(list(texts))
    text = " ".join([*texts[source].split()[2:], "new", "words"])
    mine = trigrams_of(text) - common
    shares = {name: share_of(mine, trigrams_of(other) - common) for name, other in texts.items() if name != edited}
    expected = [NearCopy(edited, name, share) for name, share in shares.items() if share >= copies.threshold]
    assert copies.near(text, edited) == sorted(expected, key=lambda pair: (-pair.share, pair.other))


def story(rng: random.Random, n: int = 100) -> list[str]:
    return [f"w{rng.randrange(500)}" for _ in range(n)]


def test_a_copy_with_a_tenth_of_its_words_replaced_is_found() -> None:
    rng = random.Random(1)
    texts = {f"t{i}": " ".join(story(rng)) for i in range(40)}
    texts["copy"] = " ".join("new" if i % 10 == 0 else word for i, word in enumerate(texts["t7"].split()))
    assert [(pair.one, pair.other) for pair in copies_of(texts).pairs] == [("t7", "copy")]


def test_a_template_that_most_stories_share_makes_no_copies() -> None:
    rng = random.Random(1)
    template = story(rng)
    texts = {f"t{i}": " ".join(template + story(rng, 20)) for i in range(40)}
    assert copies_of(texts).pairs == []
    rare = {f"t{i}": " ".join(story(random.Random(i % 5), 80) + story(rng, 40)) for i in range(100)}
    assert copies_of(rare).threshold > 0.7


def test_two_copies_in_a_small_corpus_are_found() -> None:
    text = "the train was late and nobody on the platform had anything to say about it"
    assert [
        pair.share for pair in copies_of({"a": text, "b": f"So {text}!", "c": "Something else was told."}).pairs
    ] == [1.0]


def test_of_many_copies_the_closest_are_told() -> None:
    text = " ".join(story(random.Random(1)))
    texts = {f"t{i:02}": text for i in range(30)} | {
        f"u{i:02}": " ".join(story(random.Random(i + 2))) for i in range(40)
    }
    pairs = copies_of(texts).pairs
    assert Counter(pair.one for pair in pairs)["t00"] == MOST_PAIRS
    assert {pair.one for pair in pairs} | {pair.other for pair in pairs} == {f"t{i:02}" for i in range(30)}


def test_few_words_are_no_copy() -> None:
    assert copies_of({"a": "it was the end", "b": "it was the end of a long day for all who were there"}).pairs == []


def test_shared_passages_are_told_by_their_places_longest_first() -> None:
    one = "He left. “The rain had not stopped,” she said, and the door was open."
    other = "And the door was open; the rain had not stopped at all."
    passages = shared_passages(one, other)
    assert [(one[slice(*p.one)], other[slice(*p.other)], p.n_words) for p in passages] == [
        ("The rain had not stopped", "the rain had not stopped", 5),
        ("and the door was open", "And the door was open", 5),
    ]
    assert shared_passages(one, "Nothing of this.") == []
    assert shared_passages("a b", "a b") == []


@given(st.lists(st.sampled_from("abc"), max_size=25), st.lists(st.sampled_from("abc"), max_size=25))
def test_the_longest_passage_is_the_longest_common_run(one: list[str], other: list[str]) -> None:
    def runs(n: int) -> set[Trigram]:
        return {tuple(one[i : i + n]) for i in range(len(one) - n + 1)} & {
            tuple(other[i : i + n]) for i in range(len(other) - n + 1)
        }

    longest = max((n for n in range(3, 26) if runs(n)), default=0)
    passages = shared_passages(" ".join(one), " ".join(other))
    assert max((passage.n_words for passage in passages), default=0) == longest
    for a, b in itertools.combinations(passages, 2):
        assert a.one[1] <= b.one[0] or b.one[1] <= a.one[0]
        assert a.other[1] <= b.other[0] or b.other[1] <= a.other[0]


def test_a_text_of_one_word_is_compared_in_bounded_work() -> None:
    assert [passage.n_words > 2 for passage in shared_passages("ha " * 20000, "ha " * 20000)] == [True]
