"""The rule that judges stories, in plain numpy, story by story: whoever is left out is really taken away.

Written from the rule's definition, sharing nothing with the engine. What the rule takes from all stories, the left-out
ones included, is taken so here: scales, scenarios' means, ρ, the degrees of freedom, temperatures, weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.signedinteger]
Booleans = NDArray[np.bool_]

SHRINKAGES = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
PRIORS = [0.5, 2.0, 8.0]
RATES = [0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4]
NEVER = -1e9


@dataclass
class Corpus:
    """What is judged."""

    rows: Floats
    """`[L, N, H]`."""
    concepts: Integers
    scenarios: Integers
    n_concepts: int

    @property
    def groups(self) -> list[Integers]:
        alone = [np.array([i]) for i in np.flatnonzero(self.scenarios < 0)]
        together = [np.flatnonzero(self.scenarios == name) for name in np.unique(self.scenarios[self.scenarios >= 0])]
        return alone + together

    @property
    def judgeable(self) -> Booleans:
        able = np.zeros(len(self.concepts), dtype=bool)
        for group in self.groups:
            outside = np.delete(self.concepts, group)
            able[group] = np.isin(self.concepts[group], outside)
        return able


@dataclass
class Judged:
    strange: Floats
    misfiled: Floats
    margins: Floats
    shares: Floats
    reads_as: Integers
    flagged: Booleans
    rate: float
    chosen: list[tuple[float, float]]
    """λ and a of each layer."""
    scores: Floats
    weights: Floats

    @property
    def misfit(self) -> Floats:
        return 1 - (1 - self.misfiled) * (1 - self.strange)


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -500, 500))))


def softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def scaled(rows: Floats) -> Floats:
    spread = np.median(np.abs(rows - np.median(rows, axis=0)), axis=0)
    return np.asarray(rows / (spread + 1e-3 * np.median(spread)))


def strangeness(corpus: Corpus) -> Floats:
    z: Floats = np.zeros(len(corpus.concepts))
    for layer in corpus.rows:
        x = scaled(layer)
        logs = np.zeros(len(x))
        for i, concept in enumerate(corpus.concepts):
            others = [x[j] for j in range(len(x)) if j != i and corpus.concepts[j] == concept]
            mean = np.mean([*others, x.mean(0), x.mean(0)], axis=0)
            logs[i] = np.log(((x[i] - mean) ** 2).sum())
        away = logs - np.median(logs)
        z = z + away / (1.4826 * np.median(np.abs(away))) / len(corpus.rows)
    return sigmoid(6 * (z - 4))


def less_scenarios(corpus: Corpus, layer: Floats) -> Floats:
    x = scaled(layer)
    x = x - x.mean(0)
    rest: Floats = x.copy()
    for group in corpus.groups:
        if len(group) > 1:
            rest[group] -= x[group].sum(0) / (len(group) + 2)
    return rest


@dataclass
class Model:
    """Weighted counts, means and scatter of some stories."""

    counts: Floats
    means: Floats
    scatter: Floats

    @classmethod
    def of(cls, x: Floats, concepts: Integers, weights: Floats, n_concepts: int) -> Model:
        counts, means = np.zeros(n_concepts), np.zeros((n_concepts, x.shape[1]))
        scatter = np.zeros((x.shape[1], x.shape[1]))
        for c in range(n_concepts):
            own, w = x[concepts == c], weights[concepts == c]
            counts[c] = w.sum()
            if counts[c] > 0:
                means[c] = (w[:, None] * own).sum(0) / counts[c]
            scatter += (w[:, None] * (own - means[c])).T @ (own - means[c])
        return cls(counts, means, scatter)


@dataclass
class Metric:
    """What is taken from all stories at one λ."""

    x: Floats
    """Rows about the weighted mean."""
    ridge: float
    used: float

    @classmethod
    def of(cls, corpus: Corpus, rest: Floats, weights: Floats, shrinkage: float) -> Metric:
        x = rest - np.average(rest, axis=0, weights=weights)
        values = np.linalg.eigvalsh(Model.of(x, corpus.concepts, weights, corpus.n_concepts).scatter).clip(0)
        ridge = max(shrinkage * values.sum() / x.shape[1], 1e-12)
        return cls(x, ridge, float((values / (values + ridge)).sum()))


def models_without(
    corpus: Corpus, x: Floats, weights: Floats, ridge: float
) -> Iterator[tuple[Integers, Model, Floats]]:  # fmt: skip
    """Each group, the model of all other stories, and the inverse of its scatter plus ridge."""
    for group in corpus.groups:
        kept = np.delete(np.arange(len(x)), group)
        model = Model.of(x[kept], corpus.concepts[kept], weights[kept], corpus.n_concepts)
        yield group, model, np.asarray(np.linalg.inv(model.scatter + ridge * np.eye(x.shape[1])), dtype=np.float64)


def scores(corpus: Corpus, rest: Floats, weights: Floats, shrinkage: float) -> dict[float, Floats]:
    """Log densities `[N, C]` for each prior."""
    metric = Metric.of(corpus, rest, weights, shrinkage)
    freedom = max(weights.sum() - corpus.n_concepts, 1)
    by_prior = {a: np.zeros((len(rest), corpus.n_concepts)) for a in PRIORS}
    left = np.zeros((len(rest), corpus.n_concepts))
    for group, model, inverse in models_without(corpus, metric.x, weights, metric.ridge):
        left[group] = model.counts
        for a, densities in by_prior.items():
            means = model.means * (model.counts / (model.counts + a))[:, None]
            width = 1 / (model.counts + a)
            for i in group:
                squares = np.einsum("ch,hk,ck->c", metric.x[i] - means, inverse, metric.x[i] - means)
                densities[i] = -(squares * freedom / (1 + width) + metric.used * np.log1p(width)) / 2
    nothing = left <= 1e-6
    smallest = min(2.5, 0.6 * float(np.median(left[~nothing])))
    own = np.eye(corpus.n_concepts, dtype=bool)[corpus.concepts]
    for densities in by_prior.values():
        densities[nothing | ((left < smallest) & ~own)] = NEVER
    return by_prior


def temperature(log_scores: Floats, concepts: Integers, weights: Floats) -> tuple[float, float]:
    """Golden section on log T between -7 and 7, to 0.02."""

    def likelihood(log_t: float) -> float:
        p = np.exp(log_t) * log_scores
        p = p - p.max(1, keepdims=True)
        own = p[np.arange(len(p)), concepts] - np.log(np.exp(p).sum(1))
        return float((weights * own).sum() / weights.sum())

    low, high, golden = -7.0, 7.0, (5**0.5 - 1) / 2
    while high - low > 0.02:
        left, right = high - golden * (high - low), low + golden * (high - low)
        if likelihood(left) > likelihood(right):
            high = right
        else:
            low = left
    left, right = high - golden * (high - low), low + golden * (high - low)
    return float(np.exp((low + high) / 2)), max(likelihood(left), likelihood(right))


def margins(log_scores: Floats, concepts: Integers) -> Floats:
    values = np.zeros(len(concepts))
    for i, concept in enumerate(concepts):
        others = np.delete(log_scores[i], concept)
        values[i] = others.max() + np.log(np.exp(others - others.max()).sum()) - log_scores[i, concept]
    return values


def posterior(log_scores: Floats, concepts: Integers, tells: Floats) -> tuple[Floats, float]:
    """The shares of the true concept `[N, C]`, and the expected error rate; every grid point one after the other.

    `tells` `[N]` is how much each story tells of wrong labels.
    """
    n, n_concepts = log_scores.shape
    share = 0.5 if np.median(np.bincount(concepts, minlength=n_concepts)) >= 10 else 0.0
    confusions = np.full((n_concepts, n_concepts), 1 / (n_concepts - 1))
    for c in range(n_concepts):
        read = softmax(log_scores)[concepts == c].sum(0)
        read[c] = 0
        if read.sum() > 1e-9:
            confusions[c] = share * read / read.sum() + (1 - share) * confusions[c]
        confusions[c, c] = 0
    width, weights, tables = np.gradient(RATES), [], []
    for rate, step in zip(RATES, width, strict=True):
        for t in np.exp(np.linspace(-1.6, 1.6, 33)):
            p = softmax(t * log_scores)
            table = rate * p * confusions[:, concepts].T
            table[np.arange(n), concepts] = (1 - rate) * p[np.arange(n), concepts]
            total = table.sum(1) + 1e-300
            weights.append(np.log(step) + 19 * np.log(1 - rate) + tells @ np.log(total))
            tables.append((rate, table / total[:, None]))
    chances = softmax(np.array(weights))
    shares = sum(chance * table for chance, (_, table) in zip(chances, tables, strict=True))
    return np.asarray(shares), float(sum(c * rate for c, (rate, _) in zip(chances, tables, strict=True)))


def judge(corpus: Corpus) -> Judged:
    """The whole, from nothing."""
    concepts, able, n = corpus.concepts, corpus.judgeable, len(corpus.concepts)
    strange = strangeness(corpus)
    rests = [less_scenarios(corpus, layer) for layer in corpus.rows]
    weights = np.maximum(1 - strange, 1e-4)
    candidates = [SHRINKAGES[::2]] * len(rests)
    for passed in range(3):
        total, chosen = np.zeros((n, corpus.n_concepts)), []
        for rest, shrinkages in zip(rests, candidates, strict=True):
            best = (-np.inf, 0.0, 0.0, total)
            for shrinkage in shrinkages:
                for a, log_scores in scores(corpus, rest, weights, shrinkage).items():
                    t, likelihood = temperature(log_scores, concepts, weights * able)
                    if likelihood > best[0]:
                        best = (likelihood, shrinkage, a, t * log_scores)
            total = total + best[3]
            chosen.append(best[1:3])
        total = temperature(total, concepts, weights * able)[0] * total
        worse = margins(total, concepts)
        if passed < 2:
            wrong = sigmoid(worse + np.log(0.15 / ((corpus.n_concepts - 1) * 0.85)))
            weights = np.maximum((1 - strange) * (1 - np.where(able, wrong, 0)), 1e-4)
            places = [SHRINKAGES.index(shrinkage) for shrinkage, _ in chosen]
            candidates = [SHRINKAGES[max(place - 1, 0) : place + 2] for place in places]
    shares = np.eye(corpus.n_concepts)[concepts]
    shares[able], rate = posterior(total[able], concepts[able], 1 - strange[able])
    others = np.where(np.eye(corpus.n_concepts, dtype=bool)[concepts], -np.inf, total)
    misfiled = 1 - shares[np.arange(n), concepts]
    counts = np.bincount(concepts, minlength=corpus.n_concepts)
    enough = able & (counts[concepts] >= 3) & ((counts > 0).sum() >= 3)
    return Judged(
        strange=strange,
        misfiled=misfiled,
        margins=np.where(able, worse, np.nan),
        shares=shares,
        reads_as=np.where(able, others.argmax(1), -1),
        flagged=(1 - (1 - misfiled) * (1 - strange) > 0.5) & enough,
        rate=rate,
        chosen=chosen,
        scores=total,
        weights=weights,
    )
