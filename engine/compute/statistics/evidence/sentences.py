"""Which sentence makes a story read as it does: predicted from the means of the sentences' tokens, without a pass.

The prediction is for mean pooling: without sentence j, a story of n tokens is `(n x - n_j s_j) / (n - n_j)`. It takes
the other tokens as they were, though they were read in the sentence's company: real changes are about 0.6 of those
predicted. Use it for lists and for flagged stories; run the one story on the screen again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compute.statistics.eigen import threads_for
from engine.compute.statistics.evidence.judgement import judgement
from engine.compute.statistics.evidence.judging import Placed, State
from engine.compute.statistics.evidence.likelihood import margins
from engine.compute.statistics.evidence.rejudging import group_of, scores_without
from engine.compute.statistics.evidence.spaces import SCENARIO_PULL, WIDE_FROM
from engine.compute.statistics.evidence.strangeness import strangeness


@dataclass(frozen=True, kw_only=True)
class SentenceEffects:
    """What a story would be without each of its J sentences."""

    margin_change: Tensor
    """Of the story's margin: below zero, the sentence harms; above, it carries the concept. NaN if it is all: `[J]`."""
    misfit: Tensor
    """The probability that something is off then: `[J]`."""


@threads_for(WIDE_FROM)
def sentence_effects(
    state: State, story: int, sentence_means: Tensor, sentence_tokens: Tensor, n_tokens: int
) -> SentenceEffects | None:
    """Take each sentence out of a story, and read what is left by the model made without the story's scenario.

    Args:
        story: its place in the state.
        sentence_means: means of the activations of each sentence's tokens, `[L, J, H]`.
        sentence_tokens: how many tokens each has: `[J]`.
        n_tokens: how many tokens the story's own activations are the mean of.

    Returns:
        None where nothing can be told of the story.
    """
    reading, stories = state.reading, state.stories
    if reading is None or int(state.judgement.reads_as[story]) < 0:
        return None
    share = sentence_tokens.double() / n_tokens
    left = torch.where(share < 1, 1 - share, torch.nan)[:, None]
    whole = stories.rows[:, story, None].double()
    rows = ((whole - share[:, None] * sentence_means.double()) / left).to(stories.rows)
    group = group_of(state, story)
    own = stories.concepts[story].expand(len(share))
    placed = [_placed_instead(at, of_layer, group, story) for at, of_layer in zip(state.placed, rows, strict=True)]
    scores = scores_without(reading, group, placed, own)
    strange = _strangeness(state, story, rows, own)
    able = torch.ones_like(own, dtype=torch.bool)
    verdicts = judgement(scores, own, strange, reading.noise, able, stories.counts)
    missing = left[:, 0].isnan()
    return SentenceEffects(
        margin_change=(margins(scores, own) - state.judgement.margin[story]).masked_fill(missing, torch.nan),
        misfit=verdicts.misfit.masked_fill(missing, torch.nan),
    )


def _placed_instead(at: Placed, rows: Tensor, group: Tensor, story: int) -> Tensor:
    """Rows `[J, H]` placed, each less its scenario as if it stood there instead of the story: `[J, K]`."""
    placed = at.space.coordinates(rows) - at.mean
    if len(group) == 1:
        return placed
    others = at.rows[group[group != story]].sum(0)
    return placed - (others + placed) / (len(group) + SCENARIO_PULL)


def _strangeness(state: State, story: int, rows: Tensor, own: Tensor) -> Tensor:
    """How strange each of rows `[L, J, H]` is among its concept's other stories: `[J]`."""
    zs = []
    for layer, at in enumerate(state.placed):
        old = at.space.scaled(state.stories.rows[layer, story : story + 1])
        without = at.distances.changed(own[:1], old, -1)
        zs.append(without.z(without.log_squares_of_others(at.space.scaled(rows[layer]), own)))
    return strangeness(zs)
