"""From one view of a corpus to every number about it, in one place: directions, quality, fits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.live.assembly import Evidence, concept_qualities, story_fits
from engine.compute.live.deferred import DirectionKeeper, NeuronKeeper, NullKeeper, Table
from engine.compute.live.state import State, View
from engine.compute.statistics import directions as dirs
from engine.compute.statistics.leave_one_out import membership
from engine.compute.statistics.quality import measure
from engine.results import ConceptQuality, StoryFit, middle_layer
from engine.settings import Settings

UNIT = 0.5
"""Shorter than this after normalising, a direction was nothing but rounding."""


@dataclass
class Keepers:
    """What is kept of what is expensive."""

    directions: DirectionKeeper
    neurons: NeuronKeeper | None
    """None where neurons are not asked for."""
    nulls: NullKeeper

    def copy(self) -> Keepers:
        """Keepers that may learn more without these knowing; directions by subspaces stay as they are."""
        return Keepers(self.directions.frozen(), self.neurons.copy() if self.neurons else None, self.nulls.copy())


@dataclass(frozen=True)
class Change:
    """What led from one view to the next."""

    affected: Collection[str] = ()
    """Concepts whose own texts changed, or were read afresh."""
    came: int = 0
    """Texts that the corpus did not have before, or that were read afresh."""
    went: int = 0
    """Texts it has no more, or that were read afresh."""


NOTHING = Change()


@dataclass(frozen=True)
class Evaluation:
    """All that one view comes to."""

    names: list[str]
    """The concepts that have a vector, sorted."""
    differences: Tensor
    """`d0`: `[L, C, H]`, fp64."""
    directions: Tensor
    """`[L, C, H]`, as shipped."""
    without: dict[str, str]
    """Concepts that get no vector, each with the reason."""
    qualities: list[ConceptQuality]
    fits: list[StoryFit]


class Evaluator:
    """Evaluates views of one corpus.

    Args:
        settings: what to compute.
        layers: the L target layers.
        state: whose rows the views are of.
        keepers: what is kept from one evaluation to the next.
    """

    def __init__(self, settings: Settings, layers: list[int], state: State, keepers: Keepers) -> None:
        self._settings = settings
        self._layers = layers
        self._middle = layers.index(middle_layer(layers))
        self._state = state
        self._keepers = keepers

    def of_draft(self) -> Evaluator:
        """One that leaves no trace in what is kept."""
        return Evaluator(self._settings, self._layers, self._state, self._keepers.copy())

    def evaluate(self, view: View, change: Change = NOTHING) -> Evaluation:
        """Everything about a view; what is expensive as far as `change` demands."""
        return self._evaluate(view, change, self._without_vector(view))

    def settle(self, view: View, last: Evaluation) -> Iterator[None]:
        """Redo what is expensive where it is not of `view`, whose evaluation is `last`, in steps."""
        if not last.names:
            return
        yield from self._keepers.directions.settle(last.names, last.differences, self._state.spaces)
        shipped = self._shipped(self._directions(view, last.names, last.differences, NOTHING)[0])
        if self._keepers.neurons is not None:
            yield from self._keepers.neurons.settle(last.names, shipped)
        if not self._keepers.nulls.exact:
            self._keepers.nulls.draw(_counts(view, last.names), self._table(view, last.names))
            yield

    def _evaluate(self, view: View, change: Change, without: dict[str, str]) -> Evaluation:
        names = [name for name in view.groups if name not in without]
        if not names:
            nothing = torch.empty(len(self._layers), 0, self._state.rows.hidden)
            return Evaluation([], nothing, nothing, dict(sorted(without.items())), [], [])
        groups = [view.groups[name] for name in names]
        text_ids, counts = view.text_ids, _counts(view, names)
        sums = [view.sums(name) for name in names]
        differences = dirs.difference(dirs.contrast(sums, counts, view.total, len(text_ids)))
        directions, eigenvalues = self._directions(view, names, differences, change)
        shipped = self._shipped(directions)
        lost = (shipped.norm(dim=2) < UNIT).any(0).tolist()
        if any(lost):
            reason = "its stories read as all others do on average: there is no direction"
            more = {name: reason for name, is_lost in zip(names, lost, strict=True) if is_lost}
            return self._evaluate(view, change, without | more)
        table = self._table(view, names)
        neurons = self._keepers.neurons
        measures = [measure(group.centred, shipped[:, c]) for c, group in enumerate(groups)]
        evidence = Evidence(
            measures=measures,
            ratios=[group.ratios for group in groups],
            neurons=neurons.at(names, shipped, change.affected)
            if neurons is not None
            else [[[] for _ in names] for _ in self._layers],
            heads=self._state.heads.quality(
                [(view.heads(name), count) for name, count in zip(names, counts, strict=True)],
                view.total_heads,
                len(text_ids),
            ),
            eigenvalues=eigenvalues,
            nulls=self._keepers.nulls.at(
                counts, len(text_ids), max(change.came, change.went, bool(change.affected)), lambda: table
            ),
            settled=self._settled(names, differences, shipped),
        )
        positives = {name: view.groups[name].text_ids for name in names}
        qualities = concept_qualities(self._layers, positives, shipped, evidence)
        alignments = [found.alignments[self._middle].tolist() for found in measures]
        fits = story_fits(table.rows, table.member, text_ids, positives, alignments)
        return Evaluation(names, differences, shipped, dict(sorted(without.items())), qualities, fits)

    def _directions(
        self, view: View, names: Sequence[str], differences: Tensor, change: Change
    ) -> tuple[Tensor, Sequence[Sequence[list[float]]]]:
        def own() -> list[Tensor]:
            return [self._state.rows.take(view.groups[name].text_ids) for name in names]

        pointed = self._keepers.directions.at(
            names, own, differences, self._state.spaces, change.affected, change.came, change.went
        )
        return pointed.directions, pointed.eigenvalues

    def _shipped(self, directions: Tensor) -> Tensor:
        return dirs.shipped(dirs.normalise(directions))

    def _table(self, view: View, names: Sequence[str]) -> Table:
        text_ids = view.text_ids
        rows = self._state.rows.take_at(self._middle, text_ids)
        positives = {name: view.groups[name].text_ids for name in names}
        return Table(rows, membership(text_ids, positives).to(rows.device))

    def _settled(self, names: Sequence[str], differences: Tensor, shipped: Tensor) -> list[bool]:
        keepers = self._keepers
        return [
            keepers.nulls.exact
            and keepers.directions.exact(name, differences[:, c])
            and (keepers.neurons is None or keepers.neurons.exact(name, shipped[:, c]))
            for c, name in enumerate(names)
        ]

    def _without_vector(self, view: View) -> dict[str, str]:
        """Concepts that get no vector, each with the reason."""
        reasons = {}
        n_texts = len(view.text_ids)
        refused = self._state.spaces.refused if self._state.spaces is not None else set()
        for name, group in view.groups.items():
            count = len(group.text_ids)
            if count < self._settings.min_positives:
                reasons[name] = f"{count} of at least {self._settings.min_positives} stories"
            elif count == n_texts:
                reasons[name] = "nothing to contrast it with: there is no other concept and no baseline"
            elif refused.issuperset(group.text_ids):
                reasons[name] = "each of its stories has as many tokens as the model has dimensions: set subspace_k"
        return reasons


def _counts(view: View, names: Sequence[str]) -> list[int]:
    return [len(view.groups[name].text_ids) for name in names]
