"""How probable it is that a label is wrong: a posterior that learns the corpus's own error rate.

Where concepts cannot be told apart, the likelihood takes a low temperature or a low rate, and nothing is flagged.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.evidence.spaces import median

RATES = (0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4)
"""Shares of wrong labels that are tried."""
RATE_PRIOR = 20.0
"""The share of wrong labels is Beta(1, 20) before any story is read: 5 % on average."""
LOG_TEMPERATURES = (-1.6, 1.6, 33)
CONFUSED_SHARE = 0.5
"""The share of wrong labels that goes where a concept's own stories are mistaken for others; the rest goes anywhere."""
CONFUSED_FROM = 10
"""Stories in the usual concept from which on that is known well enough."""
TINY = 1e-300


@dataclass(frozen=True)
class LabelNoise:
    """What wrong labels of a corpus are like."""

    confusions: Tensor
    """How a wrong label is dealt, `[C true, C filed as]`: the diagonal is 0, rows sum to 1."""
    grid: Tensor
    """Posterior weight of each rate at each temperature: `[rates, temperatures]`, sum 1."""

    @property
    def rate(self) -> float:
        """The expected share of wrong labels."""
        return float(self.grid.sum(1) @ _rates(self.grid))

    def shares(self, scores: Tensor, concepts: Tensor) -> Tensor:
        """The posterior of each story's true concept given its text and where it is filed: `[n, C]` from `[n, C]`.

        A story's share of its own concept is 1 less the probability that it is misfiled.
        """
        filed = self.confusions[:, concepts].T
        rates = _rates(scores)[:, None]
        shares = torch.zeros_like(scores)
        for t, of_rates in zip(_temperatures(scores), self.grid.T, strict=True):
            fits, others = _fits(scores, filed, t)
            total = (1 - rates) * fits.gather(1, concepts[:, None])[:, 0] + rates * others.sum(1) + TINY
            shares += ((of_rates * rates[:, 0]) @ (1 / total))[:, None] * others
        return shares.scatter(1, concepts[:, None], 1 - shares.sum(1, keepdim=True))


def label_noise(scores: Tensor, concepts: Tensor, weights: Tensor) -> LabelNoise:
    """Learn it from the log scores `[N, C]` of stories that can be judged.

    Args:
        weights: how much each story tells of wrong labels, `[N]`. A strange one tells nothing: an off-topic text reads
            as any concept, and would raise the rate of wrong labels for all others.
    """
    n_concepts = scores.shape[1]
    usual_size = median(concepts.bincount(minlength=n_concepts).double())
    confused = mean_confusions(scores, concepts, CONFUSED_SHARE if usual_size >= CONFUSED_FROM else 0.0)
    filed = confused[:, concepts].T
    rates = _rates(scores)
    likelihoods = []
    for t in _temperatures(scores):
        fits, others = _fits(scores, filed, t)
        own = fits.gather(1, concepts[:, None])[:, 0]
        likelihoods.append((torch.outer(1 - rates, own) + torch.outer(rates, others.sum(1)) + TINY).log() @ weights)
    log_likelihoods = torch.stack(likelihoods, 1)
    prior = torch.gradient(rates)[0] * (1 - rates) ** (RATE_PRIOR - 1)  # a rate stands for the space around it
    grid = prior[:, None] * (log_likelihoods - log_likelihoods.max()).exp()
    return LabelNoise(confused, grid / grid.sum())


def mean_confusions(scores: Tensor, concepts: Tensor, share: float) -> Tensor:
    """`[C true, C read as]`, rows sum to 1: `share` of each as the concept's own stories read, the rest evenly."""
    n = scores.shape[1]
    read_as = torch.zeros(n, n, dtype=scores.dtype, device=scores.device)
    read_as.index_add_(0, concepts, scores.softmax(1)).fill_diagonal_(0)
    sums = read_as.sum(1, keepdim=True)
    known = torch.where(sums > 1e-9, read_as / sums.clamp_min(1e-9), 1 / (n - 1))
    return (share * known + (1 - share) / (n - 1)).fill_diagonal_(0)


def _fits(scores: Tensor, filed: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """`p_c` and `p_c K[c, y]` at one temperature, `[n, C]` each."""
    fits = (t * (scores - scores.amax(1, keepdim=True))).softmax(1)
    return fits, fits * filed


def _rates(like: Tensor) -> Tensor:
    return torch.tensor(RATES, dtype=like.dtype, device=like.device)


def _temperatures(like: Tensor) -> Tensor:
    return torch.linspace(*LOG_TEMPERATURES, dtype=like.dtype, device=like.device).exp()
