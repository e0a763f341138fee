"""Quality of each concept's direction, per layer (`readout` contract, section 4). Pure functions of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.directions import normalise
from engine.compute.neurons import Neurons
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


def variance_ratios(rows: Tensor) -> list[float]:
    """The top three squared singular values of the centred rows `[n, H]` over their sum, from the `n x n` Gram matrix.

    `[1.0]` for one story, and where all stories coincide.
    """
    centred = rows.double() - rows.double().mean(0)
    eigenvalues = torch.linalg.eigvalsh(centred @ centred.T).clamp_min(0).flip(0)
    total = eigenvalues.sum()
    if len(rows) == 1 or total <= 0:
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


def measure(rows: Tensor, directions: Tensor) -> StoryMeasures:
    """One concept's activations `[L, n, H]` against its directions `[L, H]`."""
    x = rows.double()
    d = directions[:, :, None]  # (L, H, 1)
    centred = x - x.mean(1, keepdim=True)  # formed before any division: a difference of cosines would cancel
    aligned = (normalise(centred) @ normalise(directions)[:, :, None]).squeeze(2)
    if rows.shape[1] == 1:
        aligned = torch.zeros_like(aligned)
    return StoryMeasures((x @ d).squeeze(2).cpu(), aligned.cpu())


def linear_combinations(directions: Tensor, names: Sequence[str]) -> list[LinearCombination]:
    """Ridge regression of each direction `[C, H]` on all the others, all from one inverse.

    With `K = D Dt + lambda I` and `Q = K^-1`, concept c's coefficients are `-Q_jc / Q_cc` (the block inverse of K).
    """
    count = len(directions)
    gram = directions @ directions.T
    inverse = torch.linalg.inv(gram + RIDGE * torch.eye(count, dtype=gram.dtype, device=gram.device))
    coefficients = -inverse / inverse.diagonal()[None]  # column c: concept c on the others
    coefficients.fill_diagonal_(0.0)
    residuals = directions - coefficients.T @ directions
    norms = residuals.norm(dim=1)
    r_squared = 1 - norms.square() / directions.square().sum(1).clamp_min(1e-12)
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
    cosines = normalise(directions) @ normalise(directions).T
    order = cosines.sort(dim=1, descending=True, stable=True).indices.tolist()
    return [
        [(names[j], float(cosines[c, j])) for j in [j for j in order[c] if j != c][:NEAREST]] for c in range(len(names))
    ]


def layer_quality(
    projections: Tensor, aligned: Tensor, ratios: list[float], neurons: list[tuple[int, float]]
) -> LayerQuality:
    """One concept at one layer, from its stories' projections and alignments `[n]`."""
    single = len(projections) == 1
    return LayerQuality(
        first_pc_variance_ratio=ratios[0],
        top3_variance_ratios=ratios,
        story_projection_mean=float(projections.mean()),
        story_projection_std=None if single else float(projections.std()),
        story_projection_min=float(projections.min()),
        story_projection_max=float(projections.max()),
        story_alignment_mean=float(aligned.mean()),
        story_alignment_std=0.0 if single else float(aligned.std()),
        best_neuron_idx=neurons[0][0] if neurons else None,
        best_neuron_cosine=neurons[0][1] if neurons else None,
        top5_neurons=neurons,
    )


def concept_qualities(
    names: Sequence[str],
    layers: list[int],
    measures: Sequence[StoryMeasures],
    text_ids: Sequence[Sequence[str]],
    directions: Tensor,
    ratios: Sequence[list[list[float]]],
    neurons: Sequence[Neurons],
    *,
    heads: Sequence[Sequence[HeadQuality] | None],
    eigenvalues: Sequence[Sequence[list[float]]],
    nulls: Sequence[ConceptNulls],
) -> list[ConceptQuality]:
    """Everything section 4 asks for, for every concept.

    Args:
        names: the C concepts.
        layers: the L target layers.
        measures: per concept, its stories against its directions.
        text_ids: per concept, the ids of those texts.
        directions: `[L, C, H]`, as shipped.
        ratios: per concept and layer, `variance_ratios`.
        neurons: per layer, those of its MLP.
        heads: per layer, the concepts' attention heads, or None.
        eigenvalues: per layer and concept, the top ones (method subspace; else empty).
        nulls: per concept, at the middle layer.
    """
    middle = layers.index(middle_layer(layers))
    best_neurons = [neurons[i].top(directions[i]) for i in range(len(layers))]
    combinations = [linear_combinations(directions[i], names) for i in range(len(layers))]
    neighbours = nearest(directions[middle], names)
    return [
        ConceptQuality(
            concept=name,
            n_positive_stories=len(text_ids[c]),
            per_layer={
                layer: layer_quality(
                    measures[c].projections[i], measures[c].alignments[i], ratios[c][i], best_neurons[i][c]
                )
                for i, layer in enumerate(layers)
            },
            linear_combination={layer: combinations[i][c] for i, layer in enumerate(layers)},
            per_head={layer: found[c] for layer, found in zip(layers, heads, strict=True) if found is not None},
            subspace_eigvals={layer: values[c] for layer, values in zip(layers, eigenvalues, strict=False)},
            first_pc_null=nulls[c].first_pc,
            r_squared_null=nulls[c].r_squared,
            nearest_concepts=neighbours[c],
            outliers=lowest(measures[c].alignments[middle], text_ids[c]),
        )
        for c, name in enumerate(names)
    ]


def lowest(aligned: Tensor, text_ids: Sequence[str]) -> list[tuple[str, float]]:
    """The two texts of lowest alignment, ties by index; none for a single story."""
    if len(text_ids) == 1:
        return []
    order = aligned.sort(stable=True).indices.tolist()[:OUTLIERS]
    return [(text_ids[i], float(aligned[i])) for i in order]
