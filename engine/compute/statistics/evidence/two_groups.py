"""Whether a concept's stories fall into two groups, as where two concepts were filed under one name.

A concept's stories are whitened by the scatter of all other concepts and projected on the span of the others' means:
the directions in which concepts differ in this corpus. The statistic is how often the share of scatter that the best
split in two takes goes into the whole, below zero: `-1 / share`. Its null is the same number of every other concept,
cut to as many stories. Pooled residuals and the full space make no null: their splits are not like those of concepts.

A best split is a maximum, so that shares lean to the high side, and their logs still do: of stories of one round cloud
a fifth of twenty concepts' corpora had one beyond what Student's t allows in a tenth. Inverses are symmetrical.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.discriminant import NOTHING_LEFT
from engine.compute.statistics.evidence.judging import Layer
from engine.compute.statistics.evidence.readouts import SHRINKAGE
from engine.compute.statistics.evidence.spaces import WIDE_FROM
from engine.compute.statistics.steps import run

SURE_AT = 0.01
"""The p-value up to which two groups are told of."""
FEWEST_STORIES = 10
FEWEST_CONCEPTS = 12
"""Concepts for a null: the one that is asked about is one of them."""
SPAN_SHARE = 0.9
"""The share of the spread of the others' means that the axes hold."""
LEAST_SPLIT = 0.01
"""The share that counts as none; that of copies, which do not split, is 0."""
AXIS_STARTS = 4
RANDOM_STARTS = 4
ITERATIONS = 20


@dataclass(frozen=True, kw_only=True)
class TwoGroups:
    """The best split of a concept's stories in two."""

    p_value: float
    """How often a concept that is one would split so well."""
    stories: Tensor
    """The concept's stories, ascending: `[n]`."""
    smaller: Tensor
    """Which of them are in the smaller group: `[n]`, bool."""

    @property
    def is_sure(self) -> bool:
        """Whether to say so."""
        return self.p_value <= SURE_AT


class Projections:
    """Concepts' stories on the axes along which the other concepts differ, and how well each concept splits.

    Args:
        rows: `[n_c, q_c]` for each concept.
    """

    def __init__(self, rows: Sequence[Tensor]) -> None:
        self.rows = rows
        self._splits: dict[tuple[int, int], float] = {}

    def splits(self, concepts: Sequence[int], size: int) -> Tensor:
        """How well each concept splits in two, cut to `size` stories: `-1 / share`, `[m]`."""
        unsplit = [concept for concept in concepts if (concept, size) not in self._splits]
        if unsplit:
            shares, _ = best_split(_stacked([self._cut(concept, size) for concept in unsplit]))
            inverses = (-1 / shares.clamp_min(LEAST_SPLIT)).tolist()
            self._splits.update(((concept, size), split) for concept, split in zip(unsplit, inverses, strict=True))
        return torch.tensor([self._splits[concept, size] for concept in concepts], dtype=torch.float64)

    def _cut(self, concept: int, size: int) -> Tensor:
        rows = self.rows[concept]
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(concept))
        return rows[order[:size].to(rows.device)]


def can_be_told(counts: Tensor) -> bool:
    """Whether enough concepts have enough stories `[C]` for a split to be judged."""
    return int((counts >= FEWEST_STORIES).sum()) >= FEWEST_CONCEPTS


def concept_projections(layer: Layer) -> Projections:
    """Of all concepts: `projections_in_steps` to its end."""
    return run(projections_in_steps(layer))


def projections_in_steps(layer: Layer) -> Generator[None, None, Projections]:
    """Of all concepts, one at a time."""
    projected = []
    for concept in range(len(layer.discriminant.counts)):
        projected.append(_projected(layer, concept))
        yield
    return Projections(projected)


@threads_for(WIDE_FROM)
def _projected(layer: Layer, concept: int) -> Tensor:
    made = layer.discriminant
    metric = made.at(SHRINKAGE)
    own = (made.concepts == concept).nonzero()[:, 0]
    others = made.counts > NOTHING_LEFT
    others[concept] = False
    v = made.residuals[own] * metric.factors
    identity = torch.eye(v.shape[1], dtype=v.dtype, device=v.device)
    # The scatter of all others, ridge included; only rounding could make it singular.
    factor = torch.linalg.cholesky(identity - v.T @ v + 1e-9 * identity)
    means = metric.means[others] - metric.means[others].mean(0)
    rows = (made.residuals[own] / made.weights[own].sqrt()[:, None] + made.means[concept]) * metric.factors
    whitened = torch.linalg.solve_triangular(factor, torch.cat([means, rows]).T, upper=False).T
    projected: Tensor = whitened[len(means) :] @ _main_axes(whitened[: len(means)])
    return projected


@threads_for(WIDE_FROM)
def two_groups(layer: Layer, projections: Projections, concept: int) -> TwoGroups | None:
    """Split a concept; None where one cannot tell, for want of stories or of concepts that have as many.

    All are cut to the concept's number of stories, or to the number that enough others have.

    Args:
        layer: the middle layer of what was judged.
        projections: of `concept_projections(layer)`.
        concept: its number.
    """
    own = projections.rows[concept]
    others = [c for c in range(len(projections.rows)) if c != concept]
    sizes = sorted((len(projections.rows[c]) for c in others), reverse=True)
    if len(others) < FEWEST_CONCEPTS - 1:
        return None
    size = min(len(own), sizes[FEWEST_CONCEPTS - 2])
    if size < FEWEST_STORIES:
        return None
    splits = projections.splits([concept, *(c for c in others if len(projections.rows[c]) >= size)], size)
    side = best_split(own[None])[1][0]
    return TwoGroups(
        p_value=chance_of_split(splits),
        stories=(layer.discriminant.concepts == concept).nonzero()[:, 0],
        smaller=side if 2 * int(side.sum()) <= len(own) else ~side,
    )


def chance_of_split(splits: Tensor) -> float:
    """How often a concept would split so well as the first of `Projections.splits` `[m]`, were it like the others."""
    null = splits[1:]
    spread = float(null.std()) * math.sqrt(1 + 1 / len(null))
    return student_t_above(float(splits[0] - null.mean()) / max(spread, 1e-12), len(null) - 1)


def best_split(points: Tensor) -> tuple[Tensor, Tensor]:
    """The best split in two by Lloyd's algorithm, from splits along main axes and from random ones.

    Args:
        points: B sets of n points, `[B, n, q]`.

    Returns:
        The share of the scatter that lies between the two, `[B]`, and who is in the second, `[B, n]`.
    """
    centred = points - points.mean(1, keepdim=True)
    _, axes = torch.linalg.eigh(centred.mT @ centred)
    along = (centred @ axes[:, :, -AXIS_STARTS:]).mT > 0  # (B, starts, n)
    random = torch.rand(RANDOM_STARTS, points.shape[1], generator=torch.Generator().manual_seed(0)) < 0.5
    sides = torch.cat([along, random.to(points.device).expand(len(points), -1, -1)], 1)
    for _ in range(ITERATIONS):
        first, second = _centres(centred, ~sides), _centres(centred, sides)
        towards = (centred @ (second - first).mT).mT  # (B, starts, n)
        moved = towards > ((second.square() - first.square()).sum(2) / 2)[:, :, None]
        if bool((moved == sides).all()):
            break
        sides = moved
    first, second = _centres(centred, ~sides), _centres(centred, sides)
    sizes = sides.sum(2).to(points)
    between = sizes * (points.shape[1] - sizes) / points.shape[1] * (second - first).square().sum(2)
    total = centred.square().sum((1, 2)).clamp_min(torch.finfo(points.dtype).tiny)
    best = between.argmax(1)
    rows = torch.arange(len(points), device=points.device)
    return between[rows, best] / total, sides[rows, best]


def student_t_above(t: float, degrees: int) -> float:
    """The chance that Student's t with a whole number of degrees of freedom lies above t.

    Source: Abramowitz & Stegun 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = degrees % 2 == 1
    term = total = 0.0 if degrees == 1 else cosine if is_odd else 1.0
    for i in range(3 if is_odd else 2, degrees, 2):
        term *= (i - 1) / i * cosine**2
        total += term
    within = 2 / math.pi * (angle + sine * total) if is_odd else sine * total
    return (1 - within) / 2


def _centres(points: Tensor, members: Tensor) -> Tensor:
    """The mean of each group, `[B, starts, q]`; of an empty one the origin, which is the mean of all."""
    weights = members.to(points)
    return weights @ points / weights.sum(2, keepdim=True).clamp_min(1)


def _main_axes(means: Tensor) -> Tensor:
    """The fewest axes that hold `SPAN_SHARE` of the squares of `[m, k]`: `[k, q]`, at least one."""
    _, lengths, axes = torch.linalg.svd(means, full_matrices=False)
    held = lengths.square().cumsum(0) / lengths.square().sum().clamp_min(1e-30)
    q = int((held < SPAN_SHARE).sum()) + 1
    main: Tensor = axes[:q].T
    return main


def _stacked(sets: list[Tensor]) -> Tensor:
    """Sets of n points on axes of their own, as one `[B, n, q]`; an axis that a set lacks is zero."""
    widest = max(rows.shape[1] for rows in sets)
    return torch.stack([torch.nn.functional.pad(rows, (0, widest - rows.shape[1])) for rows in sets])
