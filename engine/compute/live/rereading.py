"""Which sentences make a draft read as it does: the rest of it is run through the model without each of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import torch

from engine.compute.live.judge import EffectsOf
from engine.compute.model.forward import Activation, Extractor, Trace
from engine.compute.statistics.evidence.sentences import without_sentences
from engine.prose.sentences import Span
from engine.results import SentenceEffect

MOST_REREAD = 24
"""Sentences whose rest goes through the model: those of the largest predicted effect. Stories mostly have fewer."""
REALISED = 0.6
"""The share of a predicted effect that the model confirms, on average: sentences that are not reread count so much."""


def reread(
    extractor: Extractor, text: str, trace: Trace, spans: Sequence[Span], effects_of: EffectsOf
) -> Generator[None, None, list[SentenceEffect] | None]:
    """What each sentence of a text does to how it reads. A batch of texts a step.

    Args:
        extractor: of `trace`.
        text: the text.
        trace: what was read of it.
        spans: where its sentences stand.
        effects_of: judges the text against what is left of it.

    Returns:
        An effect for each sentence; None for fewer than two sentences, which there is nothing to compare with.

    Raises:
        AmygdalaError: memory does not suffice.
    """
    if len(spans) < 2:
        return None
    places = [tokens_within(span, trace.offsets) for span in spans]
    means = torch.stack([trace.tokens[:, tokens].mean(1) for tokens in places], 1)
    n_tokens = torch.tensor([len(tokens) for tokens in places])
    whole = trace.activation.mean
    rows = without_sentences(whole, means, n_tokens, trace.tokens.shape[1])
    predicted = effects_of(whole, rows)
    yield
    pulls = (predicted.rival - predicted.own).abs()
    chosen = pulls.argsort(descending=True, stable=True)[:MOST_REREAD].tolist()
    is_reread = [False] * len(spans)
    for batch in extractor.run([without(text, spans[j]) for j in chosen]):
        for i, outcome in batch:
            if isinstance(outcome, Activation):
                rows[:, chosen[i]], is_reread[chosen[i]] = outcome.mean, True
        yield
    effects = effects_of(whole, rows)
    if not bool((effects.own - effects.rival).isfinite().all()):
        return None
    return [
        SentenceEffect(own, rival, is_reread=True) if done else SentenceEffect(REALISED * own, REALISED * rival, False)
        for own, rival, done in zip(effects.own.tolist(), effects.rival.tolist(), is_reread, strict=True)
    ]


def tokens_within(span: Span, offsets: Sequence[Span]) -> list[int]:
    """The tokens that have a character of a sentence; those that stand for no text are in none."""
    start, end = span
    return [t for t, (first, last) in enumerate(offsets) if first < end and last > start and last > first]


def without(text: str, span: Span) -> str:
    """A text without one of its sentences; of the white space on both sides, what parts more stays."""
    before, after = text[: span[0]].rstrip(), text[span[1] :].lstrip()
    gaps = text[len(before) : span[0]], text[span[1] : len(text) - len(after)]
    return (before + max(gaps, key=lambda gap: gap.count("\n")) + after).strip()
