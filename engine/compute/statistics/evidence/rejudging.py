"""What an edit makes of a story and of its scenario, at once: in the metric as it was, without any decomposition.

A story is judged by a model without its scenario, so an edit within the scenario leaves that model as it was. What is
said here is therefore exact, but for what the rule takes from all stories: scales, means, ridges, temperatures,
weights and the error rate. Every other story's numbers move a little too, and are left as they were until all are
judged again: `judge` with the tuning carried over, or without one where `Tuning.is_outdated`. The cost is one product
of the rows with an `H x H` matrix a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.judgement import Judgement, judgement, unjudged
from engine.compute.statistics.evidence.judging import Reading, State
from engine.compute.statistics.evidence.spaces import WIDE_FROM, less_scenario
from engine.compute.statistics.evidence.stories import UNPAIRED
from engine.compute.statistics.evidence.strangeness import strangeness


@dataclass(frozen=True, kw_only=True)
class Edited:
    """What an edit makes of a group of stories."""

    kept: Tensor
    """The stories of the state that stay in the group, ascending: `[b]`."""
    judgement: Judgement
    """Of these, then of the story that came in, if one did."""


def replaced(state: State, story: int, rows: Tensor) -> Edited:
    """A story is edited: its activations are now `rows` `[L, H]`."""
    return _edited(state, group_of(state, story), story, (rows, int(state.stories.concepts[story])))


def removed(state: State, story: int) -> Edited:
    """A story is taken away; what is left of its scenario is judged."""
    return _edited(state, group_of(state, story), story, None)


def added(state: State, rows: Tensor, concept: int, scenario: int = UNPAIRED) -> Edited:
    """A story comes in, its activations being `rows` `[L, H]`; the concept is one of the state's."""
    scenarios = state.stories.scenarios
    group = ((scenarios == scenario) & (scenarios != UNPAIRED)).nonzero()[:, 0]
    return _edited(state, group, None, (rows, concept))


def group_of(state: State, story: int) -> Tensor:
    """The stories that are left out with one, itself included, ascending: `[b]`."""
    scenarios = state.stories.scenarios
    if int(scenarios[story]) == UNPAIRED:
        return torch.tensor([story], device=scenarios.device)
    return (scenarios == scenarios[story]).nonzero()[:, 0]


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
def _edited(state: State, group: Tensor, gone: int | None, come: tuple[Tensor, int] | None) -> Edited:
    """A group `[b]` from which one story goes and to which one comes, as activations `[L, H]` and a concept."""
    stories = state.stories
    kept = group if gone is None else group[group != gone]
    rows, concepts = stories.rows[:, kept], stories.concepts[kept]
    if come is not None:
        rows = torch.cat([rows, come[0][:, None].to(rows)], 1)
        concepts = torch.cat([concepts, concepts.new_tensor([come[1]])])
    strange, counts = _strangeness(state, gone, rows, concepts, is_come=come is not None)
    if state.reading is None:
        return Edited(kept=kept, judgement=unjudged(strange, concepts, stories.n_concepts))
    coordinates = [at.space.coordinates(of_layer) - at.mean for at, of_layer in zip(state.placed, rows, strict=True)]
    scores = scores_without(state.reading, group, [less_scenario(of_layer) for of_layer in coordinates], concepts)
    judgeable = counts[concepts] > (concepts[:, None] == concepts).sum(1)
    verdicts = judgement(scores, concepts, strange, state.reading.noise, judgeable, counts)
    return Edited(kept=kept, judgement=verdicts)


def _strangeness(
    state: State, gone: int | None, rows: Tensor, concepts: Tensor, *, is_come: bool
) -> tuple[Tensor, Tensor]:
    """How strange rows `[L, q, H]` are among their concepts after the edit, and each concept's stories then."""
    stories, counts, zs = state.stories, state.stories.counts, []
    for layer, at in enumerate(state.placed):
        measured, scaled = at.distances, at.space.scaled(rows[layer])
        if gone is not None:
            old = at.space.scaled(stories.rows[layer, gone : gone + 1])
            measured = measured.changed(stories.concepts[gone : gone + 1], old, -1)
        if is_come:
            measured = measured.changed(concepts[-1:], scaled[-1:], 1)
        zs.append(measured.z(measured.log_squares(scaled, concepts)))
        counts = measured.counts
    return strangeness(zs), counts
