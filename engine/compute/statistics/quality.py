"""Quality of each concept's direction, per layer (`readout` contract, section 4). Pure functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.eigen import eigvalsh
from engine.evidence import Ranked
from engine.results import LinearCombination

RIDGE = 0.01
NEAREST = 5
CONTRIBUTORS = 5
OUTLIERS = 2
COINCIDE = 1e-24
"""Stories whose variance is below this share of their size are the same: what is left is rounding in fp64."""


def variance_ratios(rows: Tensor) -> list[float]:
    """The top three squared singular values of the centred rows `[n, H]` over their sum, from the smaller Gram matrix.

    `[1.0]` for one story, and where all stories coincide.
    """
    x = rows.double()
    centred = x - x.sum(0) / len(x)  # a quotient leaves copies at exactly zero, where `mean` may not
    gram = centred @ centred.T if len(x) <= x.shape[1] else centred.T @ centred
    eigenvalues = eigvalsh(gram).clamp_min(0).flip(0)
    total = eigenvalues.sum()
    if len(rows) == 1 or total <= COINCIDE * x.square().sum():
        return [1.0]
    ratios: list[float] = (eigenvalues[:3] / total).tolist()
    return ratios


class Summary(NamedTuple):
    """What one concept's `StoryMeasures` come to. Deviations are unbiased, and those of one story None and zero."""

    projection_mean: float
    projection_std: float | None
    projection_min: float
    projection_max: float
    alignment_mean: float
    alignment_std: float


@dataclass(frozen=True)
class StoryMeasures:
    """How a concept's stories lie to its direction at one layer: `[n]`, fp64, on the CPU."""

    projections: Tensor
    """`x_i . d`."""
    alignments: Tensor
    """Cosine of `x_i - mean(P_c)` with `d`; zero for one story."""

    @cached_property
    def summary(self) -> Summary:
        """Once: most edits leave most concepts' measures as they are."""
        dots, cosines = self.projections.numpy(), self.alignments.numpy()  # so few that tensor operations cost more
        is_single = len(dots) == 1
        return Summary(
            projection_mean=float(dots.mean()),
            projection_std=None if is_single else float(dots.std(ddof=1)),
            projection_min=float(dots.min()),
            projection_max=float(dots.max()),
            alignment_mean=float(cosines.mean()),
            alignment_std=0.0 if is_single else float(cosines.std(ddof=1)),
        )

    @cached_property
    def lowest(self) -> list[tuple[int, float]]:
        """The stories of lowest alignment, by index, which breaks ties, with it; none for a single story."""
        if len(self.alignments) == 1:
            return []
        order = self.alignments.sort(stable=True).indices.tolist()[:OUTLIERS]
        return [(i, float(self.alignments[i])) for i in order]


@dataclass(frozen=True)
class Centred:
    """A concept's stories about their own mean, at all L layers: changes only with its texts."""

    mean: Tensor
    """`[L, H]`, fp64."""
    units: Tensor
    """`(x_i - mean) / |x_i - mean|`: `[L, n, H]`, fp64. The mean is subtracted before products are taken: a
    difference of products would cancel."""
    lengths: Tensor
    """`|x_i - mean|`: `[L, n]`, fp64."""

    @classmethod
    def of(cls, rows: Tensor) -> Centred:
        """From activations `[L, n, H]`."""
        x = rows.double()
        mean = x.sum(1) / x.shape[1]
        centred = x - mean[:, None]
        return cls(mean, normalise(centred), centred.norm(dim=2))


def measure(stories: Centred, position: int, direction: Tensor) -> StoryMeasures:
    """How one concept's stories lie to its direction `[H]` at the layer of this position."""
    length = direction.norm()  # that of an fp16 vector is not quite 1
    aligned = stories.units[position] @ normalise(direction)
    projections = stories.mean[position] @ direction + stories.lengths[position] * aligned * length
    if len(aligned) == 1:
        aligned = torch.zeros_like(aligned)
    return StoryMeasures(projections.cpu(), aligned.cpu())


def linear_combinations(directions: Tensor, names: Sequence[str]) -> list[LinearCombination]:
    """Ridge regression of each direction `[C, H]` on all the others, all from one inverse.

    With `K = D Dt + lambda I` and `Q = K^-1`, concept c's coefficients are `-Q_jc / Q_cc` (the block inverse of K).
    """
    count = len(directions)
    gram = directions @ directions.T
    inverse = torch.linalg.inv(gram + RIDGE * torch.eye(count, dtype=gram.dtype, device=gram.device))
    coefficients = -inverse / inverse.diagonal()[None]  # column c: concept c on the others
    coefficients.fill_diagonal_(0.0)
    norms = (directions - coefficients.T @ directions).norm(dim=1)
    r_squared = (1 - norms.square() / directions.square().sum(1).clamp_min(1e-12)).cpu()
    coefficients, norms = coefficients.cpu(), norms.cpu()
    order = coefficients.abs().sort(dim=0, descending=True, stable=True).indices.T.tolist()
    combinations = []
    for c in range(count):
        top = [j for j in order[c] if j != c][:CONTRIBUTORS]
        combinations.append(
            LinearCombination(
                r_squared=float(r_squared[c]),
                residual_norm=float(norms[c]),
                top_contributors=[(names[j], float(coefficients[j, c])) for j in top],
            )
        )
    return combinations


def nearest(directions: Tensor, names: Sequence[str]) -> list[list[Ranked]]:
    """For each direction of `[C, H]`, the five closest others with their cosines, ties by index."""
    cosines = (normalise(directions) @ normalise(directions).T).cpu()
    order = cosines.sort(dim=1, descending=True, stable=True).indices.tolist()
    return [
        [(names[j], float(cosines[c, j])) for j in [j for j in order[c] if j != c][:NEAREST]] for c in range(len(names))
    ]
