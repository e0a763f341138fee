"""What R² and the first-PC ratio come to where labels mean nothing: the same texts with the labels dealt out anew.

R² nears 1 for every concept of a balanced corpus without baselines, whose directions sum to zero, and the first-PC
ratio is mostly a matter of how many stories there are. So these say something only beyond what shuffled labels give.
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
"""Sizes of group for which first-PC ratios are drawn; between these the ratio is close to linear in 1/n."""
AT_LEAST_DRAWN = 64
"""Texts drawn per shuffle, as far as there are so many, to be cut into groups: small groups come in numbers."""
R_SQUARES = 4000
FEWEST = 8
"""Values of R² that are enough, a shuffle giving one a concept, and the fewest shuffles: each takes the inverse of a
`C x C` matrix."""
BATCH = 2**22
"""Values gathered at a time."""
ROUNDING = 1e-6
"""Texts coincide where the squares of their differences are no more than this share of their own: fp32's noise."""


def nulls(rows: Tensor, member: Tensor, *, with_r_squared: bool = True) -> list[ConceptNulls]:
    """Each concept's nulls at one layer, from 40 shuffles of which text, baselines included, carries which labels.

    Concepts of one size share theirs, so quantiles rest on at least 40 values, mostly on many more. What they are worth
    at the least, where all values of a shuffle say the same: the 5 % one lies between the true 1.5 % and 17 %.

    Args:
        rows: activations of all M texts, `[M, H]`; the order matters to the shuffles, so let it be one that stays.
        member: `[M, C]`, true where the text is one of the concept's positives; no concept has none or all.
        with_r_squared: shuffles are pooled into means, so R² of directions made otherwise has no null here.
    """
    counts = member.sum(0).tolist()
    largest = max(_sizes(max(counts), len(rows)))
    drawn = min(len(rows), max(largest, AT_LEAST_DRAWN))
    centred = rows - rows.mean(0)
    centred -= centred.mean(0)  # what rounding the mean has left, which sums over many texts would gather
    holders = member.T.nonzero()[:, 1]  # concept by concept, the texts that carry it
    generator = torch.Generator().manual_seed(SEED)
    orders = torch.stack([torch.randperm(len(rows), generator=generator) for _ in range(SHUFFLES)]).to(rows.device)
    inverted = min(SHUFFLES, max(FEWEST, R_SQUARES // len(counts))) if with_r_squared else 0
    r_squares, grams = [], []
    batch = max(1, BATCH // (max(len(counts), drawn) * rows.shape[1]))
    for start in range(0, SHUFFLES, batch):
        some = orders[start : start + batch]
        if start < inverted:
            directions = _directions(centred, some[: inverted - start, holders], counts)
            r_squares.append(r_squared((directions @ directions.mT).double()))
        groups = centred[some[:, :drawn]]
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
    found: Tensor = 1 - left / gram.diagonal(dim1=1, dim2=2).clamp_min(1e-12)
    return found


def _by_concept(counts: list[int], r_squares: Tensor | None, grams: Tensor, n_texts: int) -> list[ConceptNulls]:
    """Nulls from what S shuffles gave: R² `[S, C]`, and the Gram matrices `[S, K, K]` of K random texts each."""
    sizes = torch.tensor(counts)
    drawn: dict[int, Null] = {}
    found: dict[int, ConceptNulls] = {}
    for count in sorted(set(counts)):
        around = _sizes(count, n_texts)
        for size in around:
            if size not in drawn:
                drawn[size] = _null(_first_pc_ratios(grams, size))
        found[count] = ConceptNulls(
            r_squared=None if r_squares is None else _null(r_squares[:, sizes == count].flatten()),
            first_pc=_between({size: drawn[size] for size in around}, count),
        )
    return [found[count] for count in counts]


def _sizes(count: int, n_texts: int) -> list[int]:
    """The sizes to draw for groups of `count` texts: that one, or the two to infer it from."""
    possible = [size for size in SIZES if size <= n_texts]
    place = bisect_left(possible, count)
    if possible[place : place + 1] == [count]:
        return [count]
    place = min(place, len(possible) - 1)
    return possible[place - 1 : place + 1]


def _between(drawn: dict[int, Null], count: int) -> Null:
    """The null of groups of `count` texts from those of one or two sizes, in 1/n.

    Above the largest size the mean goes on along the line, and its distances to the quantiles stay as they are there.
    """
    if count in drawn:
        return drawn[count]
    (small, a), (large, b) = sorted(drawn.items())
    share = (1 / count - 1 / large) / (1 / small - 1 / large)  # 1 at the small size, 0 at the large, below 0 beyond
    inside = max(share, 0.0)
    mean = b.mean + share * (a.mean - b.mean)
    below = (b.mean - b.low) + inside * ((a.mean - a.low) - (b.mean - b.low))
    above = (b.high - b.mean) + inside * ((a.high - a.mean) - (b.high - b.mean))
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
    found: Tensor = ratios.masked_fill(coincide, 1.0)
    return found
