"""Two concepts that are too alike: which stories pull them together, and what the one has that the others lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.directions import MIN_NORM
from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.aurocs import Auroc, auroc_with_interval
from engine.compute.statistics.evidence.judging import State
from engine.compute.statistics.evidence.readouts import SHRINKAGE
from engine.compute.statistics.evidence.spaces import WIDE_FROM

RIDGE = 1e-9


def pulls(rows: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """How much closer two concepts' pooled directions are because a text is there, for each text: `[M]`.

    It is their cosine less that of the directions made without the text: above zero, the text pulls the two together.
    A direction is the mean of a concept's texts less the mean of all other texts, baselines included. Without text i it
    is `A S_c + B S + C x_i`, so all cosines follow from products with the two sums and the total.

    Args:
        rows: activations of all texts at one layer, `[M, H]`.
        first: whether each is a positive of the one, `[M]`, bool.
        second: of the other.

    Returns:
        fp64; NaN where one of the concepts, or its negatives, would have no text left.
    """
    x = rows.double()
    x = x - x.mean(0)  # a direction does not depend on the origin, and rounding does
    basis = torch.stack([x[first].sum(0), x[second].sum(0), x.sum(0)])
    products = torch.cat([basis @ basis.T, x @ basis.T])
    gram = torch.zeros(len(x), 4, 4, dtype=x.dtype, device=x.device)
    gram[:, :3, :3] = products[:3]
    gram[:, :3, 3] = gram[:, 3, :3] = products[3:]
    gram[:, 3, 3] = x.square().sum(1)
    with_all = _cosines(
        gram, *(_combination(i, member, torch.zeros_like(x[:, 0])) for i, member in _two(first, second))
    )
    without = _cosines(gram, *(_combination(i, member, torch.ones_like(x[:, 0])) for i, member in _two(first, second)))
    return with_all - without


def _two(first: Tensor, second: Tensor) -> Sequence[tuple[int, Tensor]]:
    return (0, first), (1, second)


def _combination(place: int, member: Tensor, gone: Tensor) -> Tensor:
    """A direction as a mix of both sums, the total and the text itself, `[M, 4]`; `gone` is 1 to leave the text out."""
    inside, outside = gone * member, gone * ~member
    n = int(member.sum())
    of_own, of_others = 1 / (n - inside), 1 / (len(member) - n - outside)
    mix = torch.zeros(len(member), 4, dtype=gone.dtype, device=gone.device)
    mix[:, place] = of_own + of_others
    mix[:, 2] = -of_others
    mix[:, 3] = outside * of_others - inside * of_own
    return mix


def _cosines(gram: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Of two mixes `[M, 4]` in the inner product `[M, 4, 4]`: `[M]`, NaN where one has no texts."""

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
def own_part(state: State, concept: int, others: Sequence[int]) -> OwnPart | None:
    """Look for what a redundant concept lacks: its mean less the best mix of a few others' means, in the metric.

    The mix is chosen without the scenario of the story that is read. All other concepts together would not do: where
    every story has one concept, the means of all sum to zero, and each is a mix of the rest.

    Args:
        others: the concepts that explain it most, at least one.

    Returns:
        None where nothing can be told.
    """
    if state.reading is None:
        return None
    made = state.reading.middle.discriminant
    metric = made.at(SHRINKAGE)
    chosen = torch.tensor([concept, *others], device=made.weights.device)
    carried = torch.full_like(made.weights, torch.nan)
    for leaving in made.leavings:
        beside = metric.beside(leaving)
        parts = metric.parts(beside, metric.own_products(beside))
        shares, vm, vm_left = (full[:, :, chosen] for full in (leaving.shares, beside.vm, beside.vm_left))
        plain = metric.means[chosen] @ metric.means[chosen].T
        gram = plain - shares.mT @ vm - vm_left.mT @ shares + vm_left.mT @ beside.k @ vm_left
        mix = _mixes(gram)
        lengths = (mix[:, None] @ gram @ mix[:, :, None])[:, :, 0]
        scores = (parts.zm[:, :, chosen] @ mix[:, :, None])[:, :, 0] / lengths.clamp_min(1e-30)
        nothing = leaving.left[:, chosen].isnan().any(1)
        carried[leaving.stories] = scores.masked_fill(nothing[:, None], torch.nan)
    among = torch.isin(state.stories.concepts, chosen)
    gram = (metric.means[chosen] @ metric.means[chosen].T)[None]
    mix = _mixes(gram)
    return OwnPart(
        share=float((mix @ gram[0] @ mix.T) / gram[0, 0, 0].clamp_min(1e-30)),
        auroc=auroc_with_interval(
            torch.where(among, carried, torch.nan), state.stories.concepts == concept, 1 - state.judgement.misfit
        ),
        carried=carried,
    )


def _mixes(gram: Tensor) -> Tensor:
    """What is left of the first vector beside the others, as a mix of all, `[G, m]` from Gram matrices `[G, m, m]`."""
    of_others = gram[:, 1:, 1:]
    usual = of_others.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-30)
    ridge = RIDGE * usual[:, None, None] * torch.eye(of_others.shape[1], dtype=gram.dtype, device=gram.device)
    explained = torch.linalg.solve(of_others + ridge, gram[:, 1:, :1])[:, :, 0]
    return torch.nn.functional.pad(-explained, (1, 0), value=1.0)
