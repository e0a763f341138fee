"""What a judgement chooses from the corpus, to be kept while stories change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.compute.statistics.evidence.spaces import Space

CHANGED_AT_MOST = 0.02
"""The share of stories that may change before everything is chosen anew."""


@dataclass(frozen=True, kw_only=True)
class LayerTuning:
    """What was chosen for one layer."""

    space: Space
    shrinkage: float
    """λ: the ridge, in mean eigenvalues of the scatter within concepts."""
    prior: float
    """a: stories' worth of pull of a concept's mean towards the corpus's."""
    temperature: float


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What was chosen for a corpus."""

    layers: tuple[LayerTuning, ...]
    temperature: float
    """Of the sum over layers."""
    weights: Tensor
    """How much each story counts, `[N]` fp64: little where it looks wrong. NaN for a story that was not there."""
    n_chosen_from: int
    """Stories there were."""
    n_changed: int = 0
    """Stories that came, went or were edited since."""

    def carried(self, origins: Tensor) -> Tuning:
        """The same for another set of stories.

        Args:
            origins: for each story of the new set, its place in the set before; -1 where it is new or edited: `[N']`.
        """
        stays = origins >= 0
        n_stay = int(stays.sum())
        return replace(
            self,
            weights=torch.where(stays, self.weights[origins.clamp_min(0)], torch.nan),
            n_changed=self.n_changed + max(len(origins), len(self.weights)) - n_stay,
        )

    @property
    def is_outdated(self) -> bool:
        """Whether so many stories changed that all should be chosen anew."""
        return self.n_changed > CHANGED_AT_MOST * self.n_chosen_from
