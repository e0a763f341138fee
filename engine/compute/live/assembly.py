"""Gathers tensors by layer into what is said of each concept and each story. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.compute.statistics.leave_one_out import leave_one_out, rivals
from engine.compute.statistics.quality import StoryMeasures
from engine.results import (
    ConceptNulls,
    ConceptQuality,
    HeadQuality,
    LayerQuality,
    LinearCombination,
    Ranked,
    StoryFit,
    middle_layer,
)

OUTLIERS = 2


def layer_qualities(
    measures: StoryMeasures, ratios: Sequence[list[float]], neurons: Sequence[list[tuple[int, float]]]
) -> list[LayerQuality]:
    """One concept's quality at each of the L layers, from its stories' measures, variance ratios and neurons."""
    # (L, n): so few that tensor operations cost more
    dots, cosines = measures.projections.numpy(), measures.alignments.numpy()
    is_single = dots.shape[1] == 1
    stds = [None] * len(dots) if is_single else dots.std(1, ddof=1).tolist()
    alignment_stds = [0.0] * len(dots) if is_single else cosines.std(1, ddof=1).tolist()
    columns = (
        ratios, dots.mean(1).tolist(), stds, dots.min(1).tolist(), dots.max(1).tolist(), cosines.mean(1).tolist(),
        alignment_stds, neurons,
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
class Between:
    """How the directions of C concepts lie to one another."""

    combinations: Sequence[Sequence[LinearCombination]]
    """Per layer and concept, the concept from all others."""
    neighbours: Sequence[list[Ranked]]
    """Per concept, the closest other concepts at the middle layer."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What was computed of C concepts at L target layers, before it is gathered by concept."""

    measures: Sequence[StoryMeasures]
    """Per concept, how its stories lie to its directions."""
    ratios: Sequence[list[list[float]]]
    """Per concept and layer, `variance_ratios`."""
    neurons: Sequence[list[list[tuple[int, float]]]]
    """Per layer and concept, the closest neurons."""
    heads: Sequence[Sequence[HeadQuality] | None]
    """Per layer, each concept's heads; None at layers without an attention output projection."""
    eigenvalues: Sequence[Sequence[list[float]]]
    """Per layer and concept, the top eigenvalues (method subspace; else empty)."""
    nulls: Sequence[ConceptNulls]
    """Per concept, at the middle layer."""
    between: Between
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
    middle_position = layers.index(middle_layer(layers))
    return [
        ConceptQuality(
            concept=name,
            n_positive_stories=len(positives[name]),
            per_layer=dict(
                zip(
                    layers,
                    layer_qualities(findings.measures[c], findings.ratios[c], [tops[c] for tops in findings.neurons]),
                    strict=True,
                )
            ),
            linear_combination={
                block: combinations[c]
                for block, combinations in zip(layers, findings.between.combinations, strict=True)
            },
            per_head={
                block: heads[c] for block, heads in zip(layers, findings.heads, strict=True) if heads is not None
            },
            subspace_eigvals={block: values[c] for block, values in zip(layers, findings.eigenvalues, strict=False)},
            first_pc_null=findings.nulls[c].first_pc,
            r_squared_null=findings.nulls[c].r_squared,
            nearest_concepts=findings.between.neighbours[c],
            outliers=lowest(findings.measures[c].alignments[middle_position], positives[name]),
            settled=findings.settled[c],
        )
        for c, name in enumerate(positives)
    ]


def lowest(aligned: Tensor, text_ids: Sequence[str]) -> list[tuple[str, float]]:
    """The two texts of lowest alignment, ties by index; none for a single story."""
    if len(text_ids) == 1:
        return []
    order = aligned.sort(stable=True).indices.tolist()[:OUTLIERS]
    return [(text_ids[i], float(aligned[i])) for i in order]


def story_fits(
    rows: Tensor,
    member: Tensor,
    text_ids: Sequence[str],
    positives: Mapping[str, Sequence[str]],
    alignments: Sequence[Sequence[float]],
) -> list[StoryFit]:
    """Every (text, concept) pair's fit at one layer.

    Args:
        rows: activations of all M texts, `[M, H]`.
        member: `membership` of these texts, `[M, C]`.
        text_ids: their ids.
        positives: the C concepts' texts.
        alignments: per concept, its texts' alignments.
    """
    scores = leave_one_out(rows, member)
    rival_of = dict(zip(text_ids, rivals(scores, member, list(positives)), strict=True))
    scores_of = dict(zip(text_ids, scores.cpu().numpy(), strict=True))
    return [
        StoryFit(
            text_id=text_id,
            concept=concept,
            alignment=alignment,
            own=None if math.isnan(scores_of[text_id][c]) else float(scores_of[text_id][c]),
            rival=rival_of[text_id][0],
            rival_score=rival_of[text_id][1],
        )
        for c, concept in enumerate(positives)
        for text_id, alignment in zip(positives[concept], alignments[c], strict=True)
    ]
