"""How well concepts are told apart by their wording alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prose.confounds import (
    FOLDS,
    LEAST_SCATTER,
    RIDGE,
    ConfoundAlarm,
    Confounds,
    auroc,
    confound_alarm,
    confounds,
    folds_of,
    left_out_scores,
    word_rates,
)
from engine.prose.surface import Floats
from engine.prose.words import Told

FILLING = ["the", "and", "dog", "cat", "tree", "house", "went", "saw", "to", "of", "a", "rain", "road", "door"]


def corpus(
    rng: random.Random, own: dict[str, str], n: int = 20, n_words: tuple[int, int] = (40, 60)
) -> dict[str, Told]:
    """Stories of concepts that differ by the words of `own` alone, one in each of `n` scenarios."""
    stories = {}
    for concept, extra in own.items():
        for i in range(n):
            text = rng.choices(FILLING, k=rng.randint(*n_words)) + extra.split() * 2
            rng.shuffle(text)
            stories[f"paired/s{i}/{concept}.txt"] = Told(" ".join(text), concept, f"s{i}")
    return stories


def naive_scores(rows: Floats, labels: list[int], folds: list[int], n_concepts: int) -> Floats:
    scores = np.full((len(rows), n_concepts), np.nan)
    for i in range(len(rows)):
        rest = [j for j in range(len(rows)) if folds[j] != folds[i]]
        groups = {label: [rows[j] for j in rest if labels[j] == label] for label in {labels[j] for j in rest}}
        if not rest:
            continue
        means = {label: np.mean(group, axis=0) for label, group in groups.items()}
        centre = np.mean([rows[j] for j in rest], axis=0)
        within = np.array([rows[j] - means[labels[j]] for j in rest])
        scatter = within.T @ within / len(rest)
        ridge = RIDGE * max(np.trace(scatter), LEAST_SCATTER * rows.var(axis=0).sum()) / rows.shape[1]
        inverse = np.linalg.inv(scatter + ridge * np.eye(rows.shape[1]))
        for c in range(n_concepts):
            if c in means:
                scores[i, c] = (rows[i] - centre) @ inverse @ (means[c] - centre)
    return scores


@settings(max_examples=50)
@given(st.integers(0, 1 << 32), st.integers(12, 30), st.integers(1, 4), st.integers(1, 4))
def test_scores_are_those_of_a_model_made_without_the_fold(seed: int, n: int, n_features: int, n_concepts: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, n_features))
    labels, folds = rng.integers(-1, n_concepts, n), rng.integers(0, 4, n)
    expected = naive_scores(rows, labels.tolist(), folds.tolist(), n_concepts)
    np.testing.assert_allclose(left_out_scores(rows, labels, folds, n_concepts), expected, rtol=1e-6, atol=1e-8)


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_auroc_is_how_often_a_positive_is_above_a_negative(positives: list[int], negatives: list[int]) -> None:
    naive = np.mean([(p > n) + 0.5 * (p == n) for p in positives for n in negatives])
    assert auroc(np.array(positives, float), np.array(negatives, float)) == pytest.approx(naive)


def test_stories_of_a_scenario_are_left_out_together() -> None:
    folds = folds_of(["a", None, "b", "a", None, *[None] * FOLDS])
    assert folds[0] == folds[3]
    assert len(set(folds[:3].tolist())) == 3
    assert folds[1] != folds[4]


def test_rates_are_shares_of_a_texts_words() -> None:
    rates = word_rates([["a", "b", "a", "x"], []], ["a", "b", "c"])
    assert rates.tolist() == [[0.5, 0.25, 0], [0, 0, 0]]


def test_words_that_go_with_a_concept_tell_it_apart() -> None:
    found = confounds(corpus(random.Random(0), {"calm": "still", "joyful": "so", "plain": "", "flat": ""}))
    by_name = {each.concept: each for each in found}
    assert [each.concept for each in found] == ["calm", "flat", "joyful", "plain"]
    assert (by_name["calm"].function_words or 0) > 0.95
    assert (by_name["calm"].bag_of_words or 0) > 0.95
    assert (by_name["calm"].length or 1) < 0.8
    assert (by_name["plain"].person or 1) < 0.7


def test_a_concept_told_by_one_person_is_told_by_the_person() -> None:
    found = confounds(corpus(random.Random(0), {"calm": "I my", "joyful": "he his", "tense": "she her"}))
    assert all((each.person or 0) > 0.95 for each in found)


def test_a_concept_of_long_stories_is_told_by_the_length() -> None:
    rng = random.Random(0)
    stories = corpus(rng, {"calm": "", "joyful": ""}) | corpus(rng, {"tense": ""}, n_words=(80, 100))
    tense = next(each for each in confounds(stories) if each.concept == "tense")
    assert (tense.length or 0) > 0.95


def test_words_of_a_scenario_tell_no_concept() -> None:
    """Each scenario has words of its own, and each concept its own scenarios; all are left out together."""
    rng = random.Random(0)
    stories = {
        f"{concept}{i}": Told(
            " ".join([*rng.choices(FILLING, k=40), *[f"{concept}{i % 4}"] * 5]), concept, f"{concept}{i % 4}"
        )
        for concept in ("calm", "joyful")
        for i in range(20)
    }
    alone = {path: Told(story.text, story.concept, None) for path, story in stories.items()}
    assert (confounds(stories)[0].bag_of_words or 1) < 0.75
    assert (confounds(alone)[0].bag_of_words or 0) > 0.95


def test_too_few_stories_tell_nothing() -> None:
    assert confounds({}) == []
    assert confounds({"b": Told("The cat.", None, "s")}) == []
    stories = corpus(random.Random(0), {"calm": "still"}, n=2) | corpus(random.Random(0), {"joyful": "so"}, n=9)
    calm, joyful = confounds(stories)
    assert calm == Confounds("calm", None, None, None, None)
    assert joyful.function_words is not None
    assert confounds(corpus(random.Random(0), {"calm": "still"}))[0].function_words is None  # nothing to tell it from


def test_texts_that_are_all_alike_cannot_be_told_apart() -> None:
    stories = {f"{c}{i}": Told("The cat and the dog.", c, None) for c in ("calm", "joyful") for i in range(5)}
    assert confounds(stories)[0] == Confounds("calm", 0.5, 0.5, 0.5, 0.5)


def test_persons_tell_nothing_in_other_languages() -> None:
    stories = {f"{c}{i}": Told(f"{c} e il gatto {i}.", c, None) for c in ("calmo", "lieto") for i in range(5)}
    assert [each.person for each in confounds(stories)] == [None, None]


@pytest.mark.parametrize(
    ("measured", "readout", "alarms"),
    [
        (Confounds("calm", 0.90, 0.99, 0.6, 0.7), 0.95, []),
        (Confounds("calm", 0.94, 0.99, 0.6, 0.7), 0.95, [("function words", 0.94)]),
        (Confounds("calm", 0.94, 0.99, 0.6, 0.7), None, []),
        (
            Confounds("calm", 0.94, None, 0.81, 0.96),
            0.95,
            [("length", 0.96), ("function words", 0.94), ("person", 0.81)],
        ),
        (Confounds("calm", 0.5, 0.5, 0.8, 0.8), 0.99, []),
        (Confounds("calm", None, None, None, None), 0.5, []),
    ],
)
def test_an_alarm_is_what_tells_the_concept_as_well_as_its_readout(
    measured: Confounds, readout: float | None, alarms: list[tuple[str, float]]
) -> None:
    assert confound_alarm(measured, readout) == [ConfoundAlarm(what, value, readout) for what, value in alarms]
