"""Edits of one story, as changes of its group."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engine.compute.statistics.evidence.judgement import Judgement
from engine.compute.statistics.evidence.judging import State
from engine.compute.statistics.evidence.rejudging import regrouped
from engine.compute.statistics.evidence.stories import UNPAIRED


class Edited(NamedTuple):
    """What an edit makes of a group of stories."""

    kept: Tensor
    """The stories of the state that stay in the group, ascending: `[b]`."""
    judgement: Judgement
    """Of these, then of the story that came in, if one did."""


def group_of(state: State, story: int) -> Tensor:
    """The stories that are left out with one, itself included, ascending: `[b]`."""
    scenarios = state.stories.scenarios
    if int(scenarios[story]) == UNPAIRED:
        return torch.tensor([story])
    return (scenarios == scenarios[story]).nonzero()[:, 0]


def replaced(state: State, story: int, rows: Tensor) -> Edited:
    """A story is edited: its activations are now `rows` `[L, H]`."""
    group = group_of(state, story)
    return edited(state, group, group[group != story], rows[:, None], state.stories.concepts[[story]])


def removed(state: State, story: int) -> Edited:
    """A story is taken away; what is left of its scenario is judged."""
    group, stories = group_of(state, story), state.stories
    return edited(state, group, group[group != story], stories.rows[:, :0], stories.concepts[:0])


def added(state: State, rows: Tensor, concept: int, scenario: int = UNPAIRED) -> Edited:
    """A story comes in, its activations being `rows` `[L, H]`."""
    scenarios = state.stories.scenarios
    group = ((scenarios == scenario) & (scenarios != UNPAIRED)).nonzero()[:, 0]
    return edited(state, group, group, rows[:, None], torch.tensor([concept]))


def edited(state: State, group: Tensor, kept: Tensor, rows: Tensor, concepts: Tensor) -> Edited:
    """Any edit of a group, of which some stories are kept and to which some come."""
    return Edited(kept, regrouped(state, group, kept, rows, concepts))
