"""How well a concept's stories are told from the others without their meaning: by function words, person or length.

Where that works as well as the readout vector does, the vector may read the same. Each number is an AUROC of scores
that were made without the story, and without all stories of its scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.prose.surface import ENGLISH, PERSONS, Floats, person_of
from engine.prose.words import COMMON_WORDS, Told, commonest_words

Ints = NDArray[np.int64]

FOLDS = 10
"""Into how many parts the corpus is split; whole scenarios, so that no story is judged by others of its scenario."""
LEAST_STORIES = 3
RIDGE = 1.0
"""Added to the scatter within concepts, in mean variances."""
LEAST_SCATTER = 0.01
"""The least scatter within concepts, as a share of the whole; there is none where each concept has one story."""
TINY = 1e-12
"""The least scatter of texts that are all alike."""
BAG = 1000
"""How many of the corpus's commonest words the bag of words holds. The rest stand in too few texts to be learnt."""
FUNCTION_WORDS_BELOW = 0.02
ONE_FEATURE_ABOVE = 0.8


@dataclass(frozen=True, slots=True)
class Confounds:
    """How well one concept is told from the others by wording alone: AUROC, 0.5 by chance.

    What is below 0.5 is told as 0.5: where there is nothing to learn, leaving stories out leans to the wrong side. None
    where the stories are too few.
    """

    concept: str
    function_words: float | None
    """The rates of the corpus's commonest words."""
    bag_of_words: float | None
    """The rates of many more words. High where the readout is high too: no alarm by itself."""
    person: float | None
    """Who tells the story; None for corpora in other languages than English, too."""
    length: float | None


@dataclass(frozen=True, slots=True)
class ConfoundAlarm:
    """A reason to doubt that a concept's vector reads its meaning."""

    what: str
    """`function words`, `person` or `length`."""
    auroc: float
    readout: float | None


def confound_alarm(confounds: Confounds, readout: float | None) -> list[ConfoundAlarm]:
    """The reasons to doubt, the strongest first.

    Function words are one if they tell the concept apart as well as the readout (less 0.02); person and length if they
    do at all (above 0.8).

    Args:
        confounds: of one concept.
        readout: the AUROC of the concept's readout vector on stories that it was not made from; None if unknown.
    """
    alarms = []
    function_words = confounds.function_words
    if function_words is not None and readout is not None and function_words >= readout - FUNCTION_WORDS_BELOW:
        alarms.append(ConfoundAlarm("function words", function_words, readout))
    for what, auroc in (("person", confounds.person), ("length", confounds.length)):
        if auroc is not None and auroc > ONE_FEATURE_ABOVE:
            alarms.append(ConfoundAlarm(what, auroc, readout))
    return sorted(alarms, key=lambda alarm: -alarm.auroc)


def confounds(stories: Mapping[str, Told]) -> list[Confounds]:
    """The confounds of each concept, by name. Baselines count among the others of every concept."""
    names = sorted({story.concept for story in stories.values() if story.concept is not None})
    told = list(stories.values())
    if not names:
        return []
    labels = np.array([-1 if story.concept is None else names.index(story.concept) for story in told], np.int64)
    folds = folds_of([story.scenario for story in told])
    texts = [story.words for story in told]
    common = commonest_words(texts, BAG)
    rates = np.sqrt(word_rates(texts, common))
    persons = np.array([[teller == person for person in (*PERSONS, None)] for teller in map(person_of, told)], float)

    def told_by(rows: Floats) -> list[float | None]:
        scores = left_out_scores(rows, labels, folds, len(names))
        return [_auroc_of(scores[:, c], labels == c) for c in range(len(names))]

    function_words, bag_of_words = told_by(rates[:, :COMMON_WORDS]), told_by(rates)
    person = told_by(persons) if set(common[:COMMON_WORDS]) >= ENGLISH else [None] * len(names)
    length = told_by(np.log1p([[len(text)] for text in texts]))
    return [Confounds(name, function_words[c], bag_of_words[c], person[c], length[c]) for c, name in enumerate(names)]


def word_rates(texts: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> Floats:
    """How often each word of a vocabulary stands in each text, as a share of the text's words, `[N, W]`."""
    columns = {word: w for w, word in enumerate(vocabulary)}
    places = [i * len(columns) + columns[word] for i, text in enumerate(texts) for word in text if word in columns]
    counts = np.bincount(np.array(places, np.int64), minlength=len(texts) * len(columns))
    lengths = np.array([[max(1, len(text))] for text in texts])
    rates: Floats = counts.reshape(len(texts), len(columns)) / lengths
    return rates


def folds_of(scenarios: Sequence[str | None]) -> Ints:
    """Which part of the corpus each story is in; a story without a scenario is a scenario of its own."""
    groups: dict[object, int] = {}
    for i, scenario in enumerate(scenarios):
        groups.setdefault(i if scenario is None else scenario, len(groups))
    return np.array(
        [groups[i if scenario is None else scenario] % FOLDS for i, scenario in enumerate(scenarios)], np.int64
    )


def left_out_scores(rows: Floats, labels: Ints, folds: Ints, n_concepts: int) -> Floats:
    """How each row reads as each concept, by a linear discriminant made without its fold.

    Args:
        rows: one row a story, `[N, F]`; F may be 0, of texts without words.
        labels: the concept of each, -1 for none.
        folds: the part that each is in.
        n_concepts: C.

    Returns:
        `[N, C]`; NaN where a concept has no story outside the fold.
    """
    is_of = labels[:, None] == np.append(np.arange(n_concepts), -1)
    """Texts of no concept stand together as one more, which nothing is scored for."""
    rows = rows - rows.mean(axis=0)
    all_sums, all_products = is_of.T @ rows, rows.T @ rows
    least = max(LEAST_SCATTER * np.trace(all_products) / len(rows), TINY)
    scores = np.full((len(rows), n_concepts), np.nan)
    for fold in np.unique(folds):
        here = folds == fold
        counts = is_of[~here].sum(axis=0)
        if not counts.any():
            continue
        sums = all_sums - is_of[here].T @ rows[here]
        means = sums / np.maximum(counts, 1)[:, None]
        scatter = (all_products - rows[here].T @ rows[here] - means.T @ sums) / counts.sum()
        centre = sums.sum(axis=0) / counts.sum()
        ridge = RIDGE * max(np.trace(scatter), least) / max(1, len(scatter))
        axes = np.linalg.solve(scatter + ridge * np.eye(len(scatter)), (means - centre).T)
        scores[here] = np.where(counts > 0, (rows[here] - centre) @ axes, np.nan)[:, :n_concepts]
    return scores


def auroc(positives: Floats, negatives: Floats) -> float:
    """How often a positive is above a negative; ties count half."""
    ascending = np.sort(negatives)
    below = np.searchsorted(ascending, positives, "left") + np.searchsorted(ascending, positives, "right")
    return float(below.mean() / 2 / len(negatives))


def _auroc_of(scores: Floats, is_own: NDArray[np.bool_]) -> float | None:
    """None where a concept has too few stories that can be judged, or there are no others."""
    own, others = scores[is_own & ~np.isnan(scores)], scores[~is_own & ~np.isnan(scores)]
    return max(0.5, auroc(own, others)) if len(own) >= LEAST_STORIES and len(others) else None
