"""A concept's numbers, made up: what a test does not ask for is unremarkable."""

from __future__ import annotations

from engine.evidence import Camps, ConceptEvidence, Measured
from engine.results import ConceptQuality, LayerQuality, LinearCombination, Null

LAYER = 2
BELOW = Null(low=-2.0, mean=-2.0, high=-2.0)
ABOVE = Null(low=2.0, mean=2.0, high=2.0)
"""Nulls that no number is like."""


def concept_quality(
    concept: str = "joyful",
    *,
    first_pc: float = 0.5,
    neuron: float | None = 0.3,
    nearest: float | None = 0.3,
    neighbour: str = "lonely",
    r_squared: float = 0.1,
    stories: int = 9,
    lowest: list[tuple[str, float]] | None = None,
    first_pc_null: Null | None = None,
    r_squared_null: Null | None = BELOW,
) -> ConceptQuality:
    """One concept at block 2."""
    at = LayerQuality(
        first_pc_variance_ratio=first_pc,
        top3_variance_ratios=[first_pc],
        story_projection_mean=1.0,
        story_projection_std=0.5,
        story_projection_min=0.0,
        story_projection_max=2.0,
        story_alignment_mean=0.0,
        story_alignment_std=0.2,
        best_neuron_idx=None if neuron is None else 7,
        best_neuron_cosine=neuron,
        top5_neurons=[] if neuron is None else [(7, neuron)],
    )
    return ConceptQuality(
        concept=concept,
        n_positive_stories=stories,
        per_layer={LAYER: at},
        linear_combination={
            LAYER: LinearCombination(r_squared=r_squared, residual_norm=0.9, top_contributors=[(neighbour, 0.4)])
        },
        nearest_concepts=[] if nearest is None else [(neighbour, nearest)],
        outliers=lowest or [],
        first_pc_null=first_pc_null or (ABOVE if first_pc < 0.4 else BELOW),
        r_squared_null=r_squared_null,
    )


def concept_evidence(concept: str, *, camps: Camps | None = None) -> ConceptEvidence:
    """How a concept reads that reads well."""
    return ConceptEvidence(
        concept=concept,
        auroc=Measured(value=0.98, low=0.96, high=0.99),
        rival=None,
        rival_auroc=None,
        stability=None,
        camps=camps,
        pulls=[],
        own_share=None,
        own_auroc=None,
        without_own=[],
    )
