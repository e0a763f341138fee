"""What sets a story apart from the others of its concept."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.compute.statistics.steps import run
from engine.prose.apart import Apart, Narrator, medians_of_others
from engine.prose.surface import Floats
from engine.prose.words import Told


def stories(rng: random.Random, n: int, person: str = "I") -> dict[str, Told]:
    """Stories of two concepts that differ by chance alone."""
    texts = {}
    for concept in ("calm", "joyful"):
        for i in range(n):
            nouns = " and ".join(
                f"the {rng.choice(['dog', 'cat', 'tree', 'house'])}" for _ in range(rng.randrange(8, 13))
            )
            texts[f"{concept}/{i}.txt"] = Told(f"{person} saw {nouns}. Then {person} went home.", concept, None)
    return texts


@given(arrays.arrays(np.float64, st.tuples(st.integers(2, 9), st.integers(1, 3)), elements=st.integers(0, 5)))
def test_the_median_of_the_others_is_the_median_without_oneself(rows: Floats) -> None:
    naive = np.array([np.median(np.delete(rows, i, axis=0), axis=0) for i in range(len(rows))])
    np.testing.assert_allclose(medians_of_others(rows), naive)


def test_what_differs_is_told_with_the_usual_value() -> None:
    told = stories(random.Random(0), 12)
    told["calm/3.txt"] = Told(told["calm/3.txt"].text + " Why? Why? Why?", "calm", None)
    apart = Apart(told).of("calm/3.txt")
    assert apart is not None
    [fact, *_] = apart.facts
    assert (fact.feature, fact.is_word, fact.typical) == ("?", False, 0)
    assert fact.value == pytest.approx(told["calm/3.txt"].text.count("?") / len(told["calm/3.txt"].text.split()))
    assert fact.z == apart.largest_z > 3


def test_a_common_word_too_many_is_told() -> None:
    told = stories(random.Random(0), 12)
    told["calm/3.txt"] = Told(told["calm/3.txt"].text.replace("dog", "cat").replace("tree", "cat"), "calm", None)
    told["calm/3.txt"] = Told(told["calm/3.txt"].text + " Cat cat cat cat cat.", "calm", None)
    apart = Apart(told).of("calm/3.txt")
    assert apart is not None
    assert any(fact.is_word and fact.feature == "cat" and fact.z > 0 for fact in apart.facts)


@pytest.mark.parametrize(
    ("more", "feature", "counted"), [("Why? " * 3, "?", "?"), ("Cat cat cat cat. " * 3, "cat", "cat")]
)
def test_a_difference_is_told_as_a_person_counts_it(more: str, feature: str, counted: str) -> None:
    told = stories(random.Random(0), 12)
    text = f"{told['calm/3.txt'].text} {more}"
    others = [story.text for path, story in told.items() if story.concept == "calm" and path != "calm/3.txt"]
    told["calm/3.txt"] = Told(text, "calm", None)
    apart = Apart(told).of("calm/3.txt")
    assert apart is not None
    assert apart.n_others == len(others) == 11
    fact = next(fact for fact in apart.facts if fact.feature == feature)
    assert fact.amount == pytest.approx(text.lower().count(counted))
    rates = [other.lower().count(counted) / len(other.split()) for other in others]
    assert fact.usual == pytest.approx(tuple(np.quantile(rates, [0.1, 0.9]) * len(text.split())))


@pytest.mark.parametrize("n", [0, 3, 300])
def test_in_steps_it_comes_to_the_same(n: int) -> None:
    told = stories(random.Random(4), n)
    steps = Apart.in_steps(told)
    n_steps = 0
    while True:
        try:
            next(steps)
            n_steps += 1
        except StopIteration as end:
            apart: Apart = end.value
            break
    whole = Apart(told)
    assert n_steps >= 2 * len(told) / 128
    assert [apart.of(path) for path in told] == [whole.of(path) for path in told]


@pytest.mark.parametrize("new", ["The wolf ran and the wolf ran.", "I saw the cat.", ""])
def test_from_what_was_read_before_it_comes_to_the_same(new: str) -> None:
    told = stories(random.Random(5), 20)
    last = Apart(told)
    changed = {path: story for path, story in told.items() if path != "calm/3.txt"}
    changed |= {path: Told(new, "calm", None) for path in ("calm/5.txt", "calm/new.txt")}
    apart, whole = run(Apart.in_steps(changed, last)), Apart(changed)
    assert [apart.of(path) for path in changed] == [whole.of(path) for path in changed]


def test_the_narrator_is_told_where_the_others_have_another() -> None:
    told = stories(random.Random(0), 12)
    told["calm/3.txt"] = Told("He saw the dog and the house. Then he went home.", "calm", None)
    apart = Apart(told)
    odd, usual = apart.of("calm/3.txt"), apart.of("calm/4.txt")
    assert odd is not None
    assert usual is not None
    assert odd.narrator == Narrator("he", "I", 11, 11)
    assert usual.narrator is None


def test_a_text_in_a_storys_place_is_judged_as_the_story() -> None:
    told = stories(random.Random(1), 9)
    apart = Apart(told)
    for path, story in told.items():
        assert story.concept is not None
        assert apart.of_text(story.text, story.concept, path) == apart.of(path)
    changed = apart.of_text("He! " + told["calm/3.txt"].text, "calm", "calm/3.txt")
    assert changed is not None
    assert "!" in [fact.feature for fact in changed.facts]


def test_one_story_in_twenty_is_set_apart() -> None:
    told = stories(random.Random(2), 100)
    apart = Apart(told)
    count = sum(bool(judged.facts) for path in told if (judged := apart.of(path)) is not None)
    assert 1 <= count <= 0.05 * len(told)


def test_of_too_few_stories_nothing_is_typical() -> None:
    told = {f"{i}": Told("The dog and I.", "calm", None) for i in range(3)} | {"b": Told("The cat.", None, "s")}
    apart = Apart(told)
    assert [apart.of(path) for path in told] == [None] * 4
    assert apart.of_text("The cat.", "calm", "0") is None
    assert apart.of_text("The cat.", "calm") is not None
    assert apart.of_text("The cat.", "new") is None
    assert Apart({}).of("a") is None
