"""What is said of stories: probabilities, where they read, and how strongly to say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.compute.statistics.evidence.label_noise import LabelNoise
from engine.compute.statistics.evidence.likelihood import margins, others_only

FLAG_FROM = 0.5
FAIR_FROM = 0.75
STRONG_FROM = 0.95
FEWEST_STORIES = 3
"""Stories a concept must have for a flag."""
FEWEST_CONCEPTS = 3
"""Concepts that must have a story for a flag."""

Strength = Literal["none", "borderline", "fair", "strong", "too few to tell"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Of n stories."""

    misfiled: Tensor
    """The probability that a story's label is wrong; 0 where it cannot be judged: `[n]`."""
    strange: Tensor
    """The probability that it lies too far from its concept's other stories, whatever else it is: `[n]`."""
    reads_as: Tensor
    """The other concept that it reads as most, -1 where it cannot be judged: `[n]`, int64."""
    margin: Tensor
    """The log odds of any other concept against its own, by which stories are ranked; NaN where not judged: `[n]`."""
    shares: Tensor
    """The posterior of its true concept given its text and where it is filed, rows sum to 1: `[n, C]`.

    Its own share is `1 - misfiled`, so that what a client shows agrees with the flag.
    """
    enough: Tensor
    """Whether there is enough to tell: concepts, stories of its own, and one of them outside its scenario: `[n]`."""

    @property
    def misfit(self) -> Tensor:
        """The probability that something is off: misfiled or strange: `[n]`."""
        return 1 - (1 - self.misfiled) * (1 - self.strange)

    @property
    def flagged(self) -> Tensor:
        """`[n]`, bool."""
        return (self.misfit > FLAG_FROM) & self.enough

    @property
    def strengths(self) -> list[Strength]:
        """How strongly to say that each story is off."""
        return [
            _strength(misfit) if enough else "too few to tell"
            for misfit, enough in zip(self.misfit.tolist(), self.enough.tolist(), strict=True)
        ]


def _strength(misfit: float) -> Strength:
    if misfit <= FLAG_FROM:
        return "none"
    if misfit < FAIR_FROM:
        return "borderline"
    return "fair" if misfit < STRONG_FROM else "strong"


def unjudged(strange: Tensor, concepts: Tensor, n_concepts: int) -> Judgement:
    """Of stories of which only their strangeness is known, `[n]`: nothing is flagged."""
    return Judgement(
        misfiled=torch.zeros_like(strange),
        strange=strange,
        reads_as=torch.full_like(concepts, -1),
        margin=torch.full_like(strange, torch.nan),
        shares=torch.nn.functional.one_hot(concepts, n_concepts).to(strange),
        enough=torch.zeros_like(concepts, dtype=torch.bool),
    )


def judgement(
    scores: Tensor, concepts: Tensor, strange: Tensor, noise: LabelNoise, judgeable: Tensor, counts: Tensor
) -> Judgement:
    """From log scores `[n, C]` of stories with concepts, strangeness and whether they are judgeable, `[n]` each.

    `counts` `[C]` are the stories of each concept.
    """
    nothing = unjudged(strange, concepts, len(counts))
    shares = torch.where(judgeable[:, None], noise.shares(scores, concepts), nothing.shares)
    enough = (counts[concepts] >= FEWEST_STORIES) & ((counts > 0).sum() >= FEWEST_CONCEPTS)
    return Judgement(
        misfiled=1 - shares.gather(1, concepts[:, None])[:, 0],
        strange=strange,
        reads_as=torch.where(judgeable, others_only(scores, concepts).argmax(1), -1),
        margin=torch.where(judgeable, margins(scores, concepts), torch.nan),
        shares=shares,
        enough=judgeable & enough,
    )
