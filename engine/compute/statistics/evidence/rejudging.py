"""What edits make of a story and of its scenario, at once: in the metric as it was, without any decomposition.

A story is judged by a model without its scenario, so edits within the scenario leave that model as it was. What is
said here is therefore exact, but for what the rule takes from all stories: scales, means, ridges, temperatures,
weights and the error rate. Every other story's numbers move a little too, and are left as they were until all are
judged again: `judge` with the tuning carried over, or without one where `Tuning.is_outdated`. The cost is one product
of the rows with an `H x H` matrix a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.judgement import Judgement, judgement, unjudged
from engine.compute.statistics.evidence.judging import Reading, State
from engine.compute.statistics.evidence.spaces import WIDE_FROM, less_scenario
from engine.compute.statistics.evidence.strangeness import strangeness


def scores_without(reading: Reading, group: Tensor, placed: Sequence[Tensor], own: Tensor) -> Tensor:
    """Log scores `[q, C]` of any rows by the model made without a group `[b]`.

    Args:
        placed: the rows at each layer as they are placed, less their scenario: `[q, K]` each.
        own: where they are filed: `[q]`.
    """
    of_layers = []
    for layer, rows in zip(reading.layers, placed, strict=True):
        parts = layer.discriminant.parts_of(layer.metric, layer.discriminant.leaving(group), rows)
        of_layers.append(layer.scores_of(parts, own))
    return reading.tuning.temperature * torch.stack(of_layers).sum(0)


@threads_for(WIDE_FROM)
def regrouped(state: State, group: Tensor, kept: Tensor, come: Tensor, come_concepts: Tensor) -> Judgement:
    """A group of stories as it is after any number of edits: some stay, some come.

    Args:
        group: what is left out together, of the state's stories: `[b]`, may be empty.
        kept: those of it that are as they were.
        come: activations of those that are new, or have another text, `[L, q, H]`.
        come_concepts: where these are filed, among the state's concepts, `[q]`.

    Returns:
        Of those kept, then of those that come.
    """
    stories, n_kept = state.stories, len(kept)
    gone = group[~torch.isin(group, kept)]
    rows = torch.cat([stories.rows[:, kept], come.to(stories.rows)], 1)
    concepts = torch.cat([stories.concepts[kept], come_concepts.to(stories.concepts)])
    strange, counts = _strangeness(state, gone, rows, concepts, n_kept)
    if state.reading is None:
        return unjudged(strange, concepts, stories.n_concepts)
    coordinates = [at.space.coordinates(of_layer) - at.mean for at, of_layer in zip(state.placed, rows, strict=True)]
    scores = scores_without(state.reading, group, [less_scenario(of_layer) for of_layer in coordinates], concepts)
    judgeable = counts[concepts] > (concepts[:, None] == concepts).sum(1)
    return judgement(scores, concepts, strange, state.reading.noise, judgeable, counts)


def _strangeness(state: State, gone: Tensor, rows: Tensor, concepts: Tensor, n_kept: int) -> tuple[Tensor, Tensor]:
    """How strange rows `[L, q, H]` are among their concepts after the edits, and each concept's stories then."""
    stories, counts, zs = state.stories, state.stories.counts, []
    for layer, at in enumerate(state.placed):
        scaled = at.space.scaled(rows[layer])
        measured = at.distances.changed(stories.concepts[gone], at.space.scaled(stories.rows[layer, gone]), -1)
        measured = measured.changed(concepts[n_kept:], scaled[n_kept:], 1)
        zs.append(measured.z(measured.log_squares(scaled, concepts)))
        counts = measured.counts
    return strangeness(zs), counts
