"""One corpus's live state: `apply` a set of stories, get the results. Export and the live engine both run this."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

import msgspec
import torch

from engine.compute.activations.source import Progress, Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.live import methods
from engine.compute.live.concept_judge import NOTHING_SAID
from engine.compute.live.deferred import DirectionKeeper, NeuronKeeper, NullKeeper, RatioKeeper
from engine.compute.live.drafts import Drafts, Standing
from engine.compute.live.evaluation import Change, Evaluation, Evaluator, Keepers
from engine.compute.live.filing import Filing
from engine.compute.live.gathering import Gathering, Step, run_telling
from engine.compute.live.guard import Guard
from engine.compute.live.judge import NOTHING, StoryJudge, Verdicts
from engine.compute.live.readout import Readout
from engine.compute.live.state import State, View
from engine.compute.model.depth import extractor_for
from engine.compute.model.forward import Extractor
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import Model
from engine.compute.statistics.neurons import Neurons
from engine.compute.statistics.steps import run
from engine.errors import AmygdalaError
from engine.evidence import Evidence
from engine.results import Draft, Results, middle_layer
from engine.settings import Settings
from engine.wire.jobs import Placement


class LiveCorpus:
    """The vectors and the quality of one corpus under one model, kept exact from change to change.

    Only texts not seen before go through the model, and only concepts whose texts changed get new sums and spectra.
    Pooled and whitened directions, and all cheap numbers, are exact after every change; the others are exact once they
    are settled.

    Args:
        model: as deep as the layers lie, or the outline of one, whose weights are loaded when they are needed.
        settings: what to compute.
        store: where activations are kept.
        layers: the target blocks; None takes those that `settings` name.
        with_neurons: whether to compare directions with neurons, which takes the model's weights.
        with_evidence: whether to judge which stories are off, and how concepts read.
    """

    def __init__(
        self,
        model: Model,
        settings: Settings,
        store: Store,
        layers: Sequence[int] | None = None,
        *,
        with_neurons: bool = True,
        with_evidence: bool = False,
    ) -> None:
        self.layers = list(layers or target_layers(settings, model.anatomy.n_blocks) or [])
        if not self.layers:
            raise ValueError("target_layers is 'auto': choose them first (engine.compute.live.sweep.layers_for)")
        self._settings = settings
        self._with_neurons = with_neurons
        self._with_evidence = with_evidence
        self._middle_position = self.layers.index(middle_layer(self.layers))
        self.extractor: Extractor = extractor_for(model, self.layers, settings)
        self._source = Source(self.extractor, store, keep_tokens=self.extractor.keep_tokens)
        self.hidden_size = model.anatomy.hidden_size
        self._placements: tuple[Placement, ...] = ()
        """The stories that the state is of: those that are not left out."""
        self._filing = Filing()
        self._left_out: dict[str, str] = {}
        """Texts of the corpus that are left out of the state, by id, each with the reason."""
        self._verdicts: Verdicts = NOTHING
        self._drafts = Drafts(self.extractor, self._middle_position)
        self._begin_anew()

    @property
    def warnings(self) -> list[str]:
        """Which target blocks have no neurons, or no heads, to compare directions with."""
        return methods.missing_parts(self.extractor, self.layers, with_neurons=self._with_neurons)

    def apply(
        self,
        placements: Sequence[Placement],
        texts: Mapping[str, str],
        *,
        fresh: Collection[str] = (),
        progress: Progress = silent,
        tally: Tally | None = None,
    ) -> Results:
        """Make the state that of exactly these stories, and settle it: runs `change` and `settle` to their ends.

        Args:
            placements: every story of the corpus: its text's id and its concept (None for a baseline).
            texts: text by id, of all of them.
            fresh: ids that go through the model even if their activations are stored.
            progress: told as the forward pass goes on.
            tally: counts what it costs.

        A text that the model cannot take is left out of the state, and named in the results.

        Raises:
            AmygdalaError: the model can take none of the texts, or the memory does not suffice.
        """
        results = run_telling(self.change(placements, texts, fresh, tally), progress)
        return run(self.settle()) or results

    def prepare(
        self, texts: Mapping[str, str], fresh: Collection[str] = (), tally: Tally | None = None
    ) -> Iterator[Step]:
        """Bring in the activations of texts that a later `change` will need, batch by batch; the state stays as it is.

        Args:
            texts: by id; those whose activations are here already, and those that the model is known not to take, cost
                nothing, unless they are in `fresh`.
            fresh: ids that go through the model even if their activations are stored.
            tally: counts what that takes.

        Raises:
            AmygdalaError: as `change`.
        """
        texts_to_fetch = {i: text for i, text in texts.items() if i in fresh or not self._is_done_with(i)}
        return self._gathering.bring_in(texts_to_fetch, fresh, tally or Tally())

    def change(
        self,
        placements: Sequence[Placement],
        texts: Mapping[str, str],
        fresh: Collection[str] = (),
        tally: Tally | None = None,
    ) -> Generator[Step, None, Results]:
        """Make the state that of exactly these stories. Arguments and errors as of `apply`.

        Only the last step changes the state. Returns the results, whose expensive numbers may not be settled.
        """
        tally = tally or Tally()
        with self._guarded():
            text_ids = {placement.text_id for placement in placements}
            missing = {text_id for text_id in text_ids - self._state.rows.text_ids if text_id not in self._gathering}
            texts_to_fetch = {i: texts[i] for i in sorted(missing | text_ids & set(fresh))}
            yield from self.prepare(texts_to_fetch, fresh, tally)
        with self._guarded():
            started, fetching_s = time.perf_counter(), tally.fetching_s
            left_out = self._gathering.left_out(text_ids)
            taken = tuple(placements)
            if left_out:
                taken = tuple(placement for placement in placements if placement.text_id not in left_out)
            self._evaluation, renewed = self._commit(self._filing.changed(taken), texts, set(fresh), tally)
            self._placements, self._left_out = taken, left_out
            if self._with_evidence:
                self._judge.note(renewed)
                self._verdicts = self._judge.at_once(self._verdicts, self._filing, self._state.means, renewed)
            tally.statistics_s += time.perf_counter() - started - (tally.fetching_s - fetching_s)
            return self.results()

    @property
    def is_settled(self) -> bool:
        """Whether all numbers are of the current texts."""
        return self._evaluation.is_settled and self._verdicts.are_settled

    def settle(self) -> Generator[Step, None, Results | None]:
        """Redo the expensive numbers that are not of the current state; no text goes through the model.

        Returns None if there is nothing to settle, or if the state changed in the meantime.
        """
        if self.is_settled or not (yield from self._while_unchanged(self._settling())):
            return None
        return self.results()

    def for_files(self, *, with_evidence: bool) -> Generator[Step, None, Results | None]:
        """The results that go with `readout`: settled but for the stories, and these judged as from nothing, or not.

        Returns None if the state changed in the meantime.
        """
        evidence: Sequence[Evidence] = ()
        concepts = NOTHING_SAID

        def steps() -> Iterator[None]:
            nonlocal evidence, concepts
            yield from self._settling_vectors()
            if with_evidence:
                evidence, concepts = yield from self._judge.for_files(self._verdicts, self._stories, self._state.means)

        if not (yield from self._while_unchanged(steps())):
            return None
        return msgspec.structs.replace(
            self.results(),
            evidence=list(evidence),
            concept_evidence=list(concepts.evidence),
            story_effects=list(concepts.effects),
            stories_are_settled=True,
        )

    def _while_unchanged(self, steps: Iterator[None]) -> Generator[Step, None, bool]:
        """Go through steps that do not touch the stories; False if these changed in between, which ends it."""
        placements = self._placements
        with self._guarded():
            for _ in steps:
                yield Step()
                if self._placements is not placements:
                    return False
        return True

    def _settling_vectors(self) -> Iterator[None]:
        if not self._evaluation.is_settled:
            self._evaluation = yield from self._evaluator.settle(self._state.view, self._evaluation)

    def _settling(self) -> Iterator[None]:
        yield from self._settling_vectors()
        if not self._verdicts.are_settled:
            self._verdicts = yield from self._judge.settle(self._stories, self._state.means)

    @property
    def _stories(self) -> list[Placement]:
        """Those that are judged: baselines stand under no concept."""
        return [placement for placement in self._placements if placement.concept is not None]

    def score(
        self,
        text: str,
        text_id: str,
        instead_of: str | None,
        concept: str,
        concepts: Sequence[str],
        *,
        explain: bool = False,
    ) -> Generator[None, None, Draft]:
        """How a text would do in place of a story; the state stays as it is.

        The first step reads the text, the others what is left of it without each sentence. What is told is of the state
        at the first. Where nothing was judged yet, as after the model was unloaded, an explanation judges all stories
        before that.

        Args:
            text: what is being written; `text_id` is its content address.
            instead_of: the id of the text that the story has now; None for a new one.
            concept: the story's concept.
            concepts: those to read each token by; those without a vector are left out.
            explain: whether to say which sentences make it read so, where it is flagged.

        Raises:
            AmygdalaError: the text does not go through the model.
        """
        if explain and self._with_evidence and not self._judge.has_judged:
            for _ in self._while_unchanged(self._settling()):
                yield
        evaluator, evaluation, judge = self._evaluator, self._evaluation, self._judge
        standing = Standing(self._state, evaluator, evaluation, self._placements, self._filing, judge, self._verdicts)
        try:
            return (yield from self._drafts.read(standing, text, text_id, instead_of, concept, concepts, explain))
        except torch.OutOfMemoryError as error:
            where = self.extractor.model.device
            raise AmygdalaError(f"out of memory on {where} while reading a draft; save it, to compute it") from error

    def readout(self) -> Readout:
        """The vectors of the state, in the order of `Results.concepts`.

        Raises:
            AmygdalaError: there is no vector, or one is not finite.
        """
        evaluation = self._evaluation
        vectors = evaluation.directions.half().cpu()
        if not evaluation.names:
            refused = "".join(f"; a story is left out: {reason}" for reason in list(self._left_out.values())[:1])
            raise AmygdalaError(f"no concept has a vector, so there is nothing to export{refused}")
        if not vectors.isfinite().all():
            raise AmygdalaError("a vector is not finite; nothing was written")
        norms = evaluation.differences.norm(dim=2)
        means = (self._state.view.total / self._state.view.n_texts).cpu()
        return Readout(
            concepts=evaluation.names,
            layers=self.layers,
            hidden_size=self.hidden_size,
            vectors=dict(zip(self.layers, vectors, strict=True)),
            norms=dict(zip(self.layers, norms.tolist(), strict=True)),
            means=dict(zip(self.layers, means, strict=True)),
        )

    def forget(self, text_ids: Collection[str]) -> None:
        """Drop what is known of texts that will not be needed: activations that were prepared, and refusals."""
        self._gathering.forget(text_ids)

    def _is_done_with(self, text_id: str) -> bool:
        """Whether the text's activation is at hand, or the model is known not to take it."""
        return text_id in self._state.rows or text_id in self._gathering

    def _commit(
        self, filing: Filing, texts: Mapping[str, str], fresh: set[str], tally: Tally
    ) -> tuple[Evaluation, set[str]]:
        """Change the state to these texts, all of whose activations are ready or stored; returns its evaluation, and
        the texts that it had and read afresh."""
        state, earlier, ready = self._state, self._state.view, self._gathering.ready
        cells, text_ids, earlier_ids = filing.cells, filing.cell_of.keys(), self._filing.cell_of.keys()
        renewed = (fresh | ready.keys()) & text_ids & earlier_ids
        needed = state.begin(cells, renewed)
        if state.spaces is None:
            for text_id in needed:
                state.take(text_id, ready.pop(text_id))
        else:  # their tokens are in the store; texts that it could not keep go through the model again
            for text_id, activation in self._source.fetch({i: texts[i] for i in needed}, (), silent, tally):
                state.take(text_id, activation)
        for text_id in ready.keys() & text_ids:
            del ready[text_id]
        state.finish(cells, renewed)
        self._filing = filing
        groups = state.view.groups
        affected = [name for name in groups if groups[name] is not earlier.groups.get(name)]
        came, went = len(text_ids - earlier_ids) + len(renewed), len(earlier_ids - text_ids) + len(renewed)
        return self._evaluator.evaluate(state.view, Change(affected, renewed, came, went), self._evaluation), renewed

    def results(self) -> Results:
        """The results of the current state."""
        state, evaluation, verdicts = self._state, self._evaluation, self._verdicts
        stories_are_settled = evaluation.fits.are_settled and verdicts.are_settled
        return Results(
            layers=self.layers,
            hidden_size=self.hidden_size,
            concepts=evaluation.qualities,
            fits=evaluation.fits.all if evaluation.fits.are_settled else list(evaluation.fits.new),
            evidence=verdicts.all if verdicts.are_settled else list(verdicts.new),
            concept_evidence=list(verdicts.concepts.evidence),
            story_effects=list(verdicts.concepts.effects) if stories_are_settled else [],
            stories_are_settled=stories_are_settled,
            without_vector=evaluation.without,
            without_subspace=sorted(state.spaces.refused) if state.spaces is not None else [],
            left_out=self._left_out,
            truncated=sorted(state.truncated),
            max_tokens=self.extractor.max_length,
            model_hash=self.extractor.model.model_hash,
        )

    def _begin_anew(self) -> None:
        self._state = State(self.extractor, self._settings)
        self._gathering = Gathering(self._source, self.extractor.model.name)
        self._placements, self._filing, self._left_out = (), Filing(), {}
        self._judge, self._verdicts = StoryJudge(), NOTHING
        keepers = Keepers(
            DirectionKeeper(self._settings),
            RatioKeeper(),
            NeuronKeeper(self._neurons) if self._with_neurons else None,
            NullKeeper(with_r_squared=self._settings.method == "pooled"),
        )
        self._evaluator = Evaluator(self._settings, self.layers, self._state, keepers)
        self._evaluation = self._evaluator.evaluate(View({}, {}))

    def _neurons(self) -> list[Neurons]:
        anatomy = self.extractor.loaded().anatomy
        return [Neurons(anatomy.down_projections(block)) for block in self.layers]

    def _guarded(self) -> Guard:
        return Guard(self._begin_anew, self._settings, str(self.extractor.model.device))
