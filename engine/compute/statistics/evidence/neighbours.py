"""Which stories one is most like, as the rule that judges them sees it."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.evidence.judging import Layer

CHUNK = 1024
"""Stories compared with all others at a time."""


def neighbours(layer: Layer, most: int) -> tuple[Tensor, Tensor]:
    """The other stories with the highest cosine with each, in the layer's metric: places and cosines, `[N, k]` each.

    In this metric, with each scenario's mean taken away, those stories are alike that the rule would file alike, and
    not those that tell of the same events. By distance, the few stories near the corpus's mean would be everybody's
    neighbours.

    Args:
        layer: usually the middle one.
        most: k, or N - 1 where that is less.
    """
    made = layer.discriminant
    n = len(made.concepts)
    about_mean = made.residuals / made.weights.sqrt()[:, None] + made.means[made.concepts]
    rows = normalise(about_mean * layer.metric.factors)
    places, cosines = [], []
    for start in range(0, n, CHUNK):
        alike = rows[start : start + CHUNK] @ rows.T
        alike.diagonal(start).fill_(-torch.inf)
        top = alike.topk(min(most, n - 1), dim=1)
        places.append(top.indices)
        cosines.append(top.values)
    return torch.cat(places), torch.cat(cosines)
