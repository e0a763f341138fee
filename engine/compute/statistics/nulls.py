"""What R² and the first-PC ratio come to where labels mean nothing: the same texts with the labels dealt out anew.

R² nears 1 for every concept of a balanced corpus without baselines, whose directions sum to zero, and the first-PC
ratio is mostly a matter of how many stories there are. So both say something only where they differ from what shuffled
labels give.
"""

from __future__ import annotations

from bisect import bisect_left

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.eigen import eigvalsh
from engine.compute.statistics.quality import RIDGE
from engine.results import ConceptNulls, Null

SEED = 0
SHUFFLES = 40
SIZES = (*range(1, 17), 32, 64, 128)
"""Sizes of groups whose first-PC ratios are drawn; between these the ratio is close to linear in 1/n."""
MIN_DRAWN = 64
"""Texts drawn per shuffle (all, if there are fewer), to be cut into groups: a shuffle gives several small groups."""
ENOUGH_R_SQUARES = 4000
"""Values of R² that suffice; a shuffle gives one per concept."""
MIN_INVERTED = 8
"""The fewest shuffles that give R²; each takes the inverse of a `C x C` matrix."""
BATCH = 2**22
"""Values gathered at a time."""
ROUNDING = 1e-6
"""Texts coincide where the squares of their differences are at most this share of their own squares: fp32 noise."""


def nulls(rows: Tensor, member: Tensor, *, with_r_squared: bool = True) -> list[ConceptNulls]:
    """Each concept's nulls at one layer, from 40 shuffles of which text, baselines included, carries which labels.

    Concepts of one size share their nulls, so quantiles rest on at least 40 values, mostly on many more. In the worst
    case, where all values of a shuffle are equal, the 5 % quantile lies between the true 1.5 % and 17 % quantiles.

    Args:
        rows: activations of all M texts, `[M, H]`; the shuffles depend on their order, so it should stay the same.
        member: `[M, C]`, true where the text is one of the concept's positives; no concept has none or all.
        with_r_squared: whether to draw R². Shuffled directions are pooled, so R² of other directions has no null here.
    """
    counts = member.sum(0).tolist()
    largest = max(_sizes(max(counts), len(rows)))
    n_drawn = min(len(rows), max(largest, MIN_DRAWN))
    centred = rows - rows.mean(0)
    centred -= centred.mean(0)  # rounding of the mean leaves a rest, which sums over many texts would gather
    positives = member.T.nonzero()[:, 1]  # concept by concept, the texts that carry it
    generator = torch.Generator().manual_seed(SEED)
    orders = torch.stack([torch.randperm(len(rows), generator=generator) for _ in range(SHUFFLES)]).to(rows.device)
    n_inverted = min(SHUFFLES, max(MIN_INVERTED, ENOUGH_R_SQUARES // len(counts))) if with_r_squared else 0
    r_squares, grams = [], []
    batch_size = max(1, BATCH // (max(len(counts), n_drawn) * rows.shape[1]))
    for start in range(0, SHUFFLES, batch_size):
        batch_orders = orders[start : start + batch_size]
        if start < n_inverted:
            directions = _directions(centred, batch_orders[: n_inverted - start, positives], counts)
            r_squares.append(r_squared((directions @ directions.mT).double()))
        groups = centred[batch_orders[:, :n_drawn]]
        grams.append((groups @ groups.mT).double())
    return _by_concept(counts, torch.cat(r_squares).cpu() if r_squares else None, torch.cat(grams).cpu(), len(rows))


def _directions(centred: Tensor, positives: Tensor, counts: list[int]) -> Tensor:
    """Directions `[S, C, H]` of concepts whose texts `positives` `[S, sum of counts]` lists, concept by concept.

    All of `centred` sums to zero, so a concept's sum alone has the direction of `mean(P_c) - mean(N_c)`.
    """
    sizes = torch.tensor(counts * len(positives), device=centred.device)
    sums = embedding_bag(positives.flatten(), centred, sizes.cumsum(0) - sizes, mode="sum")
    return normalise(sums.reshape(len(positives), len(counts), -1))


def r_squared(gram: Tensor) -> Tensor:
    """`linear_combinations`' R² of each direction on all the others, from their Gram matrices `[S, C, C]`: `[S, C]`.

    With `K = G + λI` and `Q = K⁻¹`, what is left of direction c has the square `(Q_cc - λ|Q_c|²) / Q_cc²`.
    """
    inverse = torch.linalg.inv(gram + RIDGE * torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device))
    own = inverse.diagonal(dim1=1, dim2=2)
    left = (own - RIDGE * inverse.square().sum(1)) / own.square()
    values: Tensor = 1 - left / gram.diagonal(dim1=1, dim2=2).clamp_min(1e-12)
    return values


def _by_concept(counts: list[int], r_squares: Tensor | None, grams: Tensor, n_texts: int) -> list[ConceptNulls]:
    """Nulls from what S shuffles gave: R² `[S, C]`, and the Gram matrices `[S, K, K]` of K random texts each."""
    sizes = torch.tensor(counts)
    first_pc_nulls: dict[int, Null] = {}
    by_count: dict[int, ConceptNulls] = {}
    for count in sorted(set(counts)):
        drawn_sizes = _sizes(count, n_texts)
        for size in drawn_sizes:
            if size not in first_pc_nulls:
                first_pc_nulls[size] = _null(_first_pc_ratios(grams, size))
        by_count[count] = ConceptNulls(
            r_squared=None if r_squares is None else _null(r_squares[:, sizes == count].flatten()),
            first_pc=_between({size: first_pc_nulls[size] for size in drawn_sizes}, count),
        )
    return [by_count[count] for count in counts]


def _sizes(count: int, n_texts: int) -> list[int]:
    """The sizes to draw for groups of `count` texts: `count` itself, or the two to infer it from."""
    possible = [size for size in SIZES if size <= n_texts]
    index = bisect_left(possible, count)
    if possible[index : index + 1] == [count]:
        return [count]
    index = min(index, len(possible) - 1)
    return possible[index - 1 : index + 1]


def _between(drawn: dict[int, Null], count: int) -> Null:
    """The null of groups of `count` texts, from those of one or two sizes, linear in 1/n.

    Above the largest size the mean follows the same line, and its distances to the quantiles stay those of that size.
    """
    if count in drawn:
        return drawn[count]
    (small, at_small), (large, at_large) = sorted(drawn.items())
    share = (1 / count - 1 / large) / (1 / small - 1 / large)  # 1 at the small size, 0 at the large, below 0 beyond
    inside = max(share, 0.0)
    mean = at_large.mean + share * (at_small.mean - at_large.mean)
    below = (at_large.mean - at_large.low) + inside * ((at_small.mean - at_small.low) - (at_large.mean - at_large.low))
    above = (at_large.high - at_large.mean) + inside * (
        (at_small.high - at_small.mean) - (at_large.high - at_large.mean)
    )
    return Null(low=mean - below, mean=mean, high=mean + above)


def _null(values: Tensor) -> Null:
    low, high = values.quantile(torch.tensor([0.05, 0.95], dtype=values.dtype)).tolist()
    return Null(low=low, mean=float(values.mean()), high=high)


def _first_pc_ratios(grams: Tensor, size: int) -> Tensor:
    """The first-PC ratio of each group of `size` texts that the Gram matrices `[S, K, K]` can be cut into."""
    groups = grams.shape[1] // size
    tiles = grams[:, : groups * size, : groups * size].reshape(-1, groups, size, groups, size)
    gram = tiles.diagonal(dim1=1, dim2=3).movedim(3, 1).flatten(0, 1)  # (S * groups, size, size)
    centred = gram - gram.mean(1, keepdim=True) - gram.mean(2, keepdim=True) + gram.mean((1, 2), keepdim=True)
    total = centred.diagonal(dim1=1, dim2=2).sum(1)
    coincide = total <= ROUNDING * gram.diagonal(dim1=1, dim2=2).sum(1)
    ratios = eigvalsh(centred)[:, -1] / total.masked_fill(coincide, 1)
    masked: Tensor = ratios.masked_fill(coincide, 1.0)
    return masked
