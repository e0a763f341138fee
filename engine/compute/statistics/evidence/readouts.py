"""How well each concept reads stories that its readout was made without, and how firm its direction is.

A readout here is `zm`: a story's product with a concept's mean at the middle layer, at λ = 1, the story's whole
scenario left out of both mean and metric. On clean concepts its AUROC is unbiased; fits in sample, first PCs and
nearest cosines say next to nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.aurocs import Auroc, auroc_with_interval
from engine.compute.statistics.evidence.discriminant import Beside, Metric, Parts, Products
from engine.compute.statistics.evidence.judging import Layer, State
from engine.compute.statistics.evidence.spaces import WIDE_FROM

SHRINKAGE = 1.0
SPLITS = 32
"""Random halvings of a concept's stories."""
FEW = 3
"""The closest other concepts that a concept is compared with."""


@dataclass(frozen=True, kw_only=True)
class ConceptReadout:
    """How a concept reads."""

    auroc: Auroc | None
    """Against all other concepts' stories; None where it cannot be scored."""
    rival: int | None
    """Of the closest other concepts the one that it is told apart from worst; None where nothing can be told."""
    rival_auroc: Auroc | None
    """How well its stories are told from the rival's, by the readouts of both."""
    stability: float | None
    """The mean cosine of its direction made from one half of its stories with that from the other; None below two."""


class OfGroups(NamedTuple):
    """G groups of stories, and what they are like without themselves."""

    beside: Beside
    products: Products
    parts: Parts


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """All stories at the middle layer at λ = 1, each without its group: made once, and read for every concept."""

    layer: Layer
    metric: Metric
    concepts: Tensor
    """`[N]`."""
    fits: Tensor
    """How much each story counts: `1 - misfit`, `[N]`."""
    rows: Tensor
    """Stories about the weighted mean, in the metric's coordinates: `[N, k]`."""
    groups: list[OfGroups]
    """All groups, by size."""
    scores: Tensor
    """`z'm_c` of each story without its group: `[N, C]`, NaN where nothing of the concept is left."""
    heights: Tensor
    """`z'm_c - m_c'm_c / 2`: what decides between two concepts, as `scores`."""
    closest: Tensor
    """For each concept, the other ones whose stories it reads highest on average, highest first: `[C, at most FEW]`."""

    def own(self, concept: int) -> Tensor:
        """The concept's stories, ascending: `[n]`."""
        return (self.concepts == concept).nonzero()[:, 0]


@threads_for(WIDE_FROM)
def left_out(state: State) -> LeftOut | None:
    """What is read of all stories; None where nothing can be told."""
    if state.reading is None:
        return None
    layer = state.reading.middle
    made, metric = layer.discriminant, layer.discriminant.at(SHRINKAGE)
    groups, scores = [], made.weights.new_empty(len(made.weights), len(made.counts))
    heights = torch.empty_like(scores)
    for leaving in made.leavings:
        beside = metric.beside(leaving)
        products = metric.own_products(beside)
        parts = metric.parts(beside, products)
        groups.append(OfGroups(beside, products, parts))
        scores[leaving.stories] = torch.where(parts.left.isnan(), torch.nan, parts.zm)
        heights[leaving.stories] = torch.where(parts.left.isnan(), torch.nan, parts.zm - parts.mm / 2)
    fits = 1 - state.judgement.misfit
    read = mean_readouts(scores, made.concepts, fits)
    return LeftOut(
        layer=layer,
        metric=metric,
        concepts=made.concepts,
        fits=fits,
        rows=(made.residuals / made.weights.sqrt()[:, None] + made.means[made.concepts]) * metric.factors,
        groups=groups,
        scores=scores,
        heights=heights,
        closest=read.T.topk(min(FEW, max(state.stories.n_live - 1, 1)), dim=1).indices,
    )


def concept_readouts(state: State) -> list[ConceptReadout]:
    """Of every concept; stories count as much as they fit."""
    of_all = left_out(state)
    if of_all is None:
        nothing = ConceptReadout(auroc=None, rival=None, rival_auroc=None, stability=None)
        return [nothing] * state.stories.n_concepts
    return [concept_readout(of_all, concept) for concept in range(state.stories.n_concepts)]


@threads_for(WIDE_FROM)
def concept_readout(of_all: LeftOut, concept: int) -> ConceptReadout:
    """Of one concept.

    A readout alone reads a close rival's stories as high as its own, on clean corpora too: its mean was made without
    the story, and the rival is chosen for being read high. So the two are told apart by both of their readouts.
    """
    own = of_all.concepts == concept
    against = [
        (auroc, rival)
        for rival in of_all.closest[concept].tolist()
        if rival != concept and (auroc := _told_apart(of_all, concept, rival)) is not None
    ]
    rival_auroc, rival = min(against, key=lambda told: told[0].value, default=(None, None))
    return ConceptReadout(
        auroc=auroc_with_interval(of_all.scores[:, concept], own, of_all.fits),
        rival=rival,
        rival_auroc=rival_auroc,
        stability=split_half(of_all, concept),
    )


def _told_apart(of_all: LeftOut, concept: int, rival: int) -> Auroc | None:
    """How well two concepts' stories are told apart."""
    own = of_all.concepts == concept
    both = own | (of_all.concepts == rival)
    leads = of_all.heights[both, concept] - of_all.heights[both, rival]
    return auroc_with_interval(leads, own[both], of_all.fits[both])


def mean_readouts(scores: Tensor, concepts: Tensor, fits: Tensor) -> Tensor:
    """How high each concept's stories (row) are read by each other one (column) on average: `[C, C]`.

    -inf on the diagonal, and where there is nothing to average.

    Args:
        scores: of `LeftOut`, `[N, C]`.
        concepts: `[N]`.
        fits: how much each story counts, `[N]`.
    """
    n_concepts = scores.shape[1]
    weights = torch.where(scores.isnan(), 0.0, fits[:, None])
    sums, totals = (
        torch.zeros(n_concepts, n_concepts, dtype=scores.dtype, device=scores.device).index_add_(
            0, concepts, of_stories
        )
        for of_stories in (weights * scores.nan_to_num(0.0), weights)
    )
    return torch.where(totals > 0, sums / totals, -torch.inf).fill_diagonal_(-torch.inf)


def split_half(of_all: LeftOut, concept: int) -> float | None:
    """How alike the directions are that two halves of a concept's stories give; see `ConceptReadout.stability`.

    The metric is that of all stories. A concept of few stories is unstable whatever its stories are.
    """
    own = of_all.own(concept)
    if len(own) < 2:
        return None
    generator = torch.Generator().manual_seed(0)
    orders = torch.stack([torch.randperm(len(own), generator=generator) for _ in range(SPLITS)]).to(own.device)
    weights = of_all.fits[own].clamp_min(1e-9)
    half = len(own) // 2
    directions = []
    for part in (orders[:, :half], orders[:, half:]):
        shares = torch.zeros(SPLITS, len(own), dtype=weights.dtype, device=own.device)
        shares.scatter_(1, part, weights[part])
        means = shares @ of_all.rows[own] / shares.sum(1, keepdim=True)
        directions.append(normalise(means * of_all.metric.factors))
    return float((directions[0] * directions[1]).sum(1).mean())
