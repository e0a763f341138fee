"""How each story reads once it no longer helps to define what it is read by: leave-one-out, in closed form.

Whatever the method of the vectors that ship, stories are judged by pooled directions, whose leave-one-out is exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engine.compute.directions import MIN_NORM
from engine.results import StoryFit

CHUNK = 4096
"""Rows taken to fp64 at a time."""


def leave_one_out(rows: Tensor, member: Tensor) -> Tensor:
    """Cosine of each text with each concept's pooled direction made without that text.

    Leaving text i out of concept k turns its direction into `A - x_i / (n_k - 1)` where i is one of its positives
    and into `A + x_i / (M - n_k - 1)` where it is a negative, with an `A` that does not depend on i; so
    one product of the rows with the sums serves all pairs. Texts are centred on the mean of all of them.

    Args:
        rows: activations of all M texts at one layer, `[M, H]`.
        member: `[M, C]`, true where the text is one of the concept's positives.

    Returns:
        `[M, C]`, fp64; NaN where nothing is left to make a direction from.
    """
    centre = rows.mean(0, dtype=torch.float64)
    total_texts = len(rows)
    weights = member.double()
    counts = weights.sum(0)  # (C,)
    sums = weights.T @ (rows.double() - centre)  # (C, H); the sum over all texts is zero about the centre
    others = total_texts - counts
    inside = sums / (counts - 1)[:, None] + sums / others[:, None]
    outside = sums / counts[:, None] + sums / (others - 1)[:, None]
    scores = torch.empty(total_texts, len(counts), dtype=torch.float64, device=rows.device)
    for start in range(0, total_texts, CHUNK):
        chunk = slice(start, start + CHUNK)
        x = rows[chunk].double() - centre
        scores[chunk] = torch.where(
            member[chunk], _cosines(x, inside, -1 / (counts - 1)), _cosines(x, outside, 1 / (others - 1))
        )
    impossible = (member & (counts == 1)) | (~member & (others == 1)) | (others == 0)
    return scores.masked_fill(impossible, torch.nan)


def _cosines(x: Tensor, fixed: Tensor, share: Tensor) -> Tensor:
    """Cosine of each `x_i` with each `fixed_k + share_k * x_i`: `[n, C]`."""
    squares = x.square().sum(1, keepdim=True)
    products = x @ fixed.T
    dots = products + share * squares
    norms = (fixed.square().sum(1) + 2 * share * products + share.square() * squares).clamp_min(MIN_NORM**2).sqrt()
    return dots / (norms * squares.clamp_min(MIN_NORM**2).sqrt())


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
    position = {text_id: i for i, text_id in enumerate(text_ids)}
    member = torch.zeros(len(text_ids), len(positives), dtype=torch.bool)
    for c, own in enumerate(positives.values()):
        member[[position[text_id] for text_id in own], c] = True
    return member


def story_fits(
    rows: Tensor,
    member: Tensor,
    text_ids: Sequence[str],
    positives: Mapping[str, Sequence[str]],
    alignments: Sequence[Sequence[float]],
) -> list[StoryFit]:
    """Every (text, concept) pair's fit at one layer.

    Args:
        rows: activations of all M texts, `[M, H]`.
        member: `membership` of these texts, `[M, C]`.
        text_ids: their ids.
        positives: the C concepts' texts.
        alignments: per concept, its texts' alignments.
    """
    scores = leave_one_out(rows, member)
    best = dict(zip(text_ids, rivals(scores, member, list(positives)), strict=True))
    own = dict(zip(text_ids, scores.cpu().numpy(), strict=True))
    return [
        StoryFit(
            text_id=text_id,
            concept=concept,
            alignment=alignment,
            own=None if math.isnan(own[text_id][c]) else float(own[text_id][c]),
            rival=best[text_id][0],
            rival_score=best[text_id][1],
        )
        for c, concept in enumerate(positives)
        for text_id, alignment in zip(positives[concept], alignments[c], strict=True)
    ]
