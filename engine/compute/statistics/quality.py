"""Quality of each concept's direction, per layer (`readout` contract, section 4). Pure functions of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.directions import normalise
from engine.compute.statistics.eigen import eigvalsh
from engine.results import (
    ConceptNulls,
    ConceptQuality,
    HeadQuality,
    LayerQuality,
    LinearCombination,
    Ranked,
    middle_layer,
)

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


@dataclass(frozen=True)
class StoryMeasures:
    """A concept's stories against its direction: `[L, n]`, fp64, on the CPU."""

    projections: Tensor
    """`x_i . d`."""
    alignments: Tensor
    """Cosine of `x_i - mean(P_c)` with `d`; zeros for one story."""


@dataclass(frozen=True)
class Centred:
    """A concept's stories about their own mean: what does not change while its texts do not."""

    mean: Tensor
    """`[L, H]`, fp64."""
    units: Tensor
    """`(x_i - mean) / |x_i - mean|`: `[L, n, H]`, fp64. The difference comes first: one of cosines would cancel."""
    lengths: Tensor
    """`|x_i - mean|`: `[L, n]`, fp64."""

    @classmethod
    def of(cls, rows: Tensor) -> Centred:
        """From activations `[L, n, H]`."""
        x = rows.double()
        mean = x.sum(1) / x.shape[1]
        centred = x - mean[:, None]
        return cls(mean, normalise(centred), centred.norm(dim=2))


def measure(stories: Centred, directions: Tensor) -> StoryMeasures:
    """One concept's stories against its directions `[L, H]`."""
    lengths = directions.norm(dim=1)  # (L,): those of fp16 vectors are not quite 1
    aligned = (stories.units @ normalise(directions)[:, :, None]).squeeze(2)
    projections = (stories.mean * directions).sum(1, keepdim=True) + stories.lengths * aligned * lengths[:, None]
    if aligned.shape[1] == 1:
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
    found = []
    for c in range(count):
        top = [j for j in order[c] if j != c][:CONTRIBUTORS]
        found.append(
            LinearCombination(
                r_squared=float(r_squared[c]),
                residual_norm=float(norms[c]),
                top_contributors=[(names[j], float(coefficients[j, c])) for j in top],
            )
        )
    return found


def nearest(directions: Tensor, names: Sequence[str]) -> list[list[Ranked]]:
    """For each direction of `[C, H]`, the five closest others with their cosines, ties by index."""
    cosines = (normalise(directions) @ normalise(directions).T).cpu()
    order = cosines.sort(dim=1, descending=True, stable=True).indices.tolist()
    return [
        [(names[j], float(cosines[c, j])) for j in [j for j in order[c] if j != c][:NEAREST]] for c in range(len(names))
    ]


def layer_qualities(
    found: StoryMeasures, ratios: Sequence[list[float]], neurons: Sequence[list[tuple[int, float]]]
) -> list[LayerQuality]:
    """One concept at each of the L layers, from its stories' measures and, per layer, the rest."""
    x, a = found.projections.numpy(), found.alignments.numpy()  # (L, n): so few that a tensor's ways cost more
    single = x.shape[1] == 1
    stds = [None] * len(x) if single else x.std(1, ddof=1).tolist()
    alignment_stds = [0.0] * len(x) if single else a.std(1, ddof=1).tolist()
    columns = (
        ratios, x.mean(1).tolist(), stds, x.min(1).tolist(), x.max(1).tolist(), a.mean(1).tolist(), alignment_stds,
        neurons,
    )  # fmt: skip
    return [
        LayerQuality(
            first_pc_variance_ratio=shares[0],
            top3_variance_ratios=shares,
            story_projection_mean=mean,
            story_projection_std=std,
            story_projection_min=low,
            story_projection_max=high,
            story_alignment_mean=alignment,
            story_alignment_std=alignment_std,
            best_neuron_idx=top[0][0] if top else None,
            best_neuron_cosine=top[0][1] if top else None,
            top5_neurons=top,
        )
        for shares, mean, std, low, high, alignment, alignment_std, top in zip(*columns, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What has been found of C concepts at L target layers, to be gathered by concept."""

    measures: Sequence[StoryMeasures]
    """Per concept, its stories against its directions."""
    ratios: Sequence[list[list[float]]]
    """Per concept and layer, `variance_ratios`."""
    neurons: Sequence[list[list[tuple[int, float]]]]
    """Per layer and concept, the closest ones."""
    heads: Sequence[Sequence[HeadQuality] | None]
    """Per layer, each concept's; None at layers without."""
    eigenvalues: Sequence[Sequence[list[float]]]
    """Per layer and concept, the top ones (method subspace; else empty)."""
    nulls: Sequence[ConceptNulls]
    """Per concept, at the middle layer."""
    settled: Sequence[bool]
    """Per concept, whether all of this is of the texts as they are."""


def concept_qualities(
    layers: list[int], positives: Mapping[str, Sequence[str]], directions: Tensor, found: Evidence
) -> list[ConceptQuality]:
    """Everything section 4 asks for, for every concept.

    Args:
        layers: the L target layers.
        positives: the C concepts, each with the ids of its texts.
        directions: `[L, C, H]`, as shipped.
        found: what does not follow from the directions alone.
    """
    names = list(positives)
    middle = layers.index(middle_layer(layers))
    combinations = [linear_combinations(layer, names) for layer in directions]
    neighbours = nearest(directions[middle], names)
    return [
        ConceptQuality(
            concept=name,
            n_positive_stories=len(positives[name]),
            per_layer=dict(
                zip(
                    layers,
                    layer_qualities(found.measures[c], found.ratios[c], [layer[c] for layer in found.neurons]),
                    strict=True,
                )
            ),
            linear_combination={layer: combinations[i][c] for i, layer in enumerate(layers)},
            per_head={layer: heads[c] for layer, heads in zip(layers, found.heads, strict=True) if heads is not None},
            subspace_eigvals={layer: values[c] for layer, values in zip(layers, found.eigenvalues, strict=False)},
            first_pc_null=found.nulls[c].first_pc,
            r_squared_null=found.nulls[c].r_squared,
            nearest_concepts=neighbours[c],
            outliers=lowest(found.measures[c].alignments[middle], positives[name]),
            settled=found.settled[c],
        )
        for c, name in enumerate(names)
    ]


def lowest(aligned: Tensor, text_ids: Sequence[str]) -> list[tuple[str, float]]:
    """The two texts of lowest alignment, ties by index; none for a single story."""
    if len(text_ids) == 1:
        return []
    order = aligned.sort(stable=True).indices.tolist()[:OUTLIERS]
    return [(text_ids[i], float(aligned[i])) for i in order]
