"""The sweep over a model's blocks that chooses those which separate a corpus's concepts best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import torch

from engine.compute.activations.source import Progress, Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.model.depth import extractor_for
from engine.compute.model.forward import Activation
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import Model
from engine.compute.model.unreadable import none_taken
from engine.compute.statistics.separation import candidates, choose, separation
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire.jobs import Placement

SWEEP_TEXTS = 256
"""Texts that a sweep over the blocks reads: enough to rank blocks, few enough to wait for."""


def layers_for(
    model: Model,
    settings: Settings,
    store: Store,
    placements: Sequence[Placement],
    texts: Mapping[str, str],
    progress: Progress = silent,
) -> tuple[list[int], dict[int, float]]:
    """The target layers and, where a sweep chose them (`auto`), how well each block separated the concepts.

    Raises:
        AmygdalaError: as `sweep`, or a layer is out of range.
    """
    layers = target_layers(settings, model.anatomy.n_blocks)
    if layers is not None:
        return layers, {}
    scores = sweep(model, settings, store, placements, texts, progress)
    return choose(list(scores.values()), list(scores)), scores


def sweep(
    model: Model,
    settings: Settings,
    store: Store,
    placements: Sequence[Placement],
    texts: Mapping[str, str],
    progress: Progress,
) -> dict[int, float]:
    """How well blocks all over the depth separate the concepts: by block, the mean leave-one-out AUROC (pooled).

    Reads a sample of the stories, the same number of each concept; those that the model cannot take are left out.

    Raises:
        AmygdalaError: there are too few stories to tell concepts apart, or the model can take none of them.
    """
    blocks = candidates(model.anatomy.n_blocks)
    member = _sample(placements)
    sampled_texts = {text_id: texts[text_id] for text_id in sorted(member)}
    extractor = extractor_for(model, blocks, msgspec.structs.replace(settings, method="pooled"))
    activations: dict[str, Activation] = {}
    left_out: dict[str, str] = {}
    for batch in Source(extractor, store).batches(sampled_texts, (), Tally()):
        if batch.total:
            progress(batch.done, batch.total)
        activations |= batch.activations
        left_out |= batch.left_out
    if not activations:
        raise none_taken(model.name, left_out)
    text_ids = sorted(activations)
    names = sorted({name for text_id in text_ids for name in member[text_id]})
    rows = torch.stack([activations[text_id].x for text_id in text_ids], 1)  # (L, M, H)
    table = torch.tensor([[name in member[text_id] for name in names] for text_id in text_ids])
    scores = separation(rows, table) if names else None
    if scores is None:
        raise AmygdalaError(
            "--target-layers auto: no concept has two stories and others to stand against, so no block can be chosen; "
            "name the blocks, such as 50%,67%"
        )
    return dict(zip(blocks, scores, strict=True))


def _sample(placements: Sequence[Placement]) -> dict[str, set[str]]:
    """Concepts by text id, of about `SWEEP_TEXTS` texts, two or more of each concept; random, since ids are hashes."""
    by_concept: dict[str | None, list[str]] = {}
    text_concept_pairs = {(placement.text_id, placement.concept) for placement in placements}  # whatever the scenario
    for text_id, concept in sorted(text_concept_pairs, key=lambda pair: pair[0]):
        by_concept.setdefault(concept, []).append(text_id)
    n_each = max(2, SWEEP_TEXTS // max(1, len(by_concept)))
    sampled_ids = {text_id for text_ids in by_concept.values() for text_id in text_ids[:n_each]}
    concepts_of: dict[str, set[str]] = {text_id: set() for text_id in sampled_ids}
    for placement in placements:
        if placement.text_id in sampled_ids and placement.concept is not None:
            concepts_of[placement.text_id].add(placement.concept)
    return concepts_of
