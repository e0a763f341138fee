"""Which neurons of a block's MLP write what a concept's direction points to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.compute.statistics.directions import MIN_NORM, normalise

TOP_NEURONS = 5


class Neurons:
    """The neurons of one block: the columns of its down projections, `[H, I]` each, experts' one after another.

    The weights stay where the model has them; only the columns' lengths are kept here.
    """

    def __init__(self, matrices: Sequence[Tensor]) -> None:
        self._matrices = list(matrices)
        self._lengths = [matrix.float().norm(dim=0).clamp_min(MIN_NORM) for matrix in matrices]

    def __bool__(self) -> bool:
        return bool(self._matrices)

    def cosines(self, directions: Tensor) -> Tensor:
        """Of each direction of `[C, H]` with each neuron's column: `[C, neurons]`, fp32."""
        unit = normalise(directions).float()
        parts = [
            unit.to(matrix.device) @ matrix.float() / lengths
            for matrix, lengths in zip(self._matrices, self._lengths, strict=True)
        ]
        return torch.cat([part.to(directions.device) for part in parts], 1)

    def top(self, directions: Tensor) -> list[list[tuple[int, float]]]:
        """For each direction of `[C, H]`, the five neurons of highest absolute cosine, ties by index."""
        if not self:
            return [[] for _ in directions]
        cosines = self.cosines(directions)
        best = top_indices(cosines.abs(), TOP_NEURONS)
        values = cosines.gather(1, best)
        return [list(zip(i, v, strict=True)) for i, v in zip(best.tolist(), values.tolist(), strict=True)]


def top_indices(values: Tensor, count: int) -> Tensor:
    """Indices of each row's `count` largest values, ties by index: what a stable sort gives, at much less cost."""
    count = min(count, values.shape[1])
    least = values.topk(count, dim=1).values[:, -1:]
    rows = []
    for row, lowest_kept in zip(values, least, strict=True):
        candidates = (row >= lowest_kept).nonzero().squeeze(1)  # in order of index; more than `count` only in a tie
        rows.append(candidates[row[candidates].sort(descending=True, stable=True).indices[:count]])
    return torch.stack(rows)
