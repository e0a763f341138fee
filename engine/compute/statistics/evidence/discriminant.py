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

import torch
from torch import Tensor

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
class Leaving:
    """G groups of b stories each, and what leaving them out does to counts and means."""

    stories: Tensor
    """`[G, b]`."""
    shares: Tensor
    """D: `[G, b, C]`."""
    inverse: Tensor
    """A⁻¹: `[G, b, b]`."""
    left: Tensor
    """Weight of each concept without the group, NaN where nothing is left: `[G, C]`."""

    @classmethod
    def of(cls, stories: Tensor, concepts: Tensor, weights: Tensor, counts: Tensor) -> Leaving:
        """From the groups' stories `[G, b]`, all stories' concepts and weights, and concepts' counts `[C]`."""
        own, gone = concepts[stories], weights[stories]
        roots = gone.sqrt()
        member = torch.nn.functional.one_hot(own, len(counts)).to(gone)
        left = counts - (member * gone[:, :, None]).sum(1)
        left = torch.where(left > NOTHING_LEFT, left, torch.nan)
        shares = (member * (roots[:, :, None] / left[:, None])).nan_to_num(0.0)
        together = (own[:, :, None] == own[:, None]) * roots[:, :, None] * roots[:, None]
        identity = torch.eye(stories.shape[1], dtype=gone.dtype, device=gone.device)
        return cls(stories, shares, identity - together / counts[own][:, :, None], left)


@dataclass(frozen=True)
class Parts:
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
        is_own = torch.nn.functional.one_hot(own, scores.shape[2]).bool()
        is_small = self.left.nan_to_num(0.0) < metric.smallest
        return scores.masked_fill(is_small & ~is_own, NEVER)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A discriminant at one shrinkage, in coordinates in which the metric is the identity."""

    z: Tensor
    """`[N, k]`."""
    v: Tensor
    """`[N, k]`."""
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

    def correction(self, leaving: Leaving) -> Tensor:
        """K: `[G, b, b]`."""
        v = self.v[leaving.stories]
        identity = torch.eye(v.shape[1], dtype=v.dtype, device=v.device)
        inverse: Tensor = torch.linalg.inv(leaving.inverse - v @ v.mT + INVERSE_RIDGE * identity)
        return inverse

    def without(self, leaving: Leaving, z: Tensor) -> Parts:
        """Parts of rows `z` `[G, q, k]` (any rows, the groups' own or others), each without its group."""
        v, shares, k = self.v[leaving.stories], leaving.shares, self.correction(leaving)
        vm = v @ self.means.T
        vv_shares = (v @ v.mT) @ shares
        vm_left = vm - vv_shares
        vz = v @ z.mT
        k_vm = k @ vm_left
        mm = self.means.square().sum(1) - 2 * (shares * vm).sum(1) + (shares * vv_shares).sum(1)
        mm = mm + (vm_left * k_vm).sum(1)
        shape = (len(z), z.shape[1], len(self.means))
        return Parts(
            zz=(z.square().sum(2) + (vz * (k @ vz)).sum(1))[:, :, None],
            zm=z @ self.means.T + vz.mT @ (k_vm - shares),
            mm=mm[:, None].expand(shape),
            left=leaving.left[:, None].expand(shape),
        )


@dataclass(frozen=True, kw_only=True)
class Discriminant:
    """One layer under given weights."""

    rows: Tensor
    """About the weighted mean, in eigencoordinates of the scatter: `[N, k]`, fp64."""
    residuals: Tensor
    """`v_i`: `[N, k]`."""
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
    smallest: Tensor
    """See `Metric`."""

    def at(self, shrinkage: float) -> Metric:
        """The metric at one λ."""
        ridge = (shrinkage * self.eigenvalues.sum() / self.hidden).clamp_min(SMALLEST_RIDGE)
        factors = (self.eigenvalues + ridge).rsqrt()
        return Metric(
            z=self.rows * factors,
            v=self.residuals * factors,
            means=self.means * factors,
            factors=factors,
            ridge=ridge,
            used=(self.eigenvalues / (self.eigenvalues + ridge)).sum(),
            freedom=max(float(self.counts.sum()) - len(self.counts), 1.0),
            smallest=self.smallest,
        )

    def parts(self, metric: Metric) -> Parts:
        """Of all stories, each without its own group: `[N, ...]`."""
        n, c = len(metric.z), len(self.counts)
        zz, zm, mm, left = (metric.z.new_empty(n, width) for width in (1, c, c, c))
        for leaving in self.leavings:
            of_groups = metric.without(leaving, metric.z[leaving.stories])
            zz[leaving.stories], zm[leaving.stories] = of_groups.zz, of_groups.zm
            mm[leaving.stories], left[leaving.stories] = of_groups.mm, of_groups.left
        return Parts(zz, zm, mm, left)

    def leaving(self, stories: Tensor) -> Leaving:
        """One group, `[b]`, left out of this discriminant; it may be empty."""
        return Leaving.of(stories[None], self.concepts, self.weights, self.counts)

    def parts_of(self, metric: Metric, leaving: Leaving, placed: Tensor) -> Parts:
        """Of rows `[n, K]` that need not be among the stories, without the one group: `[n, ...]`.

        What a row has outside the span of the stories adds alike to all concepts' distances.
        """
        centred = placed - self.centre
        coordinates = centred @ self.basis
        parts = metric.without(leaving, (coordinates * metric.factors)[None])
        zz = parts.zz[0]
        if self.basis.shape[1] < self.basis.shape[0]:
            outside = (centred.square().sum(1) - coordinates.square().sum(1)).clamp_min(0)
            zz = zz + (outside / metric.ridge)[:, None]
        return Parts(zz, parts.zm[0], parts.mm[0], parts.left[0])


def discriminant(
    placed: Tensor, concepts: Tensor, n_concepts: int, weights: Tensor, groups: list[Tensor], hidden: int
) -> Discriminant:
    """Decompose the scatter within concepts of placed rows `[N, K]`, in the span of the rows where that is smaller."""
    counts = torch.zeros(n_concepts, dtype=weights.dtype, device=weights.device).index_add_(0, concepts, weights)
    centre = weights @ placed / weights.sum()
    rows = placed - centre
    span = torch.linalg.qr(rows.T).Q if len(rows) <= rows.shape[1] else None
    if span is not None:
        rows = rows @ span
    sums = torch.zeros(n_concepts, rows.shape[1], dtype=rows.dtype, device=rows.device)
    means = sums.index_add_(0, concepts, rows * weights[:, None]) / counts.clamp_min(1e-9)[:, None]
    residuals = (rows - means[concepts]) * weights.sqrt()[:, None]
    eigenvalues, vectors = eigh(residuals.T @ residuals)
    leavings = [Leaving.of(group, concepts, weights, counts) for group in groups]
    left = torch.cat([leaving.left.expand(leaving.stories.shape[1], -1, -1).flatten() for leaving in leavings])
    there = left[~left.isnan()]
    usual = median(there) if len(there) else left.new_tensor(torch.inf)
    return Discriminant(
        rows=rows @ vectors,
        residuals=residuals @ vectors,
        means=means @ vectors,
        counts=counts,
        eigenvalues=eigenvalues.clamp_min(0),
        basis=vectors if span is None else span @ vectors,
        centre=centre,
        hidden=hidden,
        concepts=concepts,
        weights=weights,
        leavings=leavings,
        smallest=(FIRM_SHARE * usual).clamp_max(FIRM),
    )
