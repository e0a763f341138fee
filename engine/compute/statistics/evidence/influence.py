"""What a concept would be without one of its stories: its AUROC and its direction, exactly and without recomputing.

Two things are left out at once: the scenario g of the story that is read, and the story i whose effect is asked for.
The metric without g, `W_g`, is corrected once more. With `v = r (x_i - m'_c)` and `nl` the weight that the concept has
without g, it becomes `W_g + K (W_g v)(W_g v)ᵀ` with `K = 1 / (1 / (1 + r² / (nl - r²)) - v'W_g v)`, and the mean
becomes `m' - r v / (nl - r²)`. So all that is needed are inner products in the metric without g.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.aurocs import weighted_auroc
from engine.compute.statistics.evidence.discriminant import INVERSE_RIDGE, NOTHING_LEFT, Leaving
from engine.compute.statistics.evidence.readouts import LeftOut, OfGroups
from engine.compute.statistics.evidence.spaces import WIDE_FROM
from engine.compute.statistics.steps import run

READOUTS_A_STEP = 500_000
"""Readouts of all stories without each of a few: what takes about 0.1 s."""
MOST_STORIES = 150
"""Stories of one concept of which it is told. Each costs as much as the corpus is large, and of so many, one that fits
moves nothing: what all of 500 a concept would cost is two thirds of a settle at 10,000 stories."""
BROAD = torch.float32
"""The number format of what has an entry for every story of the corpus and every story of the concept.

It is what leaving a story out adds to a readout, about the n-th part of it, and the sum is fp64: readouts keep six or
seven digits, and an AUROC without a story its first five.
"""


@dataclass(frozen=True, kw_only=True)
class Influence:
    """Stories of a concept, in the order of the corpus: `[n]` each."""

    stories: Tensor
    """All of them, or of more than `MOST_STORIES` those that fit worst."""
    auroc: Tensor
    """The concept's AUROC without the story, less that with it: above zero, the concept reads better without it."""
    turn: Tensor
    """The cosine of the concept's direction without the story with that of all: low where one story decides."""


def influence(of_all: LeftOut, concept: int) -> Influence | None:
    """Of each story of a concept: `influence_in_steps` to its end."""
    return run(influence_in_steps(of_all, concept))


def influence_in_steps(of_all: LeftOut, concept: int) -> Generator[None, None, Influence | None]:
    """Of the stories of a concept, some at a time; None where the concept has fewer than two."""
    own = of_all.own(concept)
    if len(own) < 2:
        return None
    if len(own) > MOST_STORIES:
        own = own[of_all.fits[own].topk(MOST_STORIES, largest=False).indices.sort().values]
    effects, at_once = [], max(1, READOUTS_A_STEP // len(of_all.concepts))
    for start in range(0, len(own), at_once):
        effects.append(_effects(of_all, concept, own[start : start + at_once]))
        yield
    with threads_for(WIDE_FROM):
        return Influence(stories=own, auroc=torch.cat(effects), turn=_turns(of_all, concept, own))


@threads_for(WIDE_FROM)
def _effects(of_all: LeftOut, concept: int, some: Tensor) -> Tensor:
    """What the concept's AUROC gains without each of some of its stories `[n]`."""
    is_own, scores = of_all.concepts == concept, of_all.scores[:, concept]
    own, others = is_own.nonzero()[:, 0], (~is_own).nonzero()[:, 0]
    others = others[scores[others].argsort()]  # without one story they are nearly in that order
    before = _auroc(scores[None, own], scores[None, others], of_all.fits[None, own], of_all.fits[None, others])
    without = readouts_without_each(of_all, concept, some)
    of_own, of_others = (without.index_select(0, side).T.contiguous() for side in (own, others))
    remaining = of_all.fits[own].where(own != some[:, None], 0.0)
    return _auroc(of_own, of_others, remaining, of_all.fits[others].expand_as(of_others)) - before


def _auroc(own: Tensor, others: Tensor, own_weights: Tensor, others_weights: Tensor) -> Tensor:
    """As `weighted_auroc`; stories without a score, NaN, count for nothing."""
    if bool((own.sum() + others.sum()).isnan()):
        own_weights, others_weights = own_weights.where(~own.isnan(), 0.0), others_weights.where(~others.isnan(), 0.0)
        own, others = own.nan_to_num(0.0), others.nan_to_num(0.0)
    return weighted_auroc(own, others, own_weights, others_weights)


def readouts_without_each(of_all: LeftOut, concept: int, own: Tensor) -> Tensor:
    """`z'm_c` of every story without its scenario and without story i of the concept's `own` `[n]`: `[N, n]`.

    NaN where nothing of the concept is left. A story of i's own scenario is read as it was.
    """
    readouts = of_all.rows.new_empty(len(of_all.concepts), len(own))
    for group in of_all.groups:
        readouts[group.beside.leaving.stories] = _group_readouts(of_all, group, concept, own)
    return readouts


def _group_readouts(of_all: LeftOut, group: OfGroups, concept: int, own: Tensor) -> Tensor:
    """Those of G groups of b stories: `[G, b, n]`, for the concept's stories `own` `[n]`."""
    beside, products, parts = group
    leaving, x, mean = beside.leaving, of_all.rows[own], of_all.metric.means[concept]
    shares, vm, k = leaving.shares[:, :, concept], beside.vm_left[:, :, concept], beside.k
    left = leaving.left[:, concept]
    vx = beside.v.to(BROAD) @ x.T.to(BROAD)  # (G, b, n)
    k_vx, k_vm = k.to(BROAD) @ vx, k @ vm[:, :, None]
    # inner products in the metric without the group, of the mean m, the groups' stories z and the stories x
    zm = parts.zm[:, :, concept]
    corrections = (vx * k_vx).sum(1), (vx * (k_vm - shares[:, :, None]).to(BROAD)).sum(1)
    xx, xm = x.square().sum(1) + corrections[0], x @ mean + corrections[1]  # (G, n)
    mm = parts.mm[:, :1, concept]
    weights = of_all.layer.discriminant.weights[own]
    r = weights.sqrt()
    rest = left[:, None] - weights
    rest = torch.where(rest > NOTHING_LEFT, rest, torch.nan)
    vv, v_m = weights * (xx - 2 * xm + mm), r * (xm - mm)
    step = r / rest
    correction = 1 / (1 / (1 + weights / rest) - vv + INVERSE_RIDGE)
    # z'm without i is z'm + by_v z'v, with z'v = r (z'x - z'm)
    by_v = r * (correction * (v_m - step * vv) - step)  # (G, n)
    numbers = torch.arange(len(leaving.stories), device=own.device)[:, None]
    group_of = own.new_full((len(of_all.concepts),), -1)
    group_of[leaving.stories] = numbers.expand_as(leaving.stories)
    in_group = group_of[own] == numbers
    by_v = torch.where(in_group, 0.0, by_v).masked_fill(left.isnan()[:, None], torch.nan)[:, None].to(BROAD)
    zx = (of_all.metric.means @ x.T).to(BROAD).index_select(0, leaving.concepts.flatten()).view_as(vx)
    zx.addcdiv_(vx, leaving.roots.to(BROAD)[:, :, None]).baddbmm_(products.vz.mT.to(BROAD), k_vx)
    zx.sub_(zm.to(BROAD)[:, :, None]).mul_(by_v)
    return zm[:, :, None] + zx


def _turns(of_all: LeftOut, concept: int, own: Tensor) -> Tensor:
    """Cosines, in scaled space, of the direction `(S + ρI)⁻¹ m_c` without each story with that of all: `[n]`."""
    metric, made = of_all.metric, of_all.layer.discriminant
    leaving = Leaving.of(own[:, None], made.concepts, made.weights, made.counts, made.residuals)
    beside = metric.beside(leaving)
    means = metric.means[concept] - leaving.shares[:, :, concept] * beside.v[:, 0]  # (n, k)
    means = means + (beside.k[:, 0] * beside.vm_left[:, :, concept]) * beside.v[:, 0]
    return (normalise(means * metric.factors) * normalise(metric.means[concept] * metric.factors)).sum(1)
