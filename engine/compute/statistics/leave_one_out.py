"""How each story scores with directions that were made without it: leave-one-out, in closed form.

Whatever the method of the vectors that ship, stories are judged by pooled directions, whose leave-one-out is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engine.compute.statistics.directions import MIN_NORM

CHUNK = 4096
"""Rows taken to fp64 at a time."""


def leave_one_out(rows: Tensor, member: Tensor) -> Tensor:
    """Cosine of each text with each concept's pooled direction made without that text.

    Leaving text i out of concept k turns its direction into `A - x_i / (n_k - 1)` where i is one of its positives
    and into `A + x_i / (M - n_k - 1)` where it is a negative, with an `A` that is a multiple of the concept's sum; so
    one product of the rows with the sums serves all pairs. Texts are centred on the mean of all of them.

    Args:
        rows: activations of all M texts at one layer, `[M, H]`.
        member: `[M, C]`, true where the text is one of the concept's positives.

    Returns:
        `[M, C]`, fp64; NaN where nothing is left to make a direction from.
    """
    centre = rows.mean(0, dtype=torch.float64)
    n_texts = len(rows)
    counts = member.sum(0).double()  # (C,)
    others = n_texts - counts
    sums = torch.zeros(len(counts), rows.shape[1], dtype=torch.float64, device=rows.device)
    for start in range(0, n_texts, CHUNK):  # over all texts the sum is zero about the centre
        chunk = slice(start, start + CHUNK)
        sums += member[chunk].double().T @ (rows[chunk].double() - centre)
    inside = 1 / (counts - 1) + 1 / others, -1 / (counts - 1)
    outside = 1 / counts + 1 / (others - 1), 1 / (others - 1)
    scores = torch.empty(n_texts, len(counts), dtype=torch.float64, device=rows.device)
    for start in range(0, n_texts, CHUNK):
        chunk = slice(start, start + CHUNK)
        weight, share = (torch.where(member[chunk], *pair) for pair in zip(inside, outside, strict=True))
        scores[chunk] = _cosines(rows[chunk].double() - centre, sums, weight, share)
    impossible = (member & (counts == 1)) | (~member & (others == 1)) | (others == 0)
    return scores.masked_fill(impossible, torch.nan)


def _cosines(x: Tensor, sums: Tensor, weight: Tensor, share: Tensor) -> Tensor:
    """Cosine of each `x_i` with each `weight_ik * sums_k + share_ik * x_i`: `[n, C]`."""
    squares = x.square().sum(1, keepdim=True)
    products = weight * (x @ sums.T)
    dots = products + share * squares
    norms = (weight.square() * sums.square().sum(1) + 2 * share * products + share.square() * squares).clamp_min(
        MIN_NORM**2
    )
    return dots / (norms * squares.clamp_min(MIN_NORM**2)).sqrt()


def rivals(scores: Tensor, member: Tensor, names: Sequence[str]) -> list[tuple[str | None, float]]:
    """For each text, the concept it does not belong to that scores it highest: `(name, score)`."""
    candidates = scores.masked_fill(member | scores.isnan(), -torch.inf)
    if candidates.shape[1] == 0:
        return [(None, 0.0)] * len(scores)
    best, index = candidates.max(1)
    return [
        (None, 0.0) if value == -torch.inf else (names[i], value)
        for value, i in zip(best.tolist(), index.tolist(), strict=True)
    ]


def membership(text_ids: Sequence[str], positives: Mapping[str, Sequence[str]]) -> Tensor:
    """`[M, C]`: true where a text is one of a concept's positives, in the order of both."""
    row_of = {text_id: i for i, text_id in enumerate(text_ids)}
    member = torch.zeros(len(text_ids), len(positives), dtype=torch.bool)
    for c, concept_texts in enumerate(positives.values()):
        member[[row_of[text_id] for text_id in concept_texts], c] = True
    return member
