"""Held-out AUROC in loops and fp64: every fold's vectors, every pair, every weight moved a little."""

from __future__ import annotations

import math

import numpy as np


def directions(rows: np.ndarray, member: np.ndarray, shrinkage: float | None) -> list[np.ndarray | None]:
    """Each concept's difference of means, whitened where there is a shrinkage; None where one side is empty."""
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    for own in member.T:
        for row in rows[own] if not own.all() else ():  # a concept without contrast has no vector
            gap = row - rows[own].mean(0)
            scatter += np.outer(gap, gap)
    vectors: list[np.ndarray | None] = []
    for own in member.T:
        if not own.any() or own.all():
            vectors.append(None)
            continue
        vector = rows[own].mean(0) - rows[~own].mean(0)
        if shrinkage is not None and np.trace(scatter) > 0:
            ridge = shrinkage * np.trace(scatter) / rows.shape[1]
            vector = ridge * np.linalg.solve(scatter + ridge * np.eye(rows.shape[1]), vector)
        vectors.append(vector)
    return vectors


def scores(rows: np.ndarray, member: np.ndarray, folds: np.ndarray, shrinkage: float | None) -> np.ndarray:
    """Each text's product with each concept's direction, made of the other folds; NaN where there is none."""
    table = np.full(member.shape, np.nan)
    for fold in set(folds.tolist()):
        made_of = folds != fold
        for c, vector in enumerate(directions(rows[made_of], member[made_of], shrinkage)):
            if vector is not None:
                for i in np.flatnonzero(~made_of):
                    table[i, c] = rows[i] @ vector
    return table


def mean_auroc(table: np.ndarray, member: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> float:
    """The mean over concepts of the weighted share of pairs of one fold that the concept's text wins; NaN for none."""
    aurocs = []
    for c in range(member.shape[1]):
        won = total = 0.0
        for i in np.flatnonzero(member[:, c]):
            for j in np.flatnonzero(~member[:, c]):
                ours, theirs = table[i, c], table[j, c]
                if folds[i] == folds[j] and not math.isnan(ours) and not math.isnan(theirs):
                    pair = weights[i] * weights[j]
                    won += pair * (1.0 if ours > theirs else 0.5 if ours == theirs else 0.0)
                    total += pair
        if total > 0:
            aurocs.append(won / total)
    return sum(aurocs) / len(aurocs) if aurocs else math.nan


def jackknife_error(table: np.ndarray, member: np.ndarray, folds: np.ndarray, groups: np.ndarray) -> float:
    """The standard error over groups: how far the mean moves with the weight of each, by a small difference."""
    step, n = 1e-5, len(set(groups.tolist()))
    squares = 0.0
    for group in set(groups.tolist()):
        moved = [mean_auroc(table, member, folds, np.where(groups == group, 1 + way, 1.0)) for way in (step, -step)]
        squares += ((moved[0] - moved[1]) / (2 * step)) ** 2
    return math.sqrt(squares * n / (n - 1))


def pairs_won(scores: np.ndarray, member: np.ndarray) -> float:
    """The share of pairs of a concept's text and another that the concept's wins, ties half; NaN for none."""
    pairs = [(ours, theirs) for ours in scores[member] for theirs in scores[~member]]
    won = [1.0 if ours > theirs else 0.5 if ours == theirs else 0.0 for ours, theirs in pairs]
    return sum(won) / len(won) if won else math.nan


def confusions(rows: np.ndarray, vectors: np.ndarray, centre: np.ndarray, member: np.ndarray) -> np.ndarray:
    """How many of each concept's texts have their highest cosine, about the centre, with each vector."""
    counts = np.zeros((len(vectors), len(vectors)), dtype=int)
    for row, concepts in zip(rows, member, strict=True):
        cosines = [(row - centre) @ vector / np.linalg.norm(row - centre) for vector in vectors]
        for c in np.flatnonzero(concepts):
            counts[c, cosines.index(max(cosines))] += 1
    return counts
