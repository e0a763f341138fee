"""What is too expensive to redo for every concept at every change, and when it must be (`readout` contract, section 7).

Each keeper holds what it last worked out, and from what. At a change, affected concepts are redone at once; so is
any concept whose direction can have moved by more than `TOLERANCE` since. `settle` redoes the rest, in steps between
which other work may go first; what is settled equals a run from nothing.
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
"""Cosine distance that a direction may have moved by until what hangs on it is redone."""
SINE = (1 - (1 - TOLERANCE) ** 2) ** 0.5
"""The same, as the sine of the angle."""
SHARE_CHANGED = 0.02
"""Texts that may change until nulls are drawn anew: their quantiles rest on 40 draws, which err by far more."""
AT_ONCE = 16
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
        self._blocks: Sequence[Neurons] | None = None
        self._kept: dict[str, tuple[Tensor, list[list[tuple[int, float]]]]] = {}

    def at(self, names: Sequence[str], directions: Tensor, affected: Collection[str]) -> TopNeurons:
        """For the directions `[L, C, H]` of these concepts; drops what is kept of others."""
        moved = self._moved(names, directions)
        due = [c for c, name in enumerate(names) if name in affected or moved[c]]
        for _ in self._look(names, directions, due):
            pass
        self._kept = {name: self._kept[name] for name in names}
        return [[self._kept[name][1][layer] for name in names] for layer in range(len(directions))]

    def settle(self, names: Sequence[str], directions: Tensor) -> Iterator[None]:
        """Look up all whose direction is not what it was."""
        return self._look(
            names, directions, [c for c, name in enumerate(names) if not self.exact(name, directions[:, c])]
        )

    def exact(self, name: str, direction: Tensor) -> bool:
        """Whether what is kept is of this very direction `[L, H]`."""
        return name in self._kept and torch.equal(self._kept[name][0], direction)

    def copy(self) -> NeuronKeeper:
        """One that may learn more without this one's knowing."""
        other = copy(self)
        other._kept = dict(self._kept)
        return other

    def _moved(self, names: Sequence[str], directions: Tensor) -> list[bool]:
        """Which of the directions `[L, C, H]` are not near enough to those that were looked up."""
        nowhere = torch.zeros_like(directions[:, 0])
        kept = torch.stack([self._kept[name][0] if name in self._kept else nowhere for name in names], 1)
        distances = 1 - torch.cosine_similarity(kept, directions, dim=2)
        found: list[bool] = (distances.amax(0) > TOLERANCE).tolist()
        return found

    def _look(self, names: Sequence[str], directions: Tensor, due: Sequence[int]) -> Iterator[None]:
        if not due:
            return
        if self._blocks is None:
            self._blocks = self._load()
        layers = []
        for block, layer in zip(self._blocks, directions[:, due], strict=True):
            layers.append(block.top(layer))
            yield
        for place, c in enumerate(due):
            self._kept[names[c]] = directions[:, c], [tops[place] for tops in layers]


@dataclass(frozen=True)
class Table:
    """All texts at one layer, and which concept each stands under."""

    rows: Tensor
    """`[M, H]`."""
    member: Tensor
    """`[M, C]`."""


class NullKeeper:
    """What chance gives, by the number of a concept's stories."""

    def __init__(self, *, with_r_squared: bool) -> None:
        self._with_r_squared = with_r_squared
        self._kept: dict[int, ConceptNulls] = {}
        self._n_concepts = 0
        self._changed = 0
        """Texts that came or went, or stand elsewhere, since they were drawn."""

    def at(self, counts: Sequence[int], n_texts: int, changed: int, draw: Callable[[], Table]) -> list[ConceptNulls]:
        """For concepts of these sizes.

        Args:
            counts: stories of each concept.
            n_texts: of the corpus.
            changed: how many came or went, or stand elsewhere, since the last call.
            draw: gives the table to draw from, where it is drawn anew.
        """
        self._changed += changed
        known = self._n_concepts == len(counts) and all(count in self._kept for count in counts)
        if not known or self._changed > SHARE_CHANGED * n_texts:
            self.draw(counts, draw())
        return [self._kept[count] for count in counts]

    def draw(self, counts: Sequence[int], table: Table) -> None:
        """Draw anew."""
        found = nulls(table.rows, table.member, with_r_squared=self._with_r_squared)
        self._kept = dict(zip(counts, found, strict=True))
        self._n_concepts, self._changed = len(counts), 0

    @property
    def exact(self) -> bool:
        """Whether they are of the texts as they are."""
        return self._changed == 0

    def copy(self) -> NullKeeper:
        """One that may be drawn anew without this one's knowing."""
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
    """Directions by the method that settings choose. Pooled and whitened ones are exact at every change.

    Those by subspaces take eigensolves. An unaffected concept's `M_c` changes only by its negatives: with a texts added
    and r removed among now m, by at most `e = max(a, r) / m + |a - r| / m` in norm, since a mean projector lies
    between 0 and I. sigma = lambda_1 + 0.25 moves by no more, and the resolvent's norm is at most 4, so that the
    direction r turns by an angle whose sine is at most `4 (|change of d0| / |r| + 2 e)`. Sums of eigenvectors have no
    such bound.
    """

    settings: Settings
    _kept: dict[str, _Solved] = field(default_factory=dict)
    _added: int = 0
    _removed: int = 0
    _is_frozen: bool = False

    def frozen(self) -> DirectionKeeper:
        """One that solves nothing: directions by subspaces are as they were, and none where there was none."""
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
        """For these concepts, whose `d0` are `differences` `[L, C, H]`; drops what is kept of others.

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
            nothing = torch.zeros_like(differences[:, 0])
            none = _Solved(nothing, [[] for _ in differences], nothing, self._added, self._removed)
            solved = [self._kept.get(name, none) for name in names]
        else:
            self._solve(names, differences, spaces, due)
            self._kept = {name: self._kept[name] for name in names}
            solved = [self._kept[name] for name in names]
        return Pointed(
            torch.stack([found.direction for found in solved], 1),
            [[found.eigenvalues[layer] for found in solved] for layer in range(len(differences))],
        )

    def settle(self, names: Sequence[str], differences: Tensor, spaces: Spaces | None) -> Iterator[None]:
        """Solve for all that may have turned at all, some at a time."""
        if spaces is None:
            return
        due = [c for c, name in enumerate(names) if not self.exact(name, differences[:, c])]
        for start in range(0, len(due), AT_ONCE):
            self._solve(names, differences, spaces, due[start : start + AT_ONCE])
            yield

    def exact(self, name: str, difference: Tensor) -> bool:
        """Whether the concept's direction is of the texts as they are."""
        if self.settings.method != "subspace":
            return True
        kept = self._kept.get(name)
        return (
            kept is not None
            and (kept.added, kept.removed) == (self._added, self._removed)
            and torch.equal(kept.difference, difference)
        )

    @property
    def _whitens(self) -> bool:
        return self.settings.method == "whitened"

    def _may_have_turned(self, name: str, difference: Tensor, spaces: Spaces) -> float:
        """The bound on the sine of the angle; infinite where there is none."""
        kept = self._kept.get(name)
        if kept is None or self.settings.subspace_direction != "filter":
            return torch.inf if kept is None or not self.exact(name, difference) else 0.0
        others = spaces.n_others(name)
        came, went = self._added - kept.added, self._removed - kept.removed
        if came + went == 0:
            return 0.0 if torch.equal(kept.difference, difference) else torch.inf
        if others == 0:
            return torch.inf
        moved = (max(came, went) + abs(came - went)) / others
        lengths = kept.direction.norm(dim=1)
        shift = (difference - kept.difference).norm(dim=1) / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)
        return float((shift.max() + 2 * moved) / SHIFT)

    def _solve(self, names: Sequence[str], differences: Tensor, spaces: Spaces, due: Sequence[int]) -> None:
        if not due:
            return
        wanted = [names[c] for c in due]
        found = methods.point(self.settings, wanted, (), differences[:, due], spaces)
        for place, c in enumerate(due):
            self._kept[names[c]] = _Solved(
                found.directions[:, place],
                [layer[place] for layer in found.eigenvalues],
                differences[:, c],
                self._added,
                self._removed,
            )
