"""One corpus's live state: `apply` a set of stories, get the results. Export and the live engine both run this."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute import directions as dirs
from engine.compute import methods
from engine.compute.fits import membership, story_fits
from engine.compute.forward import Extractor
from engine.compute.layers import target_layers
from engine.compute.models import LoadedModel
from engine.compute.neurons import Neurons
from engine.compute.nulls import nulls
from engine.compute.quality import Evidence, concept_qualities, measure
from engine.compute.reading import extractor_for
from engine.compute.source import Progress, Source, Tally, silent
from engine.compute.state import State, cells_of
from engine.compute.store import Store
from engine.errors import AmygdalaError
from engine.results import ConceptQuality, Results, StoryFit, Work, middle_layer
from engine.settings import Settings
from engine.work import Placement

UNIT = 0.5
"""Shorter than this after normalising, a direction was nothing but rounding."""


@dataclass(frozen=True)
class Readout:
    """The vectors that ship: row c of `vectors[layer]` (`[C, H]`, fp16, CPU) is `concepts[c]`'s unit direction."""

    concepts: list[str]
    layers: list[int]
    hidden_size: int
    vectors: dict[int, Tensor]
    norms: dict[int, list[float]]
    """Per layer, the length of each concept's difference of means before it was made a unit vector."""


@dataclass(frozen=True)
class _Vectors:
    """What the last `apply` came to."""

    names: list[str]
    directions: Tensor
    """`[L, C, H]`, as shipped."""
    norms: Tensor
    """`[L, C]`."""


class LiveCorpus:
    """The vectors and the quality of one corpus under one model, kept exact from change to change.

    Only texts not seen before go through the model, and only concepts whose texts changed get new sums and spectra;
    every direction follows from the sums, so all of them are exact after every `apply`.

    Args:
        model: loaded as deep as the layers lie.
        settings: what to compute.
        store: where activations are kept.
        layers: the target blocks; those that `settings` name, if they do.
    """

    def __init__(
        self, model: LoadedModel, settings: Settings, store: Store, layers: Sequence[int] | None = None
    ) -> None:
        self.layers = list(layers or target_layers(settings, model.anatomy.n_blocks) or [])
        if not self.layers:
            raise ValueError("target_layers is 'auto': choose them first (reading.layers_for)")
        self._settings = settings
        self.extractor: Extractor = extractor_for(model, self.layers, settings)
        self._source = Source(self.extractor, store, keep_tokens=self.extractor.keep_tokens)
        self.hidden_size = model.anatomy.hidden_size
        self._neurons = [Neurons(model.anatomy.down_projections(layer)) for layer in self.layers]
        self._state = State(model, settings, self.layers)
        self._vectors = self._none()

    @property
    def warnings(self) -> list[str]:
        """What of this model cannot be looked at."""
        anatomy = self.extractor.model.anatomy
        blind = [layer for layer, neurons in zip(self.layers, self._neurons, strict=True) if not neurons]
        mixers = [layer for layer in self.layers if not anatomy.head_width(layer)]
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
            AmygdalaError: the model gives values that are not finite, or the memory does not suffice.
        """
        try:
            return self._apply(placements, texts, fresh, progress)
        except BaseException as error:
            self._state = State(self.extractor.model, self._settings, self.layers)
            self._vectors = self._none()
            if isinstance(error, torch.OutOfMemoryError):
                raise AmygdalaError(
                    f"out of memory on {self.extractor.model.device}: the method {self._settings.method} keeps too "
                    "much there for so many concepts, layers and dimensions; take fewer target layers, the method "
                    "pooled, or another --device"
                ) from error
            raise

    def readout(self) -> Readout:
        """The vectors of the state, in the order of `Results.concepts`.

        Raises:
            AmygdalaError: there is none, or one is not finite.
        """
        vectors = self._vectors.directions.half().cpu()
        if not self._vectors.names:
            raise AmygdalaError("no concept has a vector, so there is nothing to export")
        if not vectors.isfinite().all():
            raise AmygdalaError("a vector is not finite; nothing was written")
        return Readout(
            concepts=self._vectors.names,
            layers=self.layers,
            hidden_size=self.hidden_size,
            vectors=dict(zip(self.layers, vectors, strict=True)),
            norms=dict(zip(self.layers, self._vectors.norms.tolist(), strict=True)),
        )

    def _apply(
        self, placements: Sequence[Placement], texts: Mapping[str, str], fresh: Collection[str], progress: Progress
    ) -> Results:
        started = time.perf_counter()
        state, tally = self._state, Tally()
        cells = cells_of(placements)
        wanted = {text_id: texts[text_id] for text_id in state.begin(cells, fresh)}
        for text_id, activation in self._source.fetch(wanted, fresh, progress, tally):
            state.take(text_id, activation)
        state.finish(cells, fresh)
        all_ids = sorted(text_id for text_ids in cells.values() for text_id in text_ids)
        without = self._without_vector(len(all_ids))
        concepts, fits = self._evaluate(all_ids, without)
        return Results(
            layers=self.layers,
            hidden_size=self.hidden_size,
            concepts=concepts,
            fits=fits,
            without_vector=dict(sorted(without.items())),
            without_subspace=sorted(state.spaces.refused) if state.spaces is not None else [],
            truncated=sorted(state.truncated),
            max_tokens=self.extractor.max_length,
            work=Work(
                texts_run=tally.n_run,
                texts_cached=tally.n_cached,
                seconds_forward=tally.seconds,
                seconds_statistics=time.perf_counter() - started - tally.seconds,
            ),
        )

    def _without_vector(self, n_texts: int) -> dict[str, str]:
        """Concepts that get no vector, each with the reason."""
        reasons = {}
        refused = self._state.spaces.refused if self._state.spaces is not None else set()
        for name, group in self._state.groups.items():
            count = len(group.text_ids)
            if count < self._settings.min_positives:
                reasons[name] = f"{count} of at least {self._settings.min_positives} stories"
            elif count == n_texts:
                reasons[name] = "nothing to contrast it with: there is no other concept and no baseline"
            elif refused.issuperset(group.text_ids):
                reasons[name] = "each of its stories has as many tokens as the model has dimensions: set subspace_k"
        return reasons

    def _evaluate(self, all_ids: Sequence[str], without: dict[str, str]) -> tuple[list[ConceptQuality], list[StoryFit]]:
        """Directions, and from them every number, of the concepts that have a vector; adds to those that have none."""
        groups = {name: group for name, group in sorted(self._state.groups.items()) if name not in without}
        if not groups:
            self._vectors = self._none()
            return [], []
        names = list(groups)
        rows = self._state.rows.take(all_ids)
        own = [self._state.rows.take(group.text_ids) for group in groups.values()]  # per concept [L, n, H]
        sums = [group.sums for group in groups.values()]
        counts = [len(group.text_ids) for group in groups.values()]
        differences = dirs.difference(dirs.contrast(sums, counts, dirs.row_sum(rows), len(all_ids)))
        pointed = methods.point(self._settings, names, own, differences, self._state.spaces)
        shipped = dirs.shipped(dirs.normalise(pointed.directions))
        lost = (shipped.norm(dim=2) < UNIT).any(0).tolist()
        if any(lost):
            without |= {
                name: "its stories read as all others do on average: there is no direction"
                for name, is_lost in zip(names, lost, strict=True)
                if is_lost
            }
            return self._evaluate(all_ids, without)
        middle = self.layers.index(middle_layer(self.layers))
        positives = {name: group.text_ids for name, group in groups.items()}
        member = membership(all_ids, positives).to(rows.device)
        measures = [measure(stories, shipped[:, c]) for c, stories in enumerate(own)]
        evidence = Evidence(
            measures=measures,
            ratios=[group.ratios for group in groups.values()],
            neurons=[neurons.top(layer) for neurons, layer in zip(self._neurons, shipped, strict=True)],
            heads=self._state.heads.quality([(group.heads, len(group.text_ids)) for group in groups.values()], all_ids),
            eigenvalues=pointed.eigenvalues,
            nulls=nulls(rows[middle], member, with_r_squared=self._settings.method == "pooled"),
        )
        qualities = concept_qualities(self.layers, positives, shipped, evidence)
        self._vectors = _Vectors(names, shipped, differences.norm(dim=2))
        alignments = [found.alignments[middle].tolist() for found in measures]
        return qualities, story_fits(rows[middle], member, all_ids, positives, alignments)

    def _none(self) -> _Vectors:
        return _Vectors([], torch.empty(len(self.layers), 0, self.hidden_size), torch.empty(len(self.layers), 0))
