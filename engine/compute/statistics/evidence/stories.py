"""What is judged: stories with their concepts and scenarios, and which of them are left out together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

UNPAIRED = -1
"""The scenario of a story that has none."""


@dataclass(frozen=True, kw_only=True)
class Stories:
    """Every story of every concept, once; a text that stands under two concepts is two stories. No baselines."""

    rows: Tensor
    """Pooled activations, `[L, N, H]`, of any float type."""
    concepts: Tensor
    """Which concept each is filed under, 0 to C - 1: `[N]`, int64."""
    scenarios: Tensor
    """Which scenario each belongs to, `UNPAIRED` where none: `[N]`, int64."""
    n_concepts: int
    """C. A concept may have no story; nothing then reads as it."""

    def __len__(self) -> int:
        return len(self.concepts)

    @property
    def counts(self) -> Tensor:
        """Stories of each concept: `[C]`, int64."""
        return self.concepts.bincount(minlength=self.n_concepts)

    @property
    def n_live(self) -> int:
        """Concepts that have a story."""
        return int((self.counts > 0).sum())

    def judgeable(self) -> Tensor:
        """Whether a story's concept has a story outside the story's group, `[N]`: else nothing is known of it."""
        outside = self.counts[self.concepts]
        for group in groups(self.scenarios):
            own = self.concepts[group]
            outside[group] -= (own[:, :, None] == own[:, None]).sum(2)
        return outside > 0


def groups(scenarios: Tensor) -> list[Tensor]:
    """What is left out together: the stories of a scenario, or an unpaired story alone.

    Stories of one scenario share its facts, so that one of them tells of the others. Groups come by size, so that all
    of one size are handled at once.

    Args:
        scenarios: `[N]`.

    Returns:
        For each size b that occurs, ascending, the stories of its G groups: `[G, b]`, int64.
    """
    places = torch.arange(len(scenarios), device=scenarios.device)
    names = torch.where(scenarios == UNPAIRED, scenarios.amax() + 1 + places, scenarios)
    order = names.argsort(stable=True)
    _, sizes = torch.unique_consecutive(names[order], return_counts=True)
    starts = sizes.cumsum(0) - sizes
    return [order[starts[sizes == size, None] + places[:size]] for size in sizes.unique().tolist()]
