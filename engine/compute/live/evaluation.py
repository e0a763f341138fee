"""Computes every number about one view of a corpus, in one place: directions, quality, fits."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.compute.live import fits as fitting
from engine.compute.live.assembly import Findings, LayerFindings, concept_qualities
from engine.compute.live.deferred import (
    DirectionKeeper,
    NeuronKeeper,
    NullKeeper,
    Ranking,
    RatioKeeper,
    Table,
)
from engine.compute.live.fits import Fits, Scoring
from engine.compute.live.state import State, View
from engine.compute.statistics import directions as dirs
from engine.compute.statistics.leave_one_out import membership
from engine.compute.statistics.quality import StoryMeasures, linear_combinations, measure, nearest
from engine.compute.statistics.steps import run
from engine.results import ConceptQuality, middle_layer
from engine.settings import Settings

MIN_LENGTH = 0.5
"""A direction that is shorter than this after normalising was nothing but rounding."""


@dataclass
class Keepers:
    """The keepers of the expensive numbers."""

    directions: DirectionKeeper
    ratios: RatioKeeper
    neurons: NeuronKeeper | None
    """None where directions are not compared with neurons."""
    nulls: NullKeeper

    def copy(self) -> Keepers:
        """Keepers with the same numbers, which do not change these; directions from subspaces stay as they are."""
        return Keepers(
            self.directions.frozen(),
            self.ratios.copy(),
            self.neurons.copy() if self.neurons else None,
            self.nulls.copy(),
        )


@dataclass(frozen=True)
class Change:
    """What led from one view to the next."""

    affected: Collection[str] = ()
    """Concepts whose own texts changed, or were read afresh."""
    renewed: Collection[str] = ()
    """Texts that were read afresh."""
    came: int = 0
    """Texts that the corpus did not have before, or that were read afresh."""
    went: int = 0
    """Texts that the corpus no longer has, or that were read afresh."""


NO_CHANGE = Change()


@dataclass(frozen=True)
class Evaluation:
    """All numbers about one view."""

    names: list[str]
    """The concepts that have a vector, sorted."""
    differences: Tensor
    """`d0`: `[L, C, H]`, fp64."""
    directions: Tensor
    """`[L, C, H]`, fp64, rounded as they ship."""
    without: dict[str, str]
    """Concepts that get no vector, each with the reason."""
    findings: Findings | None
    """What the qualities were gathered from; None where no concept has a vector."""
    qualities: list[ConceptQuality]
    fits: Fits

    @property
    def is_settled(self) -> bool:
        """Whether all numbers are of the current texts."""
        return self.fits.are_settled and all(quality.settled for quality in self.qualities)


class Evaluator:
    """Evaluates views of one corpus.

    After a change, the directions are exact at all target layers. What is said of concepts is redone at the middle
    layer, which triage reads; how stories lie to a direction, only where a concept's own texts changed. Stories' fits
    are redone for the texts that changed. The rest waits until it settles.

    Args:
        settings: what to compute.
        layers: the L target blocks.
        state: the state whose rows the views are of.
        keepers: these keep the expensive numbers from one evaluation to the next.
    """

    def __init__(self, settings: Settings, layers: list[int], state: State, keepers: Keepers) -> None:
        self._settings = settings
        self._layers = layers
        self._middle_position = layers.index(middle_layer(layers))
        self._state = state
        self._keepers = keepers

    def of_draft(self) -> Evaluator:
        """An evaluator that leaves the keepers as they are."""
        return Evaluator(self._settings, self._layers, self._state, self._keepers.copy())

    def evaluate(self, view: View, change: Change = NO_CHANGE, last: Evaluation | None = None) -> Evaluation:
        """Everything about a view.

        Args:
            view: what to evaluate.
            change: what led to it.
            last: the evaluation before the change; without it, all is of this view.
        """
        return self._evaluate(view, change, last, self._without_vector(view))

    def settle(self, view: View, last: Evaluation) -> Generator[None, None, Evaluation]:
        """Redo, in steps, the numbers that are not of `view`, whose evaluation is `last`.

        Returns:
            The settled evaluation.
        """
        if last.findings is None:
            return last
        keepers, names = self._keepers, last.names
        yield from keepers.directions.settle(names, last.differences, self._state.spaces)
        directions, eigenvalues = self._directions(view, names, last.differences, NO_CHANGE)
        shipped = self._shipped(directions)
        if _lost(shipped).any():  # a concept has lost its direction, so the set of concepts is another one
            return self.evaluate(view)
        turned = (shipped != last.directions).flatten(1).any(1).tolist()
        layers = list(last.findings.layers)
        for position, has_turned in enumerate(turned):
            if has_turned or position not in last.findings.current:
                layers[position] = self._at_layer(view, names, position, shipped)
                yield
            neurons = self._neurons(position, names, shipped[position], (), exactly=True)
            layers[position] = replace(layers[position], neurons=neurons)
        counts = _counts(view, names)
        if not keepers.nulls.exact:
            keepers.nulls.draw(counts, self._table(view, names))
            yield
        fits = last.fits
        if not fits.are_settled or turned[self._middle_position]:
            fits = yield from fitting.settled(self._scoring(view, names, layers), view.text_ids)
        findings = Findings(
            layers=layers,
            current=frozenset(range(len(layers))),
            eigenvalues=eigenvalues,
            nulls=keepers.nulls.at(counts, view.n_texts, 0, lambda: self._table(view, names)),
            neighbours=nearest(shipped[self._middle_position], names),
            settled=[True] * len(names),
        )
        qualities = concept_qualities(self._layers, _positives(view, names), findings)
        return replace(last, directions=shipped, findings=findings, qualities=qualities, fits=fits)

    def _evaluate(self, view: View, change: Change, last: Evaluation | None, without: dict[str, str]) -> Evaluation:
        names = [name for name in view.groups if name not in without]
        if not names:
            no_vectors = torch.empty(len(self._layers), 0, self._state.rows.hidden)
            return Evaluation([], no_vectors, no_vectors, dict(sorted(without.items())), None, [], Fits({}))
        n_texts, counts = view.n_texts, _counts(view, names)
        sums = [view.sums(name) for name in names]
        differences = dirs.difference(dirs.contrast(sums, counts, view.total, n_texts))
        directions, eigenvalues = self._directions(view, names, differences, change)
        shipped = self._shipped(directions)
        lost = _lost(shipped).tolist()
        if any(lost):
            reason = "its stories read as all others do on average: there is no direction"
            without_direction = {name: reason for name, is_lost in zip(names, lost, strict=True) if is_lost}
            return self._evaluate(view, change, last, without | without_direction)
        if last is None or last.findings is None or last.names != names:
            current = frozenset(range(len(self._layers)))
            layers = [self._at_layer(view, names, position, shipped, change.affected) for position in sorted(current)]
            fits = run(fitting.settled(self._scoring(view, names, layers), view.text_ids))
        else:
            current, layers = frozenset[int](), list(last.findings.layers)
            middle, measures = self._middle_position, layers[self._middle_position].measures
            layers[middle] = self._at_layer(view, names, middle, shipped, change.affected, measures)
            fits = fitting.changed(last.fits, self._scoring(view, names, layers), change.affected, set(change.renewed))
        n_changed = max(change.came, change.went, bool(change.affected))
        nulls = self._keepers.nulls.at(counts, n_texts, n_changed, lambda: self._table(view, names))
        are_whole = fits.are_settled and len(current) == len(layers) and self._keepers.nulls.exact
        findings = Findings(
            layers=layers,
            current=current,
            eigenvalues=eigenvalues,
            nulls=nulls,
            neighbours=nearest(shipped[self._middle_position], names),
            settled=[
                are_whole and self._is_exact(name, differences[:, c], shipped[:, c]) for c, name in enumerate(names)
            ],
        )
        return Evaluation(
            names=names,
            differences=differences,
            directions=shipped,
            without=dict(sorted(without.items())),
            findings=findings,
            qualities=concept_qualities(self._layers, _positives(view, names), findings),
            fits=fits,
        )

    def _at_layer(
        self,
        view: View,
        names: Sequence[str],
        position: int,
        shipped: Tensor,
        affected: Collection[str] = (),
        earlier: Sequence[StoryMeasures] | None = None,
    ) -> LayerFindings:
        """What is said of these concepts at the layer of this position.

        Args:
            view: what it is said of.
            names: the C concepts.
            position: the layer's place among the target layers.
            shipped: the directions, `[L, C, H]`.
            affected: concepts whose own texts changed.
            earlier: the measures of an earlier view, kept for concepts that are not affected; None to make all anew.
        """
        groups = {name: view.groups[name] for name in names}
        directions = shipped[position]
        return LayerFindings(
            measures=[
                measure(group.centred, position, directions[c]) if earlier is None or name in affected else earlier[c]
                for c, (name, group) in enumerate(groups.items())
            ],
            ratios=self._keepers.ratios.at(
                position, groups, lambda group: self._state.rows.take_at(position, group.text_ids)
            ),
            neurons=self._neurons(position, names, directions, affected),
            heads=self._state.heads.quality(
                position,
                [(view.heads(name), len(group.text_ids)) for name, group in groups.items()],
                view.total_heads,
                view.n_texts,
            ),
            combinations=linear_combinations(directions, names),
        )

    def _scoring(self, view: View, names: Sequence[str], layers: Sequence[LayerFindings]) -> Scoring:
        measures = layers[self._middle_position].measures
        return Scoring.of(self._state.rows, self._middle_position, view, names, measures)

    def _directions(
        self, view: View, names: Sequence[str], differences: Tensor, change: Change
    ) -> tuple[Tensor, Sequence[Sequence[list[float]]]]:
        def rows() -> list[Tensor]:
            return [self._state.rows.take(view.groups[name].text_ids) for name in names]

        pointed = self._keepers.directions.at(
            names, rows, differences, self._state.spaces, change.affected, change.came, change.went
        )
        return pointed.directions, pointed.eigenvalues

    def _shipped(self, directions: Tensor) -> Tensor:
        return dirs.shipped(dirs.normalise(directions))

    def _neurons(
        self,
        position: int,
        names: Sequence[str],
        directions: Tensor,
        affected: Collection[str],
        *,
        exactly: bool = False,
    ) -> list[Ranking]:
        if self._keepers.neurons is None:
            return [[] for _ in names]
        return self._keepers.neurons.at(position, names, directions, affected, exactly=exactly)

    def _table(self, view: View, names: Sequence[str]) -> Table:
        text_ids = view.text_ids
        rows = self._state.rows.take_at(self._middle_position, text_ids)
        return Table(rows, membership(text_ids, _positives(view, names)).to(rows.device))

    def _is_exact(self, name: str, differences: Tensor, shipped: Tensor) -> bool:
        """Whether direction and neurons of a concept are those of its `d0` and of its direction, `[L, H]` each."""
        neurons = self._keepers.neurons
        return self._keepers.directions.exact(name, differences) and (
            neurons is None
            or all(neurons.exact(position, name, direction) for position, direction in enumerate(shipped))
        )

    def _without_vector(self, view: View) -> dict[str, str]:
        """Concepts that get no vector, each with the reason."""
        reasons = {}
        n_texts = view.n_texts
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


def _lost(shipped: Tensor) -> Tensor:
    """Which of the directions `[L, C, H]` are nothing but rounding at some block: `[C]`."""
    is_lost: Tensor = (shipped.norm(dim=2) < MIN_LENGTH).any(0)
    return is_lost


def _positives(view: View, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {name: view.groups[name].text_ids for name in names}


def _counts(view: View, names: Sequence[str]) -> list[int]:
    return [len(view.groups[name].text_ids) for name in names]
