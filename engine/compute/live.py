"""One corpus's live state: `apply` a set of stories, get the results. Export and the live engine both run this."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute import directions as dirs
from engine.compute.fits import membership, story_fits
from engine.compute.forward import Extractor
from engine.compute.head_rows import HeadRows
from engine.compute.layers import target_layers
from engine.compute.models import LoadedModel
from engine.compute.neurons import Neurons
from engine.compute.nulls import nulls
from engine.compute.quality import concept_qualities, measure, variance_ratios
from engine.compute.reading import extractor_for
from engine.compute.rows import Rows
from engine.compute.source import Progress, Source, Tally, silent
from engine.compute.spaces import Cell, Spaces
from engine.compute.store import Store
from engine.compute.subspace import filtered, top_k
from engine.compute.whitening import whitened
from engine.errors import AmygdalaError
from engine.results import ConceptNulls, ConceptQuality, Results, StoryFit, Work, middle_layer
from engine.settings import Settings
from engine.work import Placement

DIRECTIONS = {
    "pooled": "difference of means, of unit length",
    "whitened": "difference of means, whitened by the covariance within concepts, of unit length: a "
    "discriminant, for reading; to steer by, take the method pooled",
    "filter": "difference of means, filtered by the spectrum of the difference of mean projectors: "
    "(sigma I - M)^-1 d0 with sigma = lambda_1 + 0.25, of unit length",
    "top-k": "sum of the top eigenvectors of the difference of mean projectors, each times its "
    "eigenvalue and the sign of its product with the difference of means, of unit length",
}
"""By method, or by direction of the method subspace."""


@dataclass(frozen=True)
class Readout:
    """The vectors that ship: row c of `vectors[layer]` (`[C, H]`, fp16, CPU) is `concepts[c]`'s unit direction."""

    concepts: list[str]
    layers: list[int]
    hidden_size: int
    vectors: dict[int, Tensor]
    norms: dict[int, list[float]]
    """Per layer, the length of each concept's difference of means before it was made a unit vector."""


@dataclass
class _Group:
    """One concept's share of the state: what follows from its own texts alone."""

    text_ids: tuple[str, ...]
    sums: Tensor
    """`[L, H]`, fp64."""
    ratios: list[list[float]]
    """Variance ratios per layer."""
    heads: tuple[Tensor, Tensor]
    """`power_sums` of attention outputs, all layers in a row."""


class LiveCorpus:
    """The vectors and the quality of one corpus under one model, kept exact from change to change.

    Only texts not seen before go through the model, and only concepts whose texts changed get new sums and spectra;
    every direction follows from the sums, so all of them are exact after every `apply`.
    """

    def __init__(
        self, model: LoadedModel, settings: Settings, store: Store, layers: Sequence[int] | None = None
    ) -> None:
        self.layers = list(layers or target_layers(settings, model.anatomy.n_blocks) or [])
        if not self.layers:
            raise ValueError("target_layers is 'auto': choose them first (reading.layers_for)")
        self._settings = settings
        self._extractor = extractor_for(model, self.layers, settings)
        self._source = Source(self._extractor, store, keep_tokens=self._extractor.keep_tokens)
        self.hidden_size = model.anatomy.hidden_size
        self._rows = Rows(len(self.layers), self.hidden_size, model.device)
        self._neurons = [Neurons(model.anatomy.down_projections(layer)) for layer in self.layers]
        self._heads = HeadRows(
            [model.anatomy.head_width(layer) for layer in self.layers],
            [model.anatomy.head_dim(layer) for layer in self.layers],
            model.device,
        )
        self._spaces = (
            Spaces(len(self.layers), self.hidden_size, settings.subspace_k, model.device)
            if settings.method == "subspace"
            else None
        )
        self._groups: dict[str, _Group] = {}
        self._truncated: set[str] = set()
        self._names: list[str] = []
        self._directions = torch.empty(len(self.layers), 0, self.hidden_size)
        self._norms = torch.empty(len(self.layers), 0)

    @property
    def extractor(self) -> Extractor:
        """How texts are read, for provenance."""
        return self._extractor

    @property
    def directions_are(self) -> str:
        """What the vectors are, in words, for whoever loads them."""
        method = self._settings.method
        return DIRECTIONS[self._settings.subspace_direction if method == "subspace" else method]

    @property
    def warnings(self) -> list[str]:
        """What of this model cannot be looked at."""
        blind = [layer for layer, neurons in zip(self.layers, self._neurons, strict=True) if not neurons]
        mixers = [layer for layer in self.layers if not self._extractor.model.anatomy.head_width(layer)]
        return [
            *([f"blocks {blind}: no down projection found, so neurons are not compared"] if blind else []),
            *([f"blocks {mixers}: no attention output projection found, so heads are not compared"] if mixers else []),
        ]

    def apply(
        self,
        placements: Sequence[Placement],
        texts: Mapping[str, str],
        *,
        fresh: Collection[str] = (),
        progress: Progress = silent,
    ) -> Results:
        """Make the state that of exactly these stories.

        Args:
            placements: every story of the corpus: its text's id and its concept (None for a baseline).
            texts: text by id, of all of them.
            fresh: ids that go through the model even if it has seen them.
            progress: told as the forward pass goes on.

        Raises:
            AmygdalaError: there is nothing to contrast, or the model gives values that are not finite.
        """
        started = time.perf_counter()
        used = {placement.text_id for placement in placements}
        cells = _cells(placements)
        rebuilt = self._spaces.begin(cells, fresh) if self._spaces else set()
        wanted = [id for id in sorted(used) if id not in self._rows or id in fresh or id in rebuilt]
        tally = Tally()
        for text_id, activation in self._source.fetch({id: texts[id] for id in wanted}, fresh, progress, tally):
            self._rows.set(text_id, activation.x)
            self._heads.set(text_id, activation.heads)
            (self._truncated.add if activation.truncated else self._truncated.discard)(text_id)
            if self._spaces is not None and activation.tokens is not None:
                self._spaces.add(text_id, activation.tokens)
        if self._spaces is not None:
            self._spaces.finish()
        self._rows.keep_only(used)
        self._heads.keep_only(used)
        self._truncated &= used
        positives = _positives(cells)
        self._regroup(positives, fresh)
        without = self._without_vector(positives, len(used))
        names = [name for name in sorted(positives) if name not in without]
        concepts, fits = self._evaluate(names, sorted(used))
        return Results(
            layers=self.layers,
            hidden_size=self.hidden_size,
            concepts=concepts,
            fits=fits,
            without_vector=without,
            without_subspace=sorted(self._spaces.refused) if self._spaces else [],
            truncated=sorted(self._truncated),
            max_tokens=self._extractor.max_length,
            work=Work(
                texts_run=tally.n_run,
                texts_cached=tally.n_cached,
                seconds_forward=tally.seconds,
                seconds_statistics=time.perf_counter() - started - tally.seconds,
            ),
        )

    def readout(self) -> Readout:
        """The vectors of the state, in the order of `Results.concepts`.

        Raises:
            AmygdalaError: there is none, or one is not finite.
        """
        vectors = self._directions.half().cpu()
        if not self._names:
            raise AmygdalaError("no concept has a vector, so there is nothing to export")
        if not vectors.isfinite().all():
            raise AmygdalaError("a vector is not finite; nothing was written")
        return Readout(
            concepts=self._names,
            layers=self.layers,
            hidden_size=self.hidden_size,
            vectors=dict(zip(self.layers, vectors, strict=True)),
            norms=dict(zip(self.layers, self._norms.tolist(), strict=True)),
        )

    def _regroup(self, positives: Mapping[str, tuple[str, ...]], fresh: Collection[str]) -> None:
        """Redo what depends on a concept's own texts, for the concepts whose texts changed."""
        kept = {
            name: group
            for name, group in self._groups.items()
            if positives.get(name) == group.text_ids and not any(text_id in fresh for text_id in group.text_ids)
        }
        for name in positives.keys() - kept.keys():
            rows = self._rows.take(positives[name])
            kept[name] = _Group(
                positives[name],
                dirs.row_sum(rows),
                [variance_ratios(layer) for layer in rows],
                self._heads.sums(positives[name]),
            )
        self._groups = kept

    def _without_vector(self, positives: Mapping[str, tuple[str, ...]], n_texts: int) -> dict[str, str]:
        reasons = {}
        for name, text_ids in sorted(positives.items()):
            if len(text_ids) < self._settings.min_positives:
                reasons[name] = f"{len(text_ids)} of at least {self._settings.min_positives} stories"
            elif len(text_ids) == n_texts:
                reasons[name] = "nothing to contrast it with: there is no other concept and no baseline"
        return reasons

    def _evaluate(self, names: list[str], all_ids: list[str]) -> tuple[list[ConceptQuality], list[StoryFit]]:
        """Directions, and from them every number, of the concepts that have a vector."""
        self._names = names
        if not names:
            self._directions = self._directions[:, :0]
            return [], []
        groups = [self._groups[name] for name in names]
        rows = self._rows.take(all_ids)
        sums = dirs.contrast(
            [g.sums for g in groups], [len(g.text_ids) for g in groups], dirs.row_sum(rows), len(all_ids)
        )
        differences = dirs.difference(sums)
        self._norms = differences.norm(dim=2)
        own = [self._rows.take(group.text_ids) for group in groups]  # per concept [L, n, H]
        pointing, eigenvalues = self._point(names, own, differences)
        self._directions = dirs.shipped(dirs.normalise(pointing))
        measures = [measure(rows_of, self._directions[:, c]) for c, rows_of in enumerate(own)]
        middle = self.layers.index(middle_layer(self.layers))
        positives = {name: group.text_ids for name, group in zip(names, groups, strict=True)}
        qualities = concept_qualities(
            names,
            self.layers,
            measures,
            [group.text_ids for group in groups],
            self._directions,
            [group.ratios for group in groups],
            self._neurons,
            heads=self._heads.quality([(group.heads, len(group.text_ids)) for group in groups], all_ids),
            eigenvalues=eigenvalues,
            nulls=self._nulls(rows[middle], membership(all_ids, positives).to(rows.device)),
        )
        alignments = [found.alignments[middle].tolist() for found in measures]
        return qualities, story_fits(rows[middle], all_ids, positives, alignments)

    def _nulls(self, rows: Tensor, member: Tensor) -> list[ConceptNulls]:
        """At one layer; shuffling makes pooled directions, so other methods' R² has none to be held against."""
        found = nulls(rows, member)
        pooled = self._settings.method == "pooled"
        return found if pooled else [ConceptNulls(first_pc=null.first_pc, r_squared=None) for null in found]

    def _point(
        self, names: Sequence[str], own: Sequence[Tensor], differences: Tensor
    ) -> tuple[Tensor, list[list[list[float]]]]:
        """Where each concept's vector points, `[L, C, H]`, and for the method subspace eigenvalues, `[L][C][20]`."""
        match self._settings.method:
            case "whitened":
                layers = [
                    whitened([rows[i] for rows in own], layer, self._settings.shrinkage)
                    for i, layer in enumerate(differences)
                ]
                return torch.stack(layers), []
            case "subspace":
                assert self._spaces is not None
                spaces = [self._spaces.at(i, names) for i in range(len(self.layers))]
                if self._settings.subspace_direction == "filter":
                    solved = [filtered(space, layer) for space, layer in zip(spaces, differences, strict=True)]
                else:
                    count = self._settings.subspace_eigen_k
                    solved = [top_k(space, layer, count) for space, layer in zip(spaces, differences, strict=True)]
                return torch.stack([found.directions for found in solved]), [
                    found.eigenvalues.tolist() for found in solved
                ]
        return differences, []


def _cells(placements: Sequence[Placement]) -> dict[Cell, tuple[str, ...]]:
    """The unique texts, sorted by id, by the exact set of concepts they stand under."""
    concepts: dict[str, set[str]] = {}
    for placement in placements:
        concepts.setdefault(placement.text_id, set()).update([placement.concept] if placement.concept else [])
    found: dict[Cell, list[str]] = {}
    for text_id in sorted(concepts):
        found.setdefault(tuple(sorted(concepts[text_id])), []).append(text_id)
    return {cell: tuple(text_ids) for cell, text_ids in found.items()}


def _positives(cells: Mapping[Cell, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """`P_c`: each concept's unique texts, sorted by id."""
    found: dict[str, list[str]] = {}
    for cell, text_ids in cells.items():
        for concept in cell:
            found.setdefault(concept, []).extend(text_ids)
    return {concept: tuple(sorted(text_ids)) for concept, text_ids in found.items()}
