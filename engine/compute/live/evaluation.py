"""Computes every number about one view of a corpus, in one place: directions, quality, fits."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace

import msgspec
import torch
from torch import Tensor

from engine.compute.live.assembly import Between, Findings, concept_qualities, story_fits
from engine.compute.live.deferred import DirectionKeeper, NeuronKeeper, NullKeeper, Table
from engine.compute.live.state import State, View
from engine.compute.statistics import directions as dirs
from engine.compute.statistics.leave_one_out import membership
from engine.compute.statistics.quality import linear_combinations, measure, nearest
from engine.results import ConceptQuality, StoryFit, middle_layer
from engine.settings import Settings

MIN_LENGTH = 0.5
"""A direction that is shorter than this after normalising was nothing but rounding."""


@dataclass
class Keepers:
    """The keepers of the expensive numbers."""

    directions: DirectionKeeper
    neurons: NeuronKeeper | None
    """None where directions are not compared with neurons."""
    nulls: NullKeeper

    def copy(self) -> Keepers:
        """Keepers with the same numbers, which do not change these; directions from subspaces stay as they are."""
        return Keepers(self.directions.frozen(), self.neurons.copy() if self.neurons else None, self.nulls.copy())


@dataclass(frozen=True)
class Change:
    """What led from one view to the next."""

    affected: Collection[str] = ()
    """Concepts whose own texts changed, or were read afresh."""
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
    fits: list[StoryFit]


class Evaluator:
    """Evaluates views of one corpus.

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

    def evaluate(self, view: View, change: Change = NO_CHANGE) -> Evaluation:
        """Everything about a view; expensive numbers are redone only as far as `change` demands."""
        return self._evaluate(view, change, self._without_vector(view))

    def settle(self, view: View, last: Evaluation) -> Generator[None, None, Evaluation]:
        """Redo, in steps, the expensive numbers that are not of `view`, whose evaluation is `last`.

        Only what was not settled is computed: directions that have not turned keep their stories' measures, and every
        story keeps its leave-one-out scores, which do not depend on expensive numbers.

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
        if keepers.neurons is not None:
            yield from keepers.neurons.settle(names, shipped)
        counts = _counts(view, names)
        if not keepers.nulls.exact:
            keepers.nulls.draw(counts, self._table(view, names))
            yield
        findings = replace(
            last.findings,
            neurons=self._neurons(names, shipped, ()),
            nulls=keepers.nulls.at(counts, len(view.text_ids), 0, lambda: self._table(view, names)),
            eigenvalues=eigenvalues,
            settled=self._settled(names, last.differences, shipped),
        )
        turned = (shipped != last.directions).any(2).any(0).tolist()
        fits = last.fits
        if any(turned):
            measures = [
                measure(view.groups[name].centred, shipped[:, c]) if turned[c] else last.findings.measures[c]
                for c, name in enumerate(names)
            ]
            findings = replace(findings, measures=measures, between=_between(shipped, names, self._middle_position))
            fits = self._realigned(view, last, findings)
        qualities = concept_qualities(self._layers, _positives(view, names), findings)
        return replace(last, directions=shipped, findings=findings, qualities=qualities, fits=fits)

    def _evaluate(self, view: View, change: Change, without: dict[str, str]) -> Evaluation:
        names = [name for name in view.groups if name not in without]
        if not names:
            no_vectors = torch.empty(len(self._layers), 0, self._state.rows.hidden)
            return Evaluation([], no_vectors, no_vectors, dict(sorted(without.items())), None, [], [])
        groups = [view.groups[name] for name in names]
        text_ids, counts = view.text_ids, _counts(view, names)
        sums = [view.sums(name) for name in names]
        differences = dirs.difference(dirs.contrast(sums, counts, view.total, len(text_ids)))
        directions, eigenvalues = self._directions(view, names, differences, change)
        shipped = self._shipped(directions)
        lost = _lost(shipped).tolist()
        if any(lost):
            reason = "its stories read as all others do on average: there is no direction"
            without_direction = {name: reason for name, is_lost in zip(names, lost, strict=True) if is_lost}
            return self._evaluate(view, change, without | without_direction)
        table = self._table(view, names)
        findings = Findings(
            measures=[measure(group.centred, shipped[:, c]) for c, group in enumerate(groups)],
            ratios=[group.ratios for group in groups],
            neurons=self._neurons(names, shipped, change.affected),
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
            between=_between(shipped, names, self._middle_position),
        )
        positives = _positives(view, names)
        alignments = [measures.alignments[self._middle_position].tolist() for measures in findings.measures]
        return Evaluation(
            names=names,
            differences=differences,
            directions=shipped,
            without=dict(sorted(without.items())),
            findings=findings,
            qualities=concept_qualities(self._layers, positives, findings),
            fits=story_fits(table.rows, table.member, text_ids, positives, alignments),
        )

    def _realigned(self, view: View, last: Evaluation, findings: Findings) -> list[StoryFit]:
        """The last fits with the alignments of `findings`."""
        alignments = {
            (name, text_id): alignment
            for name, measures in zip(last.names, findings.measures, strict=True)
            for text_id, alignment in zip(
                view.groups[name].text_ids, measures.alignments[self._middle_position].tolist(), strict=True
            )
        }
        return [msgspec.structs.replace(fit, alignment=alignments[fit.concept, fit.text_id]) for fit in last.fits]

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
        self, names: Sequence[str], shipped: Tensor, affected: Collection[str]
    ) -> list[list[list[tuple[int, float]]]]:
        if self._keepers.neurons is None:
            return [[[] for _ in names] for _ in self._layers]
        return self._keepers.neurons.at(names, shipped, affected)

    def _table(self, view: View, names: Sequence[str]) -> Table:
        text_ids = view.text_ids
        rows = self._state.rows.take_at(self._middle_position, text_ids)
        return Table(rows, membership(text_ids, _positives(view, names)).to(rows.device))

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


def _lost(shipped: Tensor) -> Tensor:
    """Which of the directions `[L, C, H]` are nothing but rounding at some block: `[C]`."""
    is_lost: Tensor = (shipped.norm(dim=2) < MIN_LENGTH).any(0)
    return is_lost


def _between(shipped: Tensor, names: Sequence[str], middle_position: int) -> Between:
    return Between(
        combinations=[linear_combinations(directions, names) for directions in shipped],
        neighbours=nearest(shipped[middle_position], names),
    )


def _positives(view: View, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {name: view.groups[name].text_ids for name in names}


def _counts(view: View, names: Sequence[str]) -> list[int]:
    return [len(view.groups[name].text_ids) for name in names]
