"""Keeps the numbers that are too expensive to redo at every change, until they must be (`readout` contract, section 7).

Each keeper holds the numbers that it last computed, and what it computed them from. At a change it redoes the affected
concepts at once, and every concept whose direction can have moved by more than `TOLERANCE` since. `settle` redoes the
rest, in steps between which other work may go first. Settled numbers equal those of a run from nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from engine.compute.live import methods
from engine.compute.live.methods import Pointed
from engine.compute.live.spaces import Spaces
from engine.compute.statistics.neurons import Neurons
from engine.compute.statistics.nulls import nulls
from engine.compute.statistics.subspace import SHIFT
from engine.results import ConceptNulls
from engine.settings import Settings

TOLERANCE = 1e-4
"""Cosine distance that a direction may move before the numbers that depend on it are redone."""
SINE = (1 - (1 - TOLERANCE) ** 2) ** 0.5
"""The same, as the sine of the angle."""
SHARE_CHANGED = 0.02
"""Share of texts that may change before nulls are drawn anew: their quantiles rest on 40 draws and err by far more."""
CONCEPTS_PER_STEP = 16
"""Concepts solved in one step of settling."""

TopNeurons = list[list[list[tuple[int, float]]]]
"""Per layer and concept, the closest neurons."""


class NeuronKeeper:
    """The neurons closest to each concept's direction.

    Args:
        load: gives each target layer's neurons; called when they are first needed, since it takes the model's weights.
    """

    def __init__(self, load: Callable[[], Sequence[Neurons]]) -> None:
        self._load = load
        self._neurons: Sequence[Neurons] | None = None
        self._looked_up: dict[str, tuple[Tensor, list[list[tuple[int, float]]]]] = {}

    def at(self, names: Sequence[str], directions: Tensor, affected: Collection[str]) -> TopNeurons:
        """The neurons closest to the directions `[L, C, H]` of these concepts; forgets all other concepts."""
        moved = self._moved(names, directions)
        due = [c for c, name in enumerate(names) if name in affected or moved[c]]
        for _ in self._look(names, directions, due):
            pass
        self._looked_up = {name: self._looked_up[name] for name in names}
        return [[self._looked_up[name][1][position] for name in names] for position in range(len(directions))]

    def settle(self, names: Sequence[str], directions: Tensor) -> Iterator[None]:
        """Look up the neurons of every concept whose direction has changed at all."""
        return self._look(
            names, directions, [c for c, name in enumerate(names) if not self.exact(name, directions[:, c])]
        )

    def exact(self, name: str, direction: Tensor) -> bool:
        """Whether the concept's neurons were looked up for this very direction `[L, H]`."""
        return name in self._looked_up and torch.equal(self._looked_up[name][0], direction)

    def copy(self) -> NeuronKeeper:
        """A keeper that starts with the same neurons; what it looks up does not reach this one."""
        duplicate = copy(self)
        duplicate._looked_up = dict(self._looked_up)
        return duplicate

    def _moved(self, names: Sequence[str], directions: Tensor) -> list[bool]:
        """Which directions `[L, C, H]` are further than `TOLERANCE` from those that were looked up: `[C]`."""
        nowhere = torch.zeros_like(directions[:, 0])
        looked_up = torch.stack([self._looked_up[name][0] if name in self._looked_up else nowhere for name in names], 1)
        distances = 1 - torch.cosine_similarity(looked_up, directions, dim=2)
        has_moved: list[bool] = (distances.amax(0) > TOLERANCE).tolist()
        return has_moved

    def _look(self, names: Sequence[str], directions: Tensor, due: Sequence[int]) -> Iterator[None]:
        if not due:
            return
        if self._neurons is None:
            self._neurons = self._load()
        top_neurons = []
        for neurons, directions_at in zip(self._neurons, directions[:, due], strict=True):
            top_neurons.append(neurons.top(directions_at))
            yield
        for column, c in enumerate(due):
            self._looked_up[names[c]] = directions[:, c], [tops[column] for tops in top_neurons]


@dataclass(frozen=True)
class Table:
    """All texts at one layer, and which concepts each stands under."""

    rows: Tensor
    """`[M, H]`."""
    member: Tensor
    """`[M, C]`."""


class NullKeeper:
    """The nulls, by the number of a concept's stories."""

    def __init__(self, *, with_r_squared: bool) -> None:
        self._with_r_squared = with_r_squared
        self._nulls: dict[int, ConceptNulls] = {}
        self._n_concepts = 0
        self._changed = 0
        """Texts that came, went or stand under other concepts since the nulls were drawn."""

    def at(self, counts: Sequence[int], n_texts: int, changed: int, draw: Callable[[], Table]) -> list[ConceptNulls]:
        """The nulls of concepts of these sizes, drawn anew where too many texts have changed.

        Args:
            counts: stories of each concept.
            n_texts: texts of the corpus.
            changed: how many came, went or stand under other concepts since the last call.
            draw: gives the table to draw from; called only where nulls are drawn anew.
        """
        self._changed += changed
        are_drawn = self._n_concepts == len(counts) and all(count in self._nulls for count in counts)
        if not are_drawn or self._changed > SHARE_CHANGED * n_texts:
            self.draw(counts, draw())
        return [self._nulls[count] for count in counts]

    def draw(self, counts: Sequence[int], table: Table) -> None:
        """Draw the nulls anew."""
        drawn = nulls(table.rows, table.member, with_r_squared=self._with_r_squared)
        self._nulls = dict(zip(counts, drawn, strict=True))
        self._n_concepts, self._changed = len(counts), 0

    @property
    def exact(self) -> bool:
        """Whether the nulls are of the current texts."""
        return self._changed == 0

    def copy(self) -> NullKeeper:
        """A keeper that starts with the same nulls; what it draws does not reach this one."""
        return copy(self)


@dataclass(frozen=True)
class _Solved:
    """One concept's direction and spectrum, and what they were solved for."""

    direction: Tensor
    """`[L, H]`, not normalised."""
    eigenvalues: list[list[float]]
    difference: Tensor
    """`d0`: `[L, H]`."""
    added: int
    removed: int
    """Texts that had come to the corpus and left it by then."""


@dataclass
class DirectionKeeper:
    """Directions by the method that settings choose. Pooled and whitened directions are exact at every change.

    Directions from subspaces take eigensolves. An unaffected concept's `M_c` changes only by its negatives: with a
    texts added and r removed among now m, by at most `e = max(a, r) / m + |a - r| / m` in norm, since a mean projector
    lies between 0 and I. sigma = lambda_1 + 0.25 moves by no more, and the resolvent's norm is at most 4, so that the
    direction r turns by an angle whose sine is at most `4 (|change of d0| / |r| + 2 e)`. Sums of eigenvectors have no
    such bound.
    """

    settings: Settings
    _kept: dict[str, _Solved] = field(default_factory=dict)
    _added: int = 0
    _removed: int = 0
    _is_frozen: bool = False

    def frozen(self) -> DirectionKeeper:
        """A keeper that solves nothing: directions from subspaces stay as they are, those of new concepts are zero."""
        return replace(self, _kept=dict(self._kept), _is_frozen=True)

    def at(
        self,
        names: Sequence[str],
        own: Callable[[], Sequence[Tensor]],
        differences: Tensor,
        spaces: Spaces | None,
        affected: Collection[str],
        came: int = 0,
        went: int = 0,
    ) -> Pointed:
        """The directions of these concepts, whose `d0` are `differences` `[L, C, H]`; forgets all other concepts.

        Args:
            names: the concepts.
            own: gives their stories' activations, `[L, n, H]` each (method whitened).
            differences: `d0`.
            spaces: what stories span (method subspace).
            affected: concepts whose own texts changed.
            came: texts that came to the corpus with this change.
            went: texts that left it.
        """
        if spaces is None:
            return methods.point(self.settings, names, own() if self._whitens else (), differences, None)
        self._added += came
        self._removed += went
        due = [
            c
            for c, name in enumerate(names)
            if name in affected or self._may_have_turned(name, differences[:, c], spaces) > SINE
        ]
        if self._is_frozen:
            zeros = torch.zeros_like(differences[:, 0])
            unsolved = _Solved(zeros, [[] for _ in differences], zeros, self._added, self._removed)
            solved = [self._kept.get(name, unsolved) for name in names]
        else:
            self._solve(names, differences, spaces, due)
            self._kept = {name: self._kept[name] for name in names}
            solved = [self._kept[name] for name in names]
        return Pointed(
            torch.stack([concept.direction for concept in solved], 1),
            [[concept.eigenvalues[position] for concept in solved] for position in range(len(differences))],
        )

    def settle(self, names: Sequence[str], differences: Tensor, spaces: Spaces | None) -> Iterator[None]:
        """Solve for every concept whose direction may have turned at all, some at a time."""
        if spaces is None:
            return
        due = [c for c, name in enumerate(names) if not self.exact(name, differences[:, c])]
        for start in range(0, len(due), CONCEPTS_PER_STEP):
            self._solve(names, differences, spaces, due[start : start + CONCEPTS_PER_STEP])
            yield

    def exact(self, name: str, difference: Tensor) -> bool:
        """Whether the concept's direction is of the current texts."""
        if self.settings.method != "subspace":
            return True
        solved = self._kept.get(name)
        return (
            solved is not None
            and (solved.added, solved.removed) == (self._added, self._removed)
            and torch.equal(solved.difference, difference)
        )

    @property
    def _whitens(self) -> bool:
        return self.settings.method == "whitened"

    def _may_have_turned(self, name: str, difference: Tensor, spaces: Spaces) -> float:
        """A bound on the sine of the angle that the direction may have turned by; infinite where there is no bound."""
        solved = self._kept.get(name)
        if solved is None or self.settings.subspace_direction != "filter":
            return torch.inf if solved is None or not self.exact(name, difference) else 0.0
        n_others = spaces.n_others(name)
        came, went = self._added - solved.added, self._removed - solved.removed
        if came + went == 0:
            return 0.0 if torch.equal(solved.difference, difference) else torch.inf
        if n_others == 0:
            return torch.inf
        matrix_change = (max(came, went) + abs(came - went)) / n_others
        lengths = solved.direction.norm(dim=1)
        difference_change = (difference - solved.difference).norm(dim=1) / lengths.clamp_min(
            torch.finfo(lengths.dtype).tiny
        )
        return float((difference_change.max() + 2 * matrix_change) / SHIFT)

    def _solve(self, names: Sequence[str], differences: Tensor, spaces: Spaces, due: Sequence[int]) -> None:
        if not due:
            return
        due_names = [names[c] for c in due]
        pointed = methods.point(self.settings, due_names, (), differences[:, due], spaces)
        for column, c in enumerate(due):
            self._kept[names[c]] = _Solved(
                pointed.directions[:, column],
                [eigenvalues[column] for eigenvalues in pointed.eigenvalues],
                differences[:, c],
                self._added,
                self._removed,
            )
