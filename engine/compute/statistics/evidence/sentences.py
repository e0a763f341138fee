"""Which sentences make a story read as it does: what each adds to how its own concept and another one read it.

A story is read whole and without each sentence, by the model made without its scenario. What is left of it can be
predicted from the means of the sentences' tokens: without sentence j, a story of n tokens is
`(n x - n_j s_j) / (n - n_j)`. That takes the other tokens as they were, though they were read in the sentence's
company; what the model makes of the rest of the text is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.judging import Placed, State
from engine.compute.statistics.evidence.rejudging import scores_without
from engine.compute.statistics.evidence.spaces import SCENARIO_PULL, WIDE_FROM


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a text is filed among the stories of a state."""

    concept: int
    group: Tensor
    """The stories that are left out with it: those of its scenario, and the one whose place it takes: `[b]`."""
    story: int | None
    """The story whose place it takes; None where it stands beside them all."""


@dataclass(frozen=True, kw_only=True)
class SentenceEffects:
    """What each of J sentences adds to a text's log scores, beside what it adds to all concepts on average.

    Their difference is what the sentence does to the log odds of the own concept against the rival.
    """

    own: Tensor
    """`[J]`."""
    rival: Tensor
    """`[J]`."""


def without_sentences(whole: Tensor, sentence_means: Tensor, sentence_tokens: Tensor, n_tokens: int) -> Tensor:
    """What a text's mean activations would be without each sentence, if the other tokens stayed as they are.

    Args:
        whole: the mean of all its tokens, `[L, H]`.
        sentence_means: means of each sentence's tokens, `[L, J, H]`.
        sentence_tokens: how many tokens each has: `[J]`.
        n_tokens: how many tokens the text has.

    Returns:
        `[L, J, H]`, fp64; NaN for a sentence that is the whole text.
    """
    share = sentence_tokens.double() / n_tokens
    left = torch.where(share < 1, 1 - share, torch.nan)[:, None]
    return (whole[:, None].double() - share[:, None] * sentence_means.double()) / left


@threads_for(WIDE_FROM)
def sentence_effects(state: State, place: Place, rival: int, whole: Tensor, rows: Tensor) -> SentenceEffects:
    """What the sentences of one text do to how it reads.

    Args:
        state: stories judged, by a reading.
        place: where the text is filed.
        rival: the other concept that is asked about.
        whole: the text's mean activations, `[L, H]`.
        rows: the same without each of its J sentences, `[L, J, H]`.
    """
    reading = state.reading
    assert reading is not None
    texts = torch.cat([whole[:, None], rows.to(whole)], 1).to(state.stories.rows.device)
    placed = [_placed(at, of_layer, place) for at, of_layer in zip(state.placed, texts, strict=True)]
    own = torch.full((texts.shape[1],), place.concept, device=texts.device)
    scores = scores_without(reading, place.group, placed, own)
    added = scores[0] - scores[1:]
    added = added - added.mean(1, keepdim=True)
    return SentenceEffects(own=added[:, place.concept], rival=added[:, rival])


def _placed(at: Placed, rows: Tensor, place: Place) -> Tensor:
    """Rows `[J, H]` as one layer places them, each less its scenario as if it stood there alone: `[J, K]`."""
    placed = at.space.coordinates(rows) - at.mean
    others = place.group if place.story is None else place.group[place.group != place.story]
    if len(others) == 0:
        return placed
    return placed - (at.rows[others].sum(0) + placed) / (len(others) + 1 + SCENARIO_PULL)
