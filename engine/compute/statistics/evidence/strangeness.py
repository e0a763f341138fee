"""Strange stories: those far from all that their concept's other stories say, wherever they lie.

A margin between concepts calls an off-topic, truncated or foreign text a good story, since no other concept reads it
either; its distance does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.compute.statistics.evidence.spaces import Space, median
from engine.compute.statistics.evidence.stories import Stories

STRANGE_AT = 4.0
"""The robust z at which a story is as likely strange as not."""
STRANGE_SLOPE = 6.0
MEAN_PULL = 2.0
"""Stories' worth of pull of a concept's mean towards the corpus's."""
NORMAL_MAD = 1.4826
"""A normal distribution's standard deviation in median absolute deviations."""
TINY = 1e-30


@dataclass(frozen=True, kw_only=True)
class Distances:
    """One layer: what a story's distance is measured from, and what is usual."""

    sums: Tensor
    """Of each concept's scaled rows: `[C, H]`."""
    counts: Tensor
    """Stories of each concept: `[C]`."""
    mean: Tensor
    """Of all scaled rows: `[H]`."""
    usual: Tensor
    """The median of the log distances, a scalar."""
    spread: Tensor
    """Their robust standard deviation, a scalar."""

    def log_squares(self, scaled: Tensor, concepts: Tensor) -> Tensor:
        """`log |x - m|²` of stories that the sums hold, `m` being their concept's mean without them: `[n]`.

        The mean is shrunk to the corpus's: that of a single story is a poor guess.
        """
        return self._log_squares(scaled, self.sums[concepts] - scaled, self.counts[concepts] - 1)

    def log_squares_of_others(self, scaled: Tensor, concepts: Tensor) -> Tensor:
        """The same of stories that the sums do not hold, each on its own."""
        return self._log_squares(scaled, self.sums[concepts], self.counts[concepts])

    def _log_squares(self, scaled: Tensor, sums: Tensor, counts: Tensor) -> Tensor:
        means = (sums + MEAN_PULL * self.mean) / (counts + MEAN_PULL)[:, None]
        return ((scaled - means).square().sum(1).double() + TINY).log()

    def z(self, log_squares: Tensor) -> Tensor:
        """How unusual the distances are, in robust standard deviations."""
        return (log_squares - self.usual) / self.spread

    def changed(self, concepts: Tensor, scaled: Tensor, sign: int) -> Distances:
        """The same with stories `scaled` `[n, H]` added (1) or removed (-1); what is usual stays."""
        return replace(
            self,
            sums=self.sums.index_add(0, concepts, scaled, alpha=sign),
            counts=self.counts + sign * concepts.bincount(minlength=len(self.counts)),
        )


def distances(rows: Tensor, space: Space, stories: Stories) -> tuple[Distances, Tensor]:
    """The distances of one layer's stories `[N, H]` in the whole space, and each one's robust z, `[N]`."""
    sums = torch.zeros(stories.n_concepts, rows.shape[1], dtype=space.scale.dtype, device=rows.device)
    for chunk, scaled in space.chunks(rows):
        sums.index_add_(0, stories.concepts[chunk], scaled)
    nothing = torch.zeros((), dtype=torch.float64, device=rows.device)
    bare = Distances(sums=sums, counts=stories.counts, mean=sums.sum(0) / len(rows), usual=nothing, spread=nothing)
    log_squares = torch.cat([bare.log_squares(scaled, stories.concepts[chunk]) for chunk, scaled in space.chunks(rows)])
    usual = median(log_squares)
    spread = NORMAL_MAD * median((log_squares - usual).abs()) + 1e-12
    measured = replace(bare, usual=usual, spread=spread)
    return measured, measured.z(log_squares)


def strangeness(layers_z: Sequence[Tensor]) -> Tensor:
    """The probability that a story is strange, from its robust z at each layer: `[N]`."""
    return torch.sigmoid(STRANGE_SLOPE * (torch.stack(list(layers_z)).mean(0) - STRANGE_AT))
