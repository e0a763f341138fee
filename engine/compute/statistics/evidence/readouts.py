"""How well each concept reads stories that its readout was made without, and how firm its direction is.

A readout here is `zm`: a story's product with a concept's mean at the middle layer, at λ = 1, the story's whole
scenario left out of both mean and metric. On clean concepts its AUROC is unbiased; fits in sample, first PCs and
nearest cosines say next to nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.aurocs import Auroc, auroc_with_interval
from engine.compute.statistics.evidence.discriminant import Metric
from engine.compute.statistics.evidence.judging import Layer, State
from engine.compute.statistics.evidence.spaces import WIDE_FROM

SHRINKAGE = 1.0
SPLITS = 32
"""Random halvings of a concept's stories."""


@dataclass(frozen=True, kw_only=True)
class ConceptReadout:
    """How a concept reads."""

    auroc: Auroc | None
    """Against all other concepts' stories; None where it cannot be scored."""
    rival: int | None
    """The other concept whose stories it reads highest on average; None where nothing can be told."""
    rival_auroc: Auroc | None
    """Against the stories of the rival."""
    stability: float | None
    """The mean cosine of its direction made from one half of its stories with that from the other; None below two."""


@threads_for(WIDE_FROM)
def concept_readouts(state: State) -> list[ConceptReadout]:
    """Of every concept; stories count as much as they fit, by `1 - misfit`."""
    reading, stories = state.reading, state.stories
    if reading is None:
        nothing = ConceptReadout(auroc=None, rival=None, rival_auroc=None, stability=None)
        return [nothing] * stories.n_concepts
    scores, fits = left_out_readouts(reading.middle), 1 - state.judgement.misfit
    rivals = nearest_rivals(scores, stories.concepts, fits)
    readouts = []
    for c, rival in enumerate(rivals.tolist()):
        own = stories.concepts == c
        against_rival = scores[:, c].masked_fill(~own & (stories.concepts != rival), torch.nan)
        readouts.append(
            ConceptReadout(
                auroc=auroc_with_interval(scores[:, c], own, fits),
                rival=rival if own.any() else None,
                rival_auroc=auroc_with_interval(against_rival, own, fits),
                stability=split_half(reading.middle, own.nonzero()[:, 0], fits),
            )
        )
    return readouts


def left_out_readouts(layer: Layer) -> Tensor:
    """`z'm_c` of each story without its scenario: `[N, C]`, NaN where nothing of the concept is left."""
    parts = layer.discriminant.parts(layer.discriminant.at(SHRINKAGE))
    return torch.where(parts.left.isnan(), torch.nan, parts.zm)


def nearest_rivals(scores: Tensor, concepts: Tensor, fits: Tensor) -> Tensor:
    """For each concept, the other one whose stories it reads highest on average: `[C]`.

    Args:
        scores: of `left_out_readouts`, `[N, C]`.
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
    means = torch.where(totals > 0, sums / totals, -torch.inf).fill_diagonal_(-torch.inf)  # (of, read as)
    return means.argmax(0)


def split_half(layer: Layer, own: Tensor, fits: Tensor) -> float | None:
    """How alike the directions are that two halves of a concept's stories give; see `ConceptReadout.stability`.

    The metric is that of all stories. A concept of few stories is unstable whatever its stories are.

    Args:
        own: the concept's stories, `[n]`.
        fits: how much each story of the corpus counts, `[N]`.
    """
    if len(own) < 2:
        return None
    metric = layer.discriminant.at(SHRINKAGE)
    generator = torch.Generator().manual_seed(0)
    orders = torch.stack([torch.randperm(len(own), generator=generator) for _ in range(SPLITS)]).to(own.device)
    weights = fits[own].clamp_min(1e-9)
    half = len(own) // 2
    directions = []
    for part in (orders[:, :half], orders[:, half:]):
        shares = torch.zeros(SPLITS, len(own), dtype=weights.dtype, device=own.device)
        shares.scatter_(1, part, weights[part])
        means = shares @ story_rows(layer, metric, own) / shares.sum(1, keepdim=True)
        directions.append(normalise(means * metric.factors))
    return float((directions[0] * directions[1]).sum(1).mean())


def story_rows(layer: Layer, metric: Metric, own: Tensor) -> Tensor:
    """Stories `[n]` about the weighted mean, in the metric's coordinates: `[n, k]`."""
    made = layer.discriminant
    residuals = made.residuals[own] / made.weights[own].sqrt()[:, None]
    return (residuals + made.means[made.concepts[own]]) * metric.factors
