"""How well layers tell a corpus's concepts apart, and which layers to read because of that."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.compute.statistics.leave_one_out import leave_one_out


def auroc(scores: Tensor, positive: Tensor) -> float | None:
    """The chance that a positive scores higher than a negative, ties counted half, from ranks (Mann & Whitney 1947).

    Args:
        scores: `[M]`; NaN where a text has none, which leaves it out.
        positive: `[M]`, bool.

    Returns:
        None where no positive, or no negative, has a score.
    """
    scored = ~scores.isnan()
    positive = positive[scored]
    _, value_of, copies = torch.unique(scores[scored], return_inverse=True, return_counts=True)
    ranks = copies.cumsum(0) - (copies - 1).double() / 2  # from 1; equal scores share their mean rank
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return None
    wins = float(ranks[value_of][positive].sum()) - n_positive * (n_positive + 1) / 2
    return wins / (n_positive * n_negative)


def separation(rows: Tensor, member: Tensor) -> list[float] | None:
    """Per layer, the mean over concepts of the AUROC of their leave-one-out scores: 0.5 is chance, 1 perfect.

    Every text is scored by directions made without it. Concepts that cannot be scored, such as those of one story,
    are left out.

    Args:
        rows: activations of all M texts, `[L, M, H]`.
        member: `[M, C]`, true where the text is one of the concept's positives.

    Returns:
        One number per layer; None where no concept can be scored.
    """
    means = []
    for layer_rows in rows:
        scores = leave_one_out(layer_rows, member)
        aurocs = [auroc(scores[:, c], member[:, c]) for c in range(member.shape[1])]
        scored = [value for value in aurocs if value is not None]
        if not scored:
            return None
        means.append(sum(scored) / len(scored))
    return means


def candidates(n_blocks: int, at_most: int = 16) -> list[int]:
    """Blocks to look at: all, or `at_most` evenly spaced ones up to the last block."""
    count = min(n_blocks, at_most)
    return [(i + 1) * n_blocks // count - 1 for i in range(count)]


def choose(separations: Sequence[float], grid: Sequence[int], count: int = 3) -> list[int]:
    """The layers to read: the block that separates best, amid its neighbours on the grid of `candidates`.

    Each block counts as the mean of itself and its immediate neighbours, so that one lucky block does not win; of
    equals, the lower wins. `count` layers are taken around the winner, ascending; near an end of the grid fewer, so
    that it stays the middle one (`engine.results.middle_layer`).
    """
    neighbourhoods = [separations[max(i - 1, 0) : i + 2] for i in range(len(separations))]
    smoothed = [sum(values) / len(values) for values in neighbourhoods]
    best = smoothed.index(max(smoothed))
    room = len(grid) - best  # the middle of an even number is its upper one: one more fits below than above
    below = min(count // 2, best, room)
    above = min((count - 1) // 2, room - 1, below)
    return list(grid[best - below : best + above + 1])
