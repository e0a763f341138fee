"""What a concept would be without one of its stories: its AUROC and its direction, exactly and without recomputing.

Two things are left out at once: the scenario g of the story that is read, and the story i whose effect is asked for.
The metric without g, `W_g`, is corrected once more. With `v = r (x_i - m'_c)` and `nl` the weight that the concept has
without g, it becomes `W_g + K (W_g v)(W_g v)ᵀ` with `K = 1 / (1 / (1 + r² / (nl - r²)) - v'W_g v)`, and the mean
becomes `m' - r v / (nl - r²)`. So all that is needed are inner products in the metric without g.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.aurocs import weighted_auroc
from engine.compute.statistics.evidence.discriminant import INVERSE_RIDGE, NOTHING_LEFT, Leaving, Metric
from engine.compute.statistics.evidence.judging import Layer, State
from engine.compute.statistics.evidence.readouts import SHRINKAGE, left_out_readouts, story_rows
from engine.compute.statistics.evidence.spaces import WIDE_FROM


@dataclass(frozen=True, kw_only=True)
class Influence:
    """Each story of a concept, in the order of the corpus: `[n]` each."""

    stories: Tensor
    auroc: Tensor
    """The concept's AUROC without the story, less that with it: above zero, the concept reads better without it."""
    taught: Tensor
    """The same of all other stories alone: what it teaches, apart from how it reads itself."""
    turn: Tensor
    """The cosine of the concept's direction without the story with that of all: low where one story decides."""


@threads_for(WIDE_FROM)
def influence(state: State, concept: int) -> Influence | None:
    """Of each story of a concept; None where nothing can be told, or the concept has fewer than two stories."""
    own = (state.stories.concepts == concept).nonzero()[:, 0]
    if state.reading is None or len(own) < 2:
        return None
    layer, fits = state.reading.middle, 1 - state.judgement.misfit
    positive = state.stories.concepts == concept
    scores = left_out_readouts(layer)[:, concept]
    fits = torch.where(scores.isnan(), 0.0, fits)
    scores = scores.nan_to_num(0.0)
    without = readouts_without_each(layer, concept, own)
    remaining = fits.expand(len(own), -1).clone()
    remaining[torch.arange(len(own), device=own.device), own] = 0
    remaining_scored = torch.where(without.isnan(), 0.0, remaining)
    before = weighted_auroc(scores[None], positive, fits[None])
    others_before = weighted_auroc(scores.expand(len(own), -1), positive, remaining_scored)
    after = weighted_auroc(without.nan_to_num(0.0), positive, remaining_scored)
    return Influence(stories=own, auroc=after - before, taught=after - others_before, turn=_turns(layer, concept, own))


def readouts_without_each(layer: Layer, concept: int, own: Tensor) -> Tensor:
    """`z'm_c` of every story without its scenario and without story i of the concept's `own` `[n]`: `[n, N]`.

    NaN where nothing of the concept is left. A story of i's own scenario is read as it was.
    """
    made = layer.discriminant
    metric = made.at(SHRINKAGE)
    x = story_rows(layer, metric, own)
    readouts = x.new_empty(len(own), len(made.weights))
    for leaving in made.leavings:
        readouts[:, leaving.stories] = _group_readouts(layer, metric, leaving, concept, own, x)
    return readouts


def _group_readouts(
    layer: Layer, metric: Metric, leaving: Leaving, concept: int, own: Tensor, x: Tensor
) -> Tensor:  # fmt: skip
    """Those of G groups of b stories: `[n, G, b]`, for the concept's stories `own` `[n]` with rows `x` `[n, k]`."""
    beside = metric.beside(leaving)
    products = metric.own_products(beside)
    shares, vm, k = leaving.shares[:, :, concept], beside.vm_left[:, :, concept], beside.k
    mean, left = metric.means[concept], leaving.left[:, concept]
    vx = beside.v @ x.T  # (G, b, n)
    zx = _rows_by(layer, metric, leaving, x)
    k_vx, k_vm = k @ vx, k @ vm[:, :, None]
    # inner products in the metric without the group, of the mean m, the groups' stories z and the stories x
    zm = products.zm[:, :, concept] + (products.vz.mT @ (k_vm - shares[:, :, None]))[:, :, 0]
    zx = zx + products.vz.mT @ k_vx
    xx = x.square().sum(1) + (vx * k_vx).sum(1)  # (G, n)
    xm = x @ mean - (vx * shares[:, :, None]).sum(1) + (vx * k_vm).sum(1)
    mm = metric.parts(beside, products).mm[:, :1, concept]
    weights = layer.discriminant.weights[own]
    r = weights.sqrt()
    rest = left[:, None] - weights
    rest = torch.where(rest > NOTHING_LEFT, rest, torch.nan)
    vv, v_m = weights * (xx - 2 * xm + mm), r * (xm - mm)
    z_v = r * (zx - zm[:, :, None])
    step = r / rest
    correction = 1 / (1 / (1 + weights / rest) - vv + INVERSE_RIDGE)
    z_mean = zm[:, :, None] - step[:, None] * z_v
    v_mean = v_m - step * vv
    without = z_mean + (correction * v_mean)[:, None] * z_v
    in_group = (leaving.stories[:, :, None] == own).any(1)[:, None]
    without = torch.where(in_group, zm[:, :, None], without)
    nothing = left.isnan()[:, None, None].expand_as(without)
    return without.masked_fill(nothing, torch.nan).permute(2, 0, 1)


def _rows_by(layer: Layer, metric: Metric, leaving: Leaving, x: Tensor) -> Tensor:
    """`z'x` of the groups' stories with rows `x` `[n, k]`: `[G, b, n]`."""
    g, b = leaving.stories.shape
    return (story_rows(layer, metric, leaving.stories.flatten()) @ x.T).reshape(g, b, len(x))


def _turns(layer: Layer, concept: int, own: Tensor) -> Tensor:
    """Cosines, in scaled space, of the direction `(S + ρI)⁻¹ m_c` without each story with that of all: `[n]`."""
    metric = layer.discriminant.at(SHRINKAGE)
    leaving = Leaving.of(
        own[:, None],
        layer.discriminant.concepts,
        layer.discriminant.weights,
        layer.discriminant.counts,
        layer.discriminant.residuals,
    )
    beside = metric.beside(leaving)
    means = metric.means[concept] - leaving.shares[:, :, concept] * beside.v[:, 0]  # (n, k)
    means = means + (beside.k[:, 0] * beside.vm_left[:, :, concept]) * beside.v[:, 0]
    return (normalise(means * metric.factors) * normalise(metric.means[concept] * metric.factors)).sum(1)
