"""A linear discriminant that scores every story without the story's whole group, in closed form.

Notation: rows `x_i` about the weighted mean, weights `w_i`, `r_i = √w_i`, concepts' weighted counts `n_c` and means
`m_c`, residuals `v_i = r_i (x_i - m_{y_i})`, scatter within concepts `S = VᵀV`. The metric is `(S + ρI)⁻¹` with
`ρ = λ tr S / H`; in the coordinates of a `Metric` it is the identity.

Left out, a group g of b stories takes its weight from the counts, `nl_c = n_c - Σ w_i`, and its rows from the means,
`m'_c = m_c - Σ D_ic v_i` with `D_ic = [y_i = c] r_i / nl_c`. The scatter becomes `S - V_gᵀ A V_g` with
`A = I + [y_i = y_j] r_i r_j / nl_{y_i}`, whose inverse is `I - [y_i = y_j] r_i r_j / n_{y_i}`. By Woodbury the metric
without the group is `I + V_gᵀ K V_g` with `K = (A⁻¹ - V_g V_gᵀ)⁻¹`. ρ and the degrees of freedom stay those of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from engine.compute.statistics.eigen import eigh
from engine.compute.statistics.evidence.spaces import median

NOTHING_LEFT = 1e-6
"""A concept with less weight than this is not there."""
FIRM = 2.5
"""A concept of fewer stories is no alternative: its density is so broad that it would draw every odd text."""
FIRM_SHARE = 0.6
"""Nor is one of less than this share of the usual concept, where that is fewer."""
SMALLEST_RIDGE = 1e-12
INVERSE_RIDGE = 1e-9
NEVER = -1e9
"""The log score of a concept that cannot be scored."""


@dataclass(frozen=True)
class Spanned:
    """Placed rows `[N, K]` in coordinates of their own span, where they are fewer than their dimensions."""

    rows: Tensor
    """`[N, min(N, K)]`."""
    span: Tensor | None
    """`[K, N]`, orthonormal columns; None where the rows are as they were."""

    @classmethod
    def of(cls, placed: Tensor) -> Spanned:
        """Nothing is lost: means and scatter lie in the span, whatever the weights."""
        if len(placed) > placed.shape[1]:
            return cls(placed, None)
        span = torch.linalg.qr(placed.T).Q
        return cls(placed @ span, span)

    def from_span(self, vectors: Tensor) -> Tensor:
        """Vectors `[..., min(N, K)]` of the span in placed coordinates, `[..., K]`."""
        return vectors if self.span is None else vectors @ self.span.T


@dataclass(frozen=True)
class Leaving:
    """G groups of b stories each, and what leaving them out does to counts and means."""

    stories: Tensor
    """`[G, b]`."""
    concepts: Tensor
    """`[G, b]`."""
    roots: Tensor
    """`r_i`: `[G, b]`."""
    residuals: Tensor
    """`v_i`, in eigencoordinates: `[G, b, k]`."""
    shares: Tensor
    """D: `[G, b, C]`."""
    inverse: Tensor
    """A⁻¹: `[G, b, b]`."""
    left: Tensor
    """Weight of each concept without the group, NaN where nothing is left: `[G, C]`."""

    @classmethod
    def of(cls, stories: Tensor, concepts: Tensor, weights: Tensor, counts: Tensor, residuals: Tensor) -> Leaving:
        """From the groups' stories `[G, b]`, concepts' counts `[C]`, and what is known of all stories."""
        own, gone = concepts[stories], weights[stories]
        roots = gone.sqrt()
        member = one_hot(own, len(counts)).to(gone)
        left = counts - (member * gone[:, :, None]).sum(1)
        left = torch.where(left > NOTHING_LEFT, left, torch.nan)
        shares = (member * (roots[:, :, None] / left[:, None])).nan_to_num(0.0)
        together = (own[:, :, None] == own[:, None]) * roots[:, :, None] * roots[:, None]
        identity = torch.eye(stories.shape[1], dtype=gone.dtype, device=gone.device)
        inverse = identity - together / counts[own][:, :, None]
        return cls(stories, own, roots, residuals[stories], shares, inverse, left)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """G groups of b stories in a metric: what corrects inner products for their absence."""

    leaving: Leaving
    v: Tensor
    """`[G, b, k]`."""
    vv: Tensor
    """`[G, b, b]`."""
    vm: Tensor
    """With the means of all stories: `[G, b, C]`."""
    vm_left: Tensor
    """With the means without the group: `[G, b, C]`."""
    k: Tensor
    """K: `[G, b, b]`."""


@dataclass(frozen=True)
class Products:
    """Inner products of q rows beside each of G groups, in the metric of all stories."""

    zz: Tensor
    """`z'z`: `[G, q]`."""
    zm: Tensor
    """`z'm_c`: `[G, q, C]`."""
    vz: Tensor
    """With the group's residuals: `[G, b, q]`."""


class Parts(NamedTuple):
    """What scores are made of, in the metric without a story's group; n stories in any shape."""

    zz: Tensor
    """`z'z`: `[..., n, 1]`."""
    zm: Tensor
    """`z'm_c`: `[..., n, C]`."""
    mm: Tensor
    """`m_c'm_c`: `[..., n, C]`."""
    left: Tensor
    """Weight of each concept without the group, NaN where nothing is left: `[..., n, C]`."""

    def scores(self, metric: Metric, priors: Tensor, own: Tensor) -> Tensor:
        """Log predictive densities up to a constant per story, for each prior: `[P, n, C]`, from parts of `[n, ...]`.

        A concept's mean is known from the stories that are left and from a prior worth `a` stories at the corpus's
        mean. Concepts much smaller than the others are scored for their own stories only, `own` `[n]`.
        """
        a = priors[:, None, None]
        pull, width = self.left / (self.left + a), 1 / (self.left + a)
        squares = (self.zz - 2 * pull * self.zm + pull.square() * self.mm) * metric.freedom / (1 + width)
        scores = -(squares + metric.used * width.log1p()) / 2
        scores = torch.where(scores.isfinite(), scores, NEVER)
        is_own = one_hot(own, scores.shape[2]).bool()
        is_small = self.left.nan_to_num(0.0) < metric.smallest
        return scores.masked_fill(is_small & ~is_own, NEVER)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A discriminant at one shrinkage, in coordinates in which the metric is the identity."""

    means: Tensor
    """`[C, k]`."""
    factors: Tensor
    """What takes eigencoordinates to these, `[k]`."""
    ridge: Tensor
    """ρ, a scalar."""
    used: Tensor
    """Degrees of freedom of the metric, `Σ e / (e + ρ)`, a scalar."""
    freedom: float
    """Of the scatter: the sum of weights less the number of concepts."""
    smallest: Tensor
    """The weight below which a concept is no alternative, a scalar."""

    def beside(self, leaving: Leaving) -> Beside:
        """The groups' residuals in this metric, and K."""
        v = leaving.residuals * self.factors
        vv, vm = v @ v.mT, v @ self.means.T
        identity = torch.eye(vv.shape[1], dtype=vv.dtype, device=vv.device)
        k: Tensor = torch.linalg.inv(leaving.inverse - vv + INVERSE_RIDGE * identity)
        return Beside(leaving=leaving, v=v, vv=vv, vm=vm, vm_left=vm - vv @ leaving.shares, k=k)

    def own_products(self, beside: Beside) -> Products:
        """Those of the groups' own stories, from `z_i = v_i / r_i + m_{y_i}`: no further pass over rows."""
        gram, own, roots = self.means @ self.means.T, beside.leaving.concepts, beside.leaving.roots
        vm_own = beside.vm.gather(2, own[:, None].expand_as(beside.vv))  # v_i'm_{y_j}
        zz = beside.vv.diagonal(dim1=1, dim2=2) / roots.square() + 2 * vm_own.diagonal(dim1=1, dim2=2) / roots
        return Products(
            zz=zz + gram.diagonal()[own],
            zm=beside.vm / roots[:, :, None] + gram[own],
            vz=beside.vv / roots[:, None] + vm_own,
        )

    def products(self, beside: Beside, z: Tensor) -> Products:
        """Those of any rows `z` `[G, q, k]`."""
        return Products(zz=z.square().sum(2), zm=z @ self.means.T, vz=beside.v @ z.mT)

    def parts(self, beside: Beside, of: Products) -> Parts:
        """Parts of rows, without the groups."""
        shares = beside.leaving.shares
        k_vm = beside.k @ beside.vm_left
        mm = self.means.square().sum(1) - (shares * (beside.vm + beside.vm_left)).sum(1)
        mm = mm + (beside.vm_left * k_vm).sum(1)
        return Parts(
            zz=(of.zz + (of.vz * (beside.k @ of.vz)).sum(1))[:, :, None],
            zm=of.zm + of.vz.mT @ (k_vm - shares),
            mm=mm[:, None].expand_as(of.zm),
            left=beside.leaving.left[:, None].expand_as(of.zm),
        )


@dataclass(frozen=True, kw_only=True)
class Discriminant:
    """One layer under given weights. Rows are about the weighted mean, in eigencoordinates of the scatter."""

    residuals: Tensor
    """`v_i`: `[N, k]`, fp64."""
    means: Tensor
    """`[C, k]`."""
    counts: Tensor
    """Weight of each concept: `[C]`."""
    eigenvalues: Tensor
    """Of the scatter: `[k]`."""
    basis: Tensor
    """What takes placed rows less `centre` to eigencoordinates: `[K, k]`."""
    centre: Tensor
    """The weighted mean: `[K]`."""
    hidden: int
    """H, by which the trace is divided."""
    concepts: Tensor
    """`[N]`."""
    weights: Tensor
    """`[N]`."""
    leavings: list[Leaving]
    """All groups, by size."""
    smallest: Tensor
    """See `Metric`."""

    def at(self, shrinkage: float) -> Metric:
        """The metric at one λ."""
        ridge = (shrinkage * self.eigenvalues.sum() / self.hidden).clamp_min(SMALLEST_RIDGE)
        factors = (self.eigenvalues + ridge).rsqrt()
        return Metric(
            means=self.means * factors,
            factors=factors,
            ridge=ridge,
            used=(self.eigenvalues / (self.eigenvalues + ridge)).sum(),
            freedom=max(float(self.counts.sum()) - len(self.counts), 1.0),
            smallest=self.smallest,
        )

    def parts(self, metric: Metric) -> Parts:
        """Of all stories, each without its own group: `[N, ...]`."""
        n, c = len(self.weights), len(self.counts)
        parts = Parts(*(self.weights.new_empty(n, width) for width in (1, c, c, c)))
        for leaving in self.leavings:
            beside = metric.beside(leaving)
            of_groups = metric.parts(beside, metric.own_products(beside))
            for all_stories, grouped in zip(parts, of_groups, strict=True):
                all_stories[leaving.stories] = grouped
        return parts

    def leaving(self, stories: Tensor) -> Leaving:
        """One group, `[b]`, left out of this discriminant; it may be empty."""
        return Leaving.of(stories[None], self.concepts, self.weights, self.counts, self.residuals)

    def parts_of(self, metric: Metric, leaving: Leaving, placed: Tensor) -> Parts:
        """Of rows `[n, K]` that need not be among the stories, without the one group: `[n, ...]`.

        What a row has outside the span of the stories adds alike to all concepts' distances.
        """
        centred = placed - self.centre
        coordinates = centred @ self.basis
        beside = metric.beside(leaving)
        products = metric.products(beside, (coordinates * metric.factors)[None])
        zz, *others = (part[0] for part in metric.parts(beside, products))
        if self.basis.shape[1] < self.basis.shape[0]:
            outside = (centred.square().sum(1) - coordinates.square().sum(1)).clamp_min(0)
            zz = zz + (outside / metric.ridge)[:, None]
        return Parts(zz, *others)


def discriminant(
    placed: Spanned, concepts: Tensor, n_concepts: int, weights: Tensor, groups: list[Tensor], hidden: int
) -> Discriminant:
    """Decompose the scatter within concepts of placed rows."""
    counts = torch.zeros(n_concepts, dtype=weights.dtype, device=weights.device).index_add_(0, concepts, weights)
    centre = weights @ placed.rows / weights.sum()
    rows = placed.rows - centre
    sums = torch.zeros(n_concepts, rows.shape[1], dtype=rows.dtype, device=rows.device)
    means = sums.index_add_(0, concepts, rows * weights[:, None]) / counts.clamp_min(1e-9)[:, None]
    residuals = (rows - means[concepts]) * weights.sqrt()[:, None]
    eigenvalues, vectors = eigh(residuals.T @ residuals)
    residuals = residuals @ vectors
    leavings = [Leaving.of(group, concepts, weights, counts, residuals) for group in groups]
    left = torch.cat([leaving.left.expand(leaving.stories.shape[1], -1, -1).flatten() for leaving in leavings])
    there = left[~left.isnan()]
    usual = median(there) if len(there) else left.new_tensor(torch.inf)
    return Discriminant(
        residuals=residuals,
        means=means @ vectors,
        counts=counts,
        eigenvalues=eigenvalues.clamp_min(0),
        basis=placed.from_span(vectors.T).T,
        centre=placed.from_span(centre),
        hidden=hidden,
        concepts=concepts,
        weights=weights,
        leavings=leavings,
        smallest=(FIRM_SHARE * usual).clamp_max(FIRM),
    )
