"""How each story scores with directions that were made without it: leave-one-out, in closed form.

Whatever the method of the vectors that ship, stories are judged by pooled directions, whose leave-one-out is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.directions import MIN_NORM

CHUNK = 4096
"""Rows taken to fp64 at a time."""


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """What pooled directions at one layer are made of, about the mean of all texts."""

    centre: Tensor
    """The mean of all texts: `[H]`, fp64."""
    sums: Tensor
    """Over each concept's texts, about the centre: `[C, H]`, fp64. Over all texts the sum is zero."""
    counts: Tensor
    """`n_c`: `[C]`, fp64."""
    n_texts: int
    """`M`: all texts, each once."""

    @classmethod
    def of(cls, rows: Tensor, member: Tensor) -> Pooled:
        """From all M texts. Arguments as of `leave_one_out`."""
        centre = rows.mean(0, dtype=torch.float64)
        sums = torch.zeros(member.shape[1], rows.shape[1], dtype=torch.float64, device=rows.device)
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            sums += member[chunk].double().T @ (rows[chunk].double() - centre)
        return cls(centre=centre, sums=sums, counts=member.sum(0).double(), n_texts=len(rows))


def leave_one_out(rows: Tensor, member: Tensor, pooled: Pooled | None = None) -> Tensor:
    """Cosine of each text with each concept's pooled direction made without that text.

    Leaving text i out of concept k turns its direction into `A - x_i / (n_k - 1)` where i is one of its positives
    and into `A + x_i / (M - n_k - 1)` where it is a negative, with an `A` that is a multiple of the concept's sum; so
    one product of the rows with the sums serves all pairs. Texts are centred on the mean of all of them.

    Args:
        rows: activations of m texts at one layer, `[m, H]`.
        member: `[m, C]`, true where the text is one of the concept's positives.
        pooled: of all texts of the corpus; None where `rows` are all of them.

    Returns:
        `[m, C]`, fp64; NaN where nothing is left to make a direction from.
    """
    pooled = pooled or Pooled.of(rows, member)
    counts, others = pooled.counts, pooled.n_texts - pooled.counts
    inside = 1 / (counts - 1) + 1 / others, -1 / (counts - 1)
    outside = 1 / counts + 1 / (others - 1), 1 / (others - 1)
    scores = torch.empty(len(rows), len(counts), dtype=torch.float64, device=rows.device)
    for start in range(0, len(rows), CHUNK):
        chunk = slice(start, start + CHUNK)
        weight, share = (torch.where(member[chunk], *pair) for pair in zip(inside, outside, strict=True))
        scores[chunk] = _cosines(rows[chunk].double() - pooled.centre, pooled.sums, weight, share)
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
