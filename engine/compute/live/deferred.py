"""Keeps the numbers that are too expensive to redo at every change, until they must be (`readout` contract, section 7).

Each keeper holds the numbers that it last computed, and what it computed them from. At a change it redoes the affected
concepts at once, and every concept whose direction can have moved by more than `TOLERANCE` since. `settle` redoes the
rest, in steps between which other work may go first. Settled numbers equal those of a run from nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from engine.compute.live import methods
from engine.compute.live.methods import Pointed
from engine.compute.live.spaces import Spaces
from engine.compute.live.state import Group
from engine.compute.statistics.neurons import Neurons
from engine.compute.statistics.nulls import nulls
from engine.compute.statistics.quality import variance_ratios
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

Ranking = list[tuple[int, float]]
"""The neurons closest to one direction, with their cosines."""


class RatioKeeper:
    """The variance ratios of each concept's stories, which take an eigenproblem as wide as the concept has stories."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], tuple[Group, list[float]]] = {}

    def at(self, position: int, groups: Mapping[str, Group], rows: Callable[[Group], Tensor]) -> list[list[float]]:
        """The ratios of these concepts at the layer of this position, redone where their texts changed.

        Args:
            position: the layer's place among the target layers.
            groups: by concept.
            rows: gives a concept's activations at this layer, `[n, H]`.
        """
        for name, group in groups.items():
            if self._kept.get((position, name), (None,))[0] is not group:
                self._kept[position, name] = group, variance_ratios(rows(group))
        self._kept = {key: kept for key, kept in self._kept.items() if key[1] in groups}
        return [self._kept[position, name][1] for name in groups]

    def copy(self) -> RatioKeeper:
        """A keeper that starts with the same ratios; what it redoes does not reach this one."""
        duplicate = RatioKeeper()
        duplicate._kept = dict(self._kept)
        return duplicate


class NeuronKeeper:
    """The neurons closest to each concept's direction.

    Args:
        load: gives each target layer's neurons; called when they are first needed, since it takes the model's weights.
    """

    def __init__(self, load: Callable[[], Sequence[Neurons]]) -> None:
        self._load = load
        self._neurons: Sequence[Neurons] | None = None
        self._looked_up: dict[tuple[int, str], tuple[Tensor, Ranking]] = {}
        """By the layer's position and the concept: for which direction, and what was closest to it."""

    def at(
        self,
        position: int,
        names: Sequence[str],
        directions: Tensor,
        affected: Collection[str],
        *,
        exactly: bool = False,
    ) -> list[Ranking]:
        """The neurons closest to each concept's direction at one layer; forgets all other concepts.

        Args:
            position: the layer's place among the target layers.
            names: the C concepts.
            directions: theirs, `[C, H]`.
            affected: concepts whose own texts changed; theirs are looked up anew.
            exactly: look up every direction that has changed at all, and not only what moved by more than `TOLERANCE`.
        """
        if exactly:
            moved = [not self.exact(position, name, directions[c]) for c, name in enumerate(names)]
        else:
            moved = (self._distances(position, names, directions) > TOLERANCE).tolist()
        due = [c for c, name in enumerate(names) if name in affected or moved[c]]
        if due:
            self._neurons = self._neurons or self._load()
            for c, top in zip(due, self._neurons[position].top(directions[due]), strict=True):
                self._looked_up[position, names[c]] = directions[c], top
        kept_names = set(names)
        self._looked_up = {key: kept for key, kept in self._looked_up.items() if key[1] in kept_names}
        return [self._looked_up[position, name][1] for name in names]

    def exact(self, position: int, name: str, direction: Tensor) -> bool:
        """Whether the concept's neurons were looked up for this very direction `[H]`."""
        key = position, name
        return key in self._looked_up and torch.equal(self._looked_up[key][0], direction)

    def copy(self) -> NeuronKeeper:
        """A keeper that starts with the same neurons; what it looks up does not reach this one."""
        duplicate = copy(self)
        duplicate._looked_up = dict(self._looked_up)
        return duplicate

    def _distances(self, position: int, names: Sequence[str], directions: Tensor) -> Tensor:
        """Cosine distance of each direction `[C, H]` from that which was looked up: `[C]`, 1 where none was."""
        nowhere = torch.zeros_like(directions[0])
        looked_up = torch.stack([self._looked_up.get((position, name), (nowhere,))[0] for name in names])
        return 1 - torch.cosine_similarity(looked_up, directions, dim=1)


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

        A size that was not drawn takes the nulls of the nearest one that was, until they are settled.

        Args:
            counts: stories of each concept.
            n_texts: texts of the corpus.
            changed: how many came, went or stand under other concepts since the last call.
            draw: gives the table to draw from; called only where nulls are drawn anew.
        """
        self._changed += changed
        if self._n_concepts != len(counts) or self._changed > SHARE_CHANGED * n_texts:
            self.draw(counts, draw())
        return [self._nulls[min(self._nulls, key=lambda drawn: abs(drawn - count))] for count in counts]

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
