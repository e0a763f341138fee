"""Two concepts that are too alike: which stories pull them together, and what the one has that the others lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.directions import MIN_NORM, row_sum
from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.aurocs import Auroc, auroc_with_interval
from engine.compute.statistics.evidence.readouts import LeftOut
from engine.compute.statistics.evidence.spaces import WIDE_FROM

RIDGE = 1e-9
ROWS_A_CHUNK = 1024


class Pooled:
    """Concepts' pooled directions: the mean of a concept's texts less the mean of all other texts, baselines included.

    Of texts about their mean, which sum to zero, the direction of a concept without text i is `A S_c + B x_i` with its
    sum `S_c`. So all cosines follow from products of texts and sums, which are made here once for all pairs.

    Args:
        rows: activations of all texts at one layer, `[M, H]`.
        members: whether each is a positive of each concept, `[M, C]`, bool.
    """

    def __init__(self, rows: Tensor, members: Tensor) -> None:
        self._members = members
        self._sizes = members.sum(0)
        mean = row_sum(rows[None])[0] / len(rows)  # a direction does not depend on the origin, and rounding does
        starts = range(0, len(rows), ROWS_A_CHUNK)  # so that no second table of all texts is made
        chunks = [(rows[start : start + ROWS_A_CHUNK], members[start : start + ROWS_A_CHUNK]) for start in starts]
        sums = torch.stack([of.double().T @ (x.double() - mean) for x, of in chunks]).sum(0)
        self._products = torch.cat([(x.double() - mean) @ sums.T for x, _ in chunks])
        self._squares = torch.cat([(x.double() - mean).square().sum(1) for x, _ in chunks])
        self._gram = sums @ sums.T

    @threads_for(WIDE_FROM)
    def pulls(self, first: int, second: int, texts: Tensor) -> Tensor:
        """How much closer two concepts' directions are because a text is there, for each of these texts `[n]`.

        It is their cosine less that of the directions made without the text: above zero, the text pulls the two
        together.

        Returns:
            fp64; NaN where one of the concepts, or its negatives, would have no text left.
        """
        pair = [first, second]
        gram = self._squares.new_empty(len(texts), 3, 3)
        gram[:, :2, :2] = self._gram[pair][:, pair]
        gram[:, :2, 2] = gram[:, 2, :2] = self._products[texts][:, pair]
        gram[:, 2, 2] = self._squares[texts]
        with_all, without = (
            _cosines(gram, *(self._mix(place, concept, texts, gone) for place, concept in enumerate((first, second))))
            for gone in (0.0, 1.0)
        )
        return with_all - without

    def _mix(self, place: int, concept: int, texts: Tensor, gone: float) -> Tensor:
        """A direction as a mix of both sums and the text itself, `[n, 3]`; `gone` is 1 to leave it out."""
        member = self._members[texts, concept].to(self._squares)
        inside, outside = gone * member, gone * (1 - member)
        n = int(self._sizes[concept])
        of_own, of_others = 1 / (n - inside), 1 / (len(self._members) - n - outside)
        mix = self._squares.new_zeros(len(texts), 3)
        mix[:, place] = of_own + of_others
        mix[:, 2] = outside * of_others - inside * of_own
        return mix


def _cosines(gram: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Of two mixes `[n, 3]` in the inner product `[n, 3, 3]`: `[n]`, NaN where one has no texts."""

    def product(a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum("mi,mij,mj->m", a, gram, b)

    lengths = (product(first, first).clamp_min(MIN_NORM**2) * product(second, second).clamp_min(MIN_NORM**2)).sqrt()
    cosines: Tensor = product(first, second) / lengths
    return torch.where(cosines.isfinite(), cosines, torch.nan)


@dataclass(frozen=True, kw_only=True)
class OwnPart:
    """What a concept has that a few others together lack."""

    share: float
    """Of the squared length of its mean, what no mix of the others' means gives: near 0, it has nothing of its own."""
    auroc: Auroc | None
    """How well that alone tells its stories from those of the others, each left out with its scenario."""
    carried: Tensor
    """How much of it each story of the corpus has, in units in which the concept's own mean has 1: `[N]`.

    A concept's stories with little of it say what the others say too. NaN where nothing of the concept is left.
    """


@threads_for(WIDE_FROM)
def own_part(of_all: LeftOut, concept: int, others: Sequence[int]) -> OwnPart:
    """Look for what a redundant concept lacks: its mean less the best mix of a few others' means, in the metric.

    The mix is chosen without the scenario of the story that is read. All other concepts together would not do: where
    every story has one concept, the means of all sum to zero, and each is a mix of the rest.

    Args:
        others: the concepts that explain it most, at least one.
    """
    means = of_all.metric.means
    chosen = torch.tensor([concept, *others], device=means.device)
    plain = means[chosen] @ means[chosen].T
    carried = torch.full_like(of_all.fits, torch.nan)
    for beside, _, parts in of_all.groups:
        leaving = beside.leaving
        shares, vm, vm_left = (full[:, :, chosen] for full in (leaving.shares, beside.vm, beside.vm_left))
        gram = plain - shares.mT @ vm - vm_left.mT @ shares + vm_left.mT @ beside.k @ vm_left
        mix = _mixes(gram)
        lengths = (mix[:, None] @ gram @ mix[:, :, None])[:, :, 0]
        scores = (parts.zm[:, :, chosen] @ mix[:, :, None])[:, :, 0] / lengths.clamp_min(1e-30)
        nothing = leaving.left[:, chosen].isnan().any(1)
        carried[leaving.stories] = scores.masked_fill(nothing[:, None], torch.nan)
    among = torch.isin(of_all.concepts, chosen)
    mix = _mixes(plain[None])
    return OwnPart(
        share=float((mix @ plain @ mix.T) / plain[0, 0].clamp_min(1e-30)),
        auroc=auroc_with_interval(torch.where(among, carried, torch.nan), of_all.concepts == concept, of_all.fits),
        carried=carried,
    )


def _mixes(gram: Tensor) -> Tensor:
    """What is left of the first vector beside the others, as a mix of all, `[G, m]` from Gram matrices `[G, m, m]`."""
    of_others = gram[:, 1:, 1:]
    usual = of_others.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-30)
    ridge = RIDGE * usual[:, None, None] * torch.eye(of_others.shape[1], dtype=gram.dtype, device=gram.device)
    explained = torch.linalg.solve(of_others + ridge, gram[:, 1:, :1])[:, :, 0]
    return torch.nn.functional.pad(-explained, (1, 0), value=1.0)
