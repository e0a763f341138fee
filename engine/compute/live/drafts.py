"""Drafts: what a text that is not on disk carries of concepts, and what would become of its concept with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from engine.compute.live.evaluation import Change, Evaluation, Evaluator
from engine.compute.live.state import State, cells_of
from engine.compute.model.forward import Activation, Extractor
from engine.compute.statistics.leave_one_out import CHUNK
from engine.errors import AmygdalaError
from engine.results import ConceptQuality, Draft, Reading
from engine.wire.jobs import Placement

Span = tuple[int, int]
"""Where something begins and ends in a text, in characters."""
ENDS = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*(?=\s|$)|\n\s*\n|[。！？]+)\s*")
"""What ends a sentence, with the quotes that close after it, or an empty line. Abbreviations end one too early, which
does no harm here."""


@dataclass(frozen=True)
class Standing:
    """What a draft is read against: a corpus's state as it is, and all that it comes to."""

    state: State
    evaluator: Evaluator
    evaluation: Evaluation
    placements: Sequence[Placement]


class Drafts:
    """Reads drafts of one corpus's stories; leaves no trace in its state.

    Args:
        extractor: texts in, activations out.
        middle: the position of the middle block among the target blocks.
    """

    def __init__(self, extractor: Extractor, middle: int) -> None:
        self._extractor = extractor
        self._middle = middle
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
    ) -> Draft:
        """How a text would do in place of a story. Arguments as of `LiveCorpus.score`.

        Raises:
            AmygdalaError: the text does not go through the model, or there is nothing to read it by.
        """
        trace = self._extractor.trace(text)
        evaluation = standing.evaluation
        if not evaluation.names:
            raise AmygdalaError("no concept has a vector yet, so there is nothing to read a draft by")
        asked = [name for name in concepts if name in evaluation.names]
        places = [evaluation.names.index(name) for name in asked]
        centre, scale = self._gauge(standing)
        directions = evaluation.directions[self._middle, places]
        values = token_values(trace.tokens[self._middle].to(centre.device), directions, centre, scale)
        tokens, sentence_readings = readings(text, trace.offsets, values.cpu())
        after = _as_if(standing, trace.activation, text_id, instead_of, concept)
        fit = next((fit for fit in after.fits if (fit.text_id, fit.concept) == (text_id, concept)), None)
        no_rival = fit is None or fit.rival is None
        return Draft(
            concepts=asked,
            tokens=tokens,
            sentences=sentence_readings,
            truncated=trace.activation.truncated,
            alignment=None if fit is None else fit.alignment,
            own=None if fit is None else fit.own,
            rival=None if fit is None else fit.rival,
            rival_score=None if fit is None or no_rival else fit.rival_score,
            margin=None if fit is None or no_rival or fit.own is None else fit.own - fit.rival_score,
            before=_quality(evaluation, concept),
            after=None if standing.state.spaces is not None else _quality(after, concept),
        )

    def _gauge(self, standing: Standing) -> tuple[Tensor, float]:
        """The mean of all texts at the middle block, `[H]` fp64, and their root mean square distance from it."""
        if self._gauged is None or self._gauged[0] is not standing.evaluation:
            view, rows = standing.state.view, standing.state.rows
            centre = view.total[self._middle] / len(view.text_ids)
            chunks = (view.text_ids[i : i + CHUNK] for i in range(0, len(view.text_ids), CHUNK))
            squares = sum(
                float((rows.take_at(self._middle, chunk).double() - centre).square().sum()) for chunk in chunks
            )
            self._gauged = standing.evaluation, centre, (squares / len(view.text_ids)) ** 0.5 or 1.0
        return self._gauged[1:]


def _as_if(
    standing: Standing, activation: Activation, text_id: str, instead_of: str | None, concept: str
) -> Evaluation:
    """The evaluation that would follow if a text stood in place of another; by directions as they are where those come
    from subspaces."""
    state = standing.state
    placements = list(standing.placements)
    if instead_of is not None and Placement(instead_of, concept) in placements:
        placements.remove(Placement(instead_of, concept))
    placements.append(Placement(text_id, concept))
    is_new = text_id not in state.rows
    if is_new:
        state.rows.set(text_id, activation.x)
        state.heads.set(text_id, activation.heads)
    try:
        view = state.viewed(cells_of(placements))
        affected = [name for name, group in view.groups.items() if group is not state.view.groups.get(name)]
        return standing.evaluator.of_draft().evaluate(view, Change(affected))
    finally:
        if is_new:
            state.rows.keep_only(state.view.text_ids)
            state.heads.keep_only(state.view.text_ids)


def _quality(evaluation: Evaluation, concept: str) -> ConceptQuality | None:
    return next((quality for quality in evaluation.qualities if quality.concept == concept), None)


def token_values(tokens: Tensor, directions: Tensor, centre: Tensor, scale: float) -> Tensor:
    """`(h_t - centre) . d_c / scale` of tokens `[T, H]` and directions `[C, H]`: `[T, C]`, fp64."""
    values: Tensor = (tokens.double() - centre) @ directions.T / scale
    return values


def sentences(text: str) -> list[Span]:
    """The sentences of a text, without the white space between them."""
    found, start = [], 0
    for match in ENDS.finditer(text):
        found.append((start, match.end()))
        start = match.end()
    found.append((start, len(text)))
    stripped = []
    for start, end in found:
        piece = text[start:end]
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            stripped.append((start + lead, start + len(piece.rstrip())))
    return stripped


def readings(text: str, offsets: Sequence[Span], values: Tensor) -> tuple[list[Reading], list[Reading]]:
    """Of each token and of each sentence, the mean of its tokens.

    Args:
        text: what the tokens are of.
        offsets: where each of the T tokens stands; (0, 0) for those that stand for no text.
        values: `[T, C]`.

    Returns:
        The tokens' readings, and those of the sentences that have tokens: a text that was cut has fewer.
    """
    tokens = [Reading(start, end, row) for (start, end), row in zip(offsets, values.tolist(), strict=True)]
    found = []
    for start, end in sentences(text):
        inside = [t for t, (first, last) in enumerate(offsets) if first < end and last > start and last > first]
        if inside:
            found.append(Reading(start, end, values[inside].mean(0).tolist()))
    return tokens, found
