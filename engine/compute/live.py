"""One corpus's live state: `apply` a set of stories, get the results. Export and the live engine both run this."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute import directions as dirs
from engine.compute.anatomy import unit_columns
from engine.compute.fits import leave_one_out, rivals
from engine.compute.forward import Extractor
from engine.compute.layers import parse_layers
from engine.compute.models import LoadedModel
from engine.compute.quality import concept_qualities, measure, variance_ratios
from engine.compute.rows import Rows
from engine.compute.source import Progress, Source, silent
from engine.compute.store import Store
from engine.errors import AmygdalaError
from engine.results import ConceptQuality, Results, StoryFit, Work, middle_layer
from engine.settings import EMBEDDED, Settings, require_supported
from engine.work import Placement

EMBEDDED_LAYERS = "1,2,3"
"""Where all-MiniLM-L6-v2 separates emotions best, with mean pooling: leave-one-out AUROC 0.92, 0.91, 0.90
(`benchmarks/separation.py`, on 3,000 stories of 20 emotions)."""


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


def extractor_for(model: LoadedModel, settings: Settings) -> Extractor:
    """The extractor that settings ask for; what they leave open, the model decides."""
    embedded = settings.model == EMBEDDED
    spec = settings.target_layers or (EMBEDDED_LAYERS if embedded else "auto")
    return Extractor(
        model,
        parse_layers(spec, len(model.anatomy.blocks)),
        pooling=settings.pooling or ("mean" if embedded else "last"),
        pool_from=settings.pool_from,
        max_length=settings.max_length,
        batch_size=settings.batch_size,
    )


class LiveCorpus:
    """The vectors and the quality of one corpus under one model, kept exact from change to change.

    Only texts not seen before go through the model, and only concepts whose texts changed get new sums and spectra;
    every direction follows from the sums, so all of them are exact after every `apply`.
    """

    def __init__(self, model: LoadedModel, settings: Settings, store: Store) -> None:
        require_supported(settings)
        self._extractor = extractor_for(model, settings)
        self._source = Source(self._extractor, store)
        self._min_positives = settings.min_positives
        self.layers = list(self._extractor.layers)
        self.hidden_size = model.anatomy.hidden_size
        self._rows = Rows(len(self.layers), self.hidden_size, model.device)
        self._columns = [self._unit_columns(layer) for layer in self.layers]
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
    def has_neurons(self) -> bool:
        """Whether every target block has a dense down projection to compare directions with."""
        return all(columns is not None for columns in self._columns)

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
            texts: text by id; ids that are already in the state may be missing.
            fresh: ids that go through the model even if it has seen them.
            progress: told as the forward pass goes on.

        Raises:
            AmygdalaError: there is nothing to contrast, or the model gives values that are not finite.
        """
        used = {placement.text_id for placement in placements}
        wanted = {text_id: texts[text_id] for text_id in sorted(used) if text_id not in self._rows or text_id in fresh}
        fetched = self._source.fetch(wanted, fresh, progress)
        started = time.perf_counter()
        for text_id, activation in fetched.activations.items():
            self._rows.set(text_id, activation.x)
            (self._truncated.add if activation.truncated else self._truncated.discard)(text_id)
        self._rows.keep_only(used)
        self._truncated &= used
        positives = _positives(placements)
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
            truncated=sorted(self._truncated),
            max_tokens=self._extractor.max_length,
            work=Work(
                texts_run=fetched.n_run,
                texts_cached=fetched.n_cached,
                seconds_forward=fetched.seconds,
                seconds_statistics=time.perf_counter() - started,
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

    def _unit_columns(self, layer: int) -> Tensor | None:
        weight = self._extractor.model.anatomy.down_projection(layer)
        return None if weight is None else unit_columns(weight)

    def _regroup(self, positives: Mapping[str, tuple[str, ...]], fresh: Collection[str]) -> None:
        """Redo what depends on a concept's own texts, for the concepts whose texts changed."""
        kept = {
            name: group
            for name, group in self._groups.items()
            if positives.get(name) == group.text_ids and not any(text_id in fresh for text_id in group.text_ids)
        }
        for name in positives.keys() - kept.keys():
            rows = self._rows.take(positives[name])
            kept[name] = _Group(positives[name], dirs.row_sum(rows), [variance_ratios(layer) for layer in rows])
        self._groups = kept

    def _without_vector(self, positives: Mapping[str, tuple[str, ...]], n_texts: int) -> dict[str, str]:
        reasons = {}
        for name, text_ids in sorted(positives.items()):
            if len(text_ids) < self._min_positives:
                reasons[name] = f"{len(text_ids)} of at least {self._min_positives} stories"
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
        self._directions = dirs.shipped(dirs.normalise(differences))
        measures = [measure(self._rows.take(g.text_ids), self._directions[:, c]) for c, g in enumerate(groups)]
        qualities = concept_qualities(
            names,
            self.layers,
            measures,
            [group.text_ids for group in groups],
            self._directions,
            [group.ratios for group in groups],
            self._columns,
        )
        middle = self.layers.index(middle_layer(self.layers))
        alignments = [found.alignments[middle].tolist() for found in measures]
        return qualities, self._fits(names, all_ids, rows[middle], alignments)

    def _fits(
        self, names: list[str], all_ids: list[str], rows: Tensor, alignments: list[list[float]]
    ) -> list[StoryFit]:
        """Every (text, concept) pair's alignment and leave-one-out scores, at the middle layer (`rows`: `[M, H]`)."""
        position = {text_id: i for i, text_id in enumerate(all_ids)}
        member = torch.zeros(len(all_ids), len(names), dtype=torch.bool)
        for c, name in enumerate(names):
            member[[position[text_id] for text_id in self._groups[name].text_ids], c] = True
        member = member.to(rows.device)
        scores = leave_one_out(rows, member)
        best = rivals(scores, member, names)
        own = scores.cpu().numpy()
        found = []
        for c, name in enumerate(names):
            for text_id, alignment in zip(self._groups[name].text_ids, alignments[c], strict=True):
                place = position[text_id]
                score = float(own[place, c])
                rival, rival_score = best[place]
                found.append(
                    StoryFit(
                        text_id=text_id,
                        concept=name,
                        alignment=alignment,
                        own=None if math.isnan(score) else score,
                        rival=rival,
                        rival_score=rival_score,
                    )
                )
        return found


def _positives(placements: Sequence[Placement]) -> dict[str, tuple[str, ...]]:
    """`P_c`: each concept's unique texts, sorted by id."""
    found: dict[str, set[str]] = {}
    for placement in placements:
        if placement.concept is not None:
            found.setdefault(placement.concept, set()).add(placement.text_id)
    return {name: tuple(sorted(text_ids)) for name, text_ids in found.items()}
