"""From scores to probabilities: temperatures by the likelihood of the labels, and the margin that ranks stories."""

from __future__ import annotations

import torch
from torch import Tensor

WIDEST = 7.0
"""Temperatures are sought between exp(-7) and exp(7)."""
CLOSE = 0.02
GOLDEN = (5**0.5 - 1) / 2


def temperature(scores: Tensor, concepts: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The T that maximises the weighted mean of `log softmax(T scores)` at the stories' own concepts, and that mean.

    By golden section on log T; the mean is concave in T, so there is one maximum.

    Args:
        scores: `[P, N, C]`, for P rules at once.
        concepts: `[N]`.
        weights: `[N]`; stories of weight 0 do not count.

    Returns:
        `[P]` and `[P]`.
    """
    used = weights > 0
    weights = weights[used] / weights[used].sum()
    below_top = scores[:, used] - scores[:, used].amax(2, keepdim=True)
    own = _own(below_top, concepts[used])

    def likelihood(log_t: Tensor) -> Tensor:
        t = log_t.exp()[:, None]
        return (t * own - (t[:, :, None] * below_top).exp_().sum(2).log()) @ weights

    low = torch.full_like(scores[:, 0, 0], -WIDEST)
    high = torch.full_like(low, WIDEST)
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = likelihood(left), likelihood(right)
    while float(high[0] - low[0]) > CLOSE:
        leftwards = at_left > at_right
        low, high = torch.where(leftwards, low, left), torch.where(leftwards, right, high)
        new = torch.where(leftwards, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        at_new = likelihood(new)
        left, right = torch.where(leftwards, new, right), torch.where(leftwards, left, new)
        at_left, at_right = torch.where(leftwards, at_new, at_right), torch.where(leftwards, at_left, at_new)
    return ((low + high) / 2).exp(), torch.maximum(at_left, at_right)


def margins(scores: Tensor, concepts: Tensor) -> Tensor:
    """The log odds of any other concept against the own one, `[N]` from `[N, C]`: larger is worse."""
    return others_only(scores, concepts).logsumexp(1) - _own(scores, concepts)


def others_only(scores: Tensor, concepts: Tensor) -> Tensor:
    """Scores `[N, C]` with each story's own concept at minus infinity."""
    return scores.scatter(1, concepts[:, None], -torch.inf)


def _own(scores: Tensor, concepts: Tensor) -> Tensor:
    """`[..., N]` from `[..., N, C]`."""
    index = concepts[:, None].expand(*scores.shape[:-1], 1)
    return scores.gather(-1, index)[..., 0]
