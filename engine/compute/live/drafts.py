"""Drafts: what a text that is not on disk carries of concepts, and how its concept would change with it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import msgspec
from torch import Tensor

from engine.compute.live.evaluation import Change, Evaluation, Evaluator
from engine.compute.live.filing import Filing
from engine.compute.live.judge import StoryJudge, Verdicts
from engine.compute.live.rereading import reread, tokens_within
from engine.compute.live.state import State
from engine.compute.model.forward import Activation, Extractor
from engine.compute.statistics.leave_one_out import CHUNK
from engine.errors import AmygdalaError
from engine.evidence import Evidence
from engine.prose.sentences import Span, sentences
from engine.results import ConceptQuality, Draft, Reading
from engine.wire.jobs import Placement


@dataclass(frozen=True)
class Standing:
    """What a draft is read against: a corpus's current state and its evaluation."""

    state: State
    evaluator: Evaluator
    evaluation: Evaluation
    placements: Sequence[Placement]
    filing: Filing
    """Of the placements."""
    judge: StoryJudge
    verdicts: Verdicts
    """What was said last of the placements' stories."""


class Drafts:
    """Reads drafts of one corpus's stories; leaves no trace in its state.

    Args:
        extractor: runs a draft through the model.
        middle_position: the place of the middle block among the target blocks.
    """

    def __init__(self, extractor: Extractor, middle_position: int) -> None:
        self._extractor = extractor
        self._middle_position = middle_position
        self._gauged: tuple[Evaluation, Tensor, float] | None = None
        """What `_gauge` measured last, and for which evaluation."""

    def read(
        self,
        standing: Standing,
        text: str,
        text_id: str,
        instead_of: str | None,
        concept: str,
        concepts: Sequence[str],
        explain: bool,
    ) -> Generator[None, None, Draft]:
        """How a text would do in place of a story. Arguments as of `LiveCorpus.score`; without `explain`, one step.

        Raises:
            AmygdalaError: the text does not go through the model, or there is nothing to read it by.
        """
        trace = self._extractor.trace(text)
        evaluation = standing.evaluation
        if not evaluation.names:
            raise AmygdalaError("no concept has a vector yet, so there is nothing to read a draft by")
        names = [name for name in concepts if name in evaluation.names]
        columns = [evaluation.names.index(name) for name in names]
        centre, scale = self._gauge(standing)
        directions = evaluation.directions[self._middle_position, columns]
        values = token_values(trace.tokens[self._middle_position].to(centre.device), directions, centre, scale)
        tokens, sentence_readings = readings(text, trace.offsets, values.cpu())
        after, evidence = _as_if(standing, trace.activation, text_id, instead_of, concept)
        fit = after.fits.of.get(concept, {}).get(text_id)
        no_rival = fit is None or fit.rival is None
        draft = Draft(
            concepts=names,
            tokens=tokens,
            sentences=sentence_readings,
            truncated=trace.activation.truncated,
            alignment=None if fit is None else fit.alignment,
            own=None if fit is None else fit.own,
            rival=None if fit is None else fit.rival,
            rival_score=None if fit is None or no_rival else fit.rival_score,
            margin=None if fit is None or no_rival or fit.own is None else fit.own - fit.rival_score,
            evidence=evidence,
            before=_quality(evaluation, concept),
            after=None if standing.state.spaces is not None else _quality(after, concept),
        )
        if not explain or evidence is None or not evidence.misread or evidence.reads_as is None:
            return draft
        effects_of = standing.judge.effects_at(Placement(text_id, concept, evidence.scenario), evidence.reads_as)
        if effects_of is None:
            return draft
        spans = [(reading.start, reading.end) for reading in sentence_readings]
        effects = yield from reread(self._extractor, text, trace, spans, effects_of)
        return msgspec.structs.replace(draft, effects=effects)

    def _gauge(self, standing: Standing) -> tuple[Tensor, float]:
        """The mean of all texts at the middle block, `[H]` fp64, and their root mean square distance from it."""
        if self._gauged is None or self._gauged[0] is not standing.evaluation:
            view, rows = standing.state.view, standing.state.rows
            centre = view.total[self._middle_position] / view.n_texts
            chunks = (view.text_ids[i : i + CHUNK] for i in range(0, len(view.text_ids), CHUNK))
            squares = sum(
                float((rows.take_at(self._middle_position, chunk).double() - centre).square().sum()) for chunk in chunks
            )
            self._gauged = standing.evaluation, centre, (squares / view.n_texts) ** 0.5 or 1.0
        return self._gauged[1:]


def _as_if(
    standing: Standing, activation: Activation, text_id: str, instead_of: str | None, concept: str
) -> tuple[Evaluation, Evidence | None]:
    """The evaluation with one text in place of another, and how that text is judged there; directions from subspaces
    stay as they are."""
    state = standing.state
    placements = list(standing.placements)
    replaced = next((place for place in placements if (place.text_id, place.concept) == (instead_of, concept)), None)
    if replaced is not None:
        placements.remove(replaced)
    draft = Placement(text_id, concept, None if replaced is None else replaced.scenario)
    placements.append(draft)
    is_new = text_id not in state.rows
    try:
        if is_new:
            state.set_rows(text_id, activation)
        filing = standing.filing.changed(placements)
        view = state.viewed(filing.cells)
        affected = [name for name, group in view.groups.items() if group is not state.view.groups.get(name)]
        change = Change({*affected, concept}, renewed={text_id})
        evaluation = standing.evaluator.of_draft().evaluate(view, change, standing.evaluation)
        if text_id == instead_of and (told := standing.verdicts.of.get(draft)) is not None:
            return evaluation, told  # the text that stands: what is said of it
        return evaluation, standing.judge.at_once(standing.verdicts, filing, state.means, {text_id}).of.get(draft)
    finally:
        if is_new:
            state.forget_rows([text_id])


def _quality(evaluation: Evaluation, concept: str) -> ConceptQuality | None:
    return next((quality for quality in evaluation.qualities if quality.concept == concept), None)


def token_values(tokens: Tensor, directions: Tensor, centre: Tensor, scale: float) -> Tensor:
    """`(h_t - centre) . d_c / scale` of tokens `[T, H]` and directions `[C, H]`: `[T, C]`, fp64."""
    values: Tensor = (tokens.double() - centre) @ directions.T / scale
    return values


def readings(text: str, offsets: Sequence[Span], values: Tensor) -> tuple[list[Reading], list[Reading]]:
    """The reading of each token, and of each sentence: the mean over its tokens.

    Args:
        text: the text that the tokens were made from.
        offsets: where each of the T tokens stands; (0, 0) for those that stand for no text.
        values: what each token carries of each concept, `[T, C]`.

    Returns:
        The tokens' readings, and those of the sentences that have tokens: a text that was cut has fewer.
    """
    tokens = [Reading(start, end, row) for (start, end), row in zip(offsets, values.tolist(), strict=True)]
    sentence_readings = []
    for start, end in sentences(text):
        token_indices = tokens_within((start, end), offsets)
        if token_indices:
            sentence_readings.append(Reading(start, end, values[token_indices].mean(0).tolist()))
    return tokens, sentence_readings
