"""Where a concept's vector points, by the method that settings choose: one place that knows all methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.live.spaces import Spaces
from engine.compute.model.forward import Extractor
from engine.compute.statistics.subspace import filtered, top_k
from engine.compute.statistics.whitening import whitened
from engine.results import Facts
from engine.settings import Settings

POOLED = "difference of means, of unit length"
WHITENED = (
    "difference of means, whitened by the covariance within concepts, of unit length: a discriminant, for reading; "
    "to steer by, take the method pooled"
)
FILTERED = (
    "difference of means, filtered by the spectrum of the difference of mean projectors: (sigma I - M)^-1 d0 with "
    "sigma = lambda_1 + 0.25, of unit length"
)
TOP_K = (
    "sum of the top eigenvectors of the difference of mean projectors, each times its eigenvalue and the sign of its "
    "product with the difference of means, of unit length"
)


@dataclass(frozen=True)
class Pointed:
    """The directions of all concepts at all target layers."""

    directions: Tensor
    """`[L, C, H]`, fp64, not normalised."""
    eigenvalues: list[list[list[float]]]
    """Method subspace: per layer and concept, the top eigenvalues; else empty."""


def words(settings: Settings) -> str:
    """What the vectors are, for whoever loads them."""
    if settings.method == "subspace":
        return FILTERED if settings.subspace_direction == "filter" else TOP_K
    return WHITENED if settings.method == "whitened" else POOLED


def facts(extractor: Extractor, settings: Settings) -> Facts:
    """What made the vectors, besides stories and settings."""
    model = extractor.model
    return Facts(
        model_hash=model.model_hash,
        tokenizer_hash=model.tokenizer_hash,
        kind=model.kind,
        pooling=extractor.pooling,
        dtype=str(model.dtype).removeprefix("torch."),
        directions=words(settings),
    )


def point(
    settings: Settings, names: Sequence[str], own: Sequence[Tensor], differences: Tensor, spaces: Spaces | None
) -> Pointed:
    """Directions by the method that settings choose.

    Args:
        settings: the method and its parameters.
        names: the C concepts.
        own: per concept, its stories' activations, `[L, n, H]`.
        differences: `d0`, `[L, C, H]`, fp64.
        spaces: what stories span; only the method subspace has it.
    """
    if spaces is not None:
        by_position = zip(range(len(differences)), differences, strict=True)
        if settings.subspace_direction == "filter":
            solved = [filtered(spaces.at(position, names), at_layer) for position, at_layer in by_position]
        else:
            eigen_k = settings.subspace_eigen_k
            solved = [top_k(spaces.at(position, names), at_layer, eigen_k) for position, at_layer in by_position]
        return Pointed(
            torch.stack([at_layer.directions for at_layer in solved]),
            [at_layer.eigenvalues.tolist() for at_layer in solved],
        )
    if settings.method == "whitened":
        layers = [
            whitened([rows[position] for rows in own], at_layer, settings.shrinkage)
            for position, at_layer in enumerate(differences)
        ]
        return Pointed(torch.stack(layers), [])
    return Pointed(differences, [])


def missing_parts(extractor: Extractor, layers: Sequence[int], *, with_neurons: bool) -> list[str]:
    """What directions are not compared with, in words: target blocks without neurons, where they are asked for, and
    without heads."""
    neuronless = []
    if with_neurons:
        with_weights = extractor.loaded().anatomy
        neuronless = [block for block in layers if not with_weights.down_projections(block)]
    anatomy = extractor.model.anatomy
    headless = [block for block in layers if not anatomy.head_width(block)]
    return [
        *([f"blocks {neuronless}: no down projection found, so neurons are not compared"] if neuronless else []),
        *([f"blocks {headless}: no attention output projection found, so heads are not compared"] if headless else []),
    ]
