"""Gathers tensors by layer into what is said of each concept and each story. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.compute.statistics.quality import StoryMeasures
from engine.evidence import Ranked
from engine.results import ConceptNulls, ConceptQuality, HeadQuality, LayerQuality, LinearCombination, middle_layer


@dataclass(frozen=True, kw_only=True)
class LayerFindings:
    """What was computed of C concepts at one target layer, before it is gathered by concept."""

    measures: Sequence[StoryMeasures]
    """Per concept, how its stories lie to its direction."""
    ratios: Sequence[list[float]]
    """Per concept, `variance_ratios`."""
    neurons: Sequence[list[tuple[int, float]]]
    """Per concept, the closest neurons; empty lists where they are not compared."""
    heads: Sequence[HeadQuality] | None
    """Per concept; None at a layer without an attention output projection."""
    combinations: Sequence[LinearCombination]
    """Per concept, its direction from all others."""

    @cached_property
    def qualities(self) -> list[LayerQuality]:
        """Of each concept."""
        return [_layer_quality(*parts) for parts in zip(self.measures, self.ratios, self.neurons, strict=True)]


def _layer_quality(measures: StoryMeasures, ratios: list[float], neurons: list[tuple[int, float]]) -> LayerQuality:
    summary = measures.summary
    return LayerQuality(
        first_pc_variance_ratio=ratios[0],
        top3_variance_ratios=ratios,
        story_projection_mean=summary.projection_mean,
        story_projection_std=summary.projection_std,
        story_projection_min=summary.projection_min,
        story_projection_max=summary.projection_max,
        story_alignment_mean=summary.alignment_mean,
        story_alignment_std=summary.alignment_std,
        best_neuron_idx=neurons[0][0] if neurons else None,
        best_neuron_cosine=neurons[0][1] if neurons else None,
        top5_neurons=neurons,
    )


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was computed of C concepts at L target layers, before it is gathered by concept."""

    layers: Sequence[LayerFindings]
    current: frozenset[int]
    """Positions of the layers whose findings are of this view; those of the others are of an earlier one."""
    eigenvalues: Sequence[Sequence[list[float]]]
    """Per layer and concept, the top eigenvalues (method subspace; else empty)."""
    nulls: Sequence[ConceptNulls]
    """Per concept, at the middle layer."""
    neighbours: Sequence[list[Ranked]]
    """Per concept, the closest other concepts at the middle layer."""
    settled: Sequence[bool]
    """Per concept, whether all its numbers are of the current texts."""


def concept_qualities(
    layers: list[int], positives: Mapping[str, Sequence[str]], findings: Findings
) -> list[ConceptQuality]:
    """Everything that section 4 of the `readout` contract asks for, for every concept.

    Args:
        layers: the L target layers.
        positives: the C concepts, each with the ids of its texts.
        findings: what was computed of them, concepts in the same order.
    """
    middle = findings.layers[layers.index(middle_layer(layers))]
    by_block = dict(zip(layers, findings.layers, strict=True))
    qualities = {block: at_layer.qualities for block, at_layer in by_block.items()}
    return [
        ConceptQuality(
            concept=name,
            n_positive_stories=len(positives[name]),
            per_layer={block: of_concepts[c] for block, of_concepts in qualities.items()},
            linear_combination={block: at_layer.combinations[c] for block, at_layer in by_block.items()},
            per_head={block: at_layer.heads[c] for block, at_layer in by_block.items() if at_layer.heads is not None},
            subspace_eigvals={block: values[c] for block, values in zip(layers, findings.eigenvalues, strict=False)},
            first_pc_null=findings.nulls[c].first_pc,
            r_squared_null=findings.nulls[c].r_squared,
            nearest_concepts=findings.neighbours[c],
            outliers=[(positives[name][i], aligned) for i, aligned in middle.measures[c].lowest],
            settled=findings.settled[c],
        )
        for c, name in enumerate(positives)
    ]
