"""AUROC of weighted stories, and how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

DELONG_FROM = 10
"""Stories from which their own spread says how sure an AUROC is; below, only a formula does."""
NORMAL_90 = 1.645
"""A normal distribution's 95 % quantile: intervals are of 90 %."""
WIDENED = 1.3
"""By which the formula's interval must be wider to hold what it says."""


@dataclass(frozen=True, kw_only=True)
class Auroc:
    """The chance that a story of a concept is read higher than another one; 0.5 is chance."""

    value: float
    low: float
    """The 90 % interval."""
    high: float


def weighted_auroc(own: Tensor, others: Tensor, own_weights: Tensor, others_weights: Tensor) -> Tensor:
    """The share of pairs, by the product of their weights, in which the positive scores higher; ties count half.

    The smaller side is sorted, and the larger one looked up in it.

    Args:
        own: scores of positives, `[B, n]`, finite where the weight is not 0.
        others: of the rest, `[B, m]`; a search is faster where they are nearly in order.
        own_weights: `[B, n]`.
        others_weights: `[B, m]`.

    Returns:
        `[B]`; NaN where one side has no weight.
    """
    if own.shape[1] < others.shape[1]:
        return 1 - _share_below(others, own, others_weights, own_weights)
    return _share_below(own, others, own_weights, others_weights)


def _share_below(scores: Tensor, among: Tensor, weights: Tensor, among_weights: Tensor) -> Tensor:
    """The share of pairs in which one of `among` `[B, M]` is below one of the scores `[B, n]`: `[B]`."""
    below: Tensor = torch.linalg.vecdot(weights, placements(scores, among, among_weights))
    return below / weights.sum(1)


def placements(scores: Tensor, among: Tensor, weights: Tensor) -> Tensor:
    """The share of weight of `among` `[B, M]` below each score, ties half: `[B, n]` from `[B, n]`."""
    order = among.argsort(1)
    cumulated = torch.nn.functional.pad(weights.gather(1, order).cumsum(1), (1, 0))
    ordered = among.gather(1, order)
    scores = scores.contiguous()
    first = torch.searchsorted(ordered, scores)
    below = cumulated.gather(1, first)
    following = torch.nn.functional.pad(ordered, (0, 1), value=torch.nan).gather(1, first)
    if bool((following == scores).any()):
        up_to = cumulated.gather(1, torch.searchsorted(ordered, scores, right=True))
        below = (below + up_to) / 2
    return below / cumulated[:, -1:]


def auroc_with_interval(scores: Tensor, positive: Tensor, weights: Tensor) -> Auroc | None:
    """The AUROC of one rule and its interval.

    Args:
        scores: `[N]`; NaN leaves a story out.
        positive: `[N]`, bool.
        weights: `[N]`.

    Returns:
        None where there is nothing on one side.
    """
    used = ~scores.isnan() & (weights > 0)
    scores, positive, weights = scores[used][None], positive[used], weights[used]
    n, n_others = int(positive.sum()), int((~positive).sum())
    if n == 0 or n_others == 0:
        return None
    w, w_others = weights[None, positive], weights[None, ~positive]
    beaten = placements(scores[:, positive], scores[:, ~positive], w_others)
    value = float((w * beaten).sum() / w.sum())
    if n >= DELONG_FROM and n_others >= DELONG_FROM:
        losses = placements(scores[:, ~positive], scores[:, positive], w)
        error = math.sqrt(_variance_of_mean(beaten, w) + _variance_of_mean(losses, w_others))
        if error > 0:  # all of them on one side tell nothing of the spread
            return on_logits(value, error, value)
    n_effective, others_effective = _effective(w), _effective(w_others)
    centre = (value * n_effective + 0.5) / (n_effective + 1)
    error = WIDENED * hanley_mcneil(centre, n_effective, others_effective)
    return on_logits(value, error, centre)


def hanley_mcneil(auroc: float, n: float, n_others: float) -> float:
    """The standard error of an AUROC of exponential scores (Hanley & McNeil 1982)."""
    q1, q2 = auroc / (2 - auroc), 2 * auroc**2 / (1 + auroc)
    variance = auroc * (1 - auroc) + (n - 1) * (q1 - auroc**2) + (n_others - 1) * (q2 - auroc**2)
    return math.sqrt(variance / (n * n_others))


def _variance_of_mean(values: Tensor, weights: Tensor) -> float:
    """Of the weighted mean of `[1, n]`; with equal weights, DeLong's (DeLong, DeLong & Clarke-Pearson 1988)."""
    shares = weights / weights.sum()
    mean = (shares * values).sum()
    n = _effective(weights)
    return float((shares * (values - mean)).square().sum()) * n / max(n - 1, 1e-9)


def _effective(weights: Tensor) -> float:
    """How many stories of weight 1 tell as much."""
    return float(weights.sum().square() / weights.square().sum())


def on_logits(value: float, error: float, centre: float) -> Auroc:
    """The interval about `centre`, symmetric in its logit, so that it ends within 0 and 1."""
    centre = min(max(centre, 1e-9), 1 - 1e-9)
    middle, half = math.log(centre / (1 - centre)), NORMAL_90 * error / (centre * (1 - centre))
    low, high = (1 / (1 + math.exp(-min(max(end, -700.0), 700.0))) for end in (middle - half, middle + half))
    return Auroc(value=value, low=min(low, value), high=max(high, value))
