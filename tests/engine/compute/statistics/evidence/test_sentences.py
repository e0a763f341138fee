"""A sentence's effect is what the story without it would be, judged as an edit is."""

import pytest
import torch

from engine.compute.statistics.evidence.judging import judge
from engine.compute.statistics.evidence.rejudging import replaced
from engine.compute.statistics.evidence.sentences import sentence_effects
from engine.compute.statistics.evidence.stories import UNPAIRED
from tests.engine.compute.statistics.evidence import made


@pytest.mark.parametrize("is_paired", [True, False])
def test_effect_is_that_of_replacing_the_story_by_what_is_left_of_it(is_paired: bool) -> None:
    stories = made.stories(n=60, hidden=12, n_concepts=4, seed=1, n_scenarios=12)
    story = int(((stories.scenarios != UNPAIRED) == is_paired).nonzero()[3])
    g = torch.Generator().manual_seed(2)
    tokens = torch.tensor([4, 1, 7])
    means = stories.rows[:, story, None] + torch.randn(2, 3, 12, generator=g)
    state = judge(stories)
    effects = sentence_effects(state, story, means, tokens, 14)
    assert effects is not None
    for j in range(3):
        left = (14 * stories.rows[:, story] - tokens[j] * means[:, j]) / (14 - tokens[j])
        edit = replaced(state, story, left)
        change = edit.judgement.margin[-1] - state.judgement.margin[story]
        assert effects.margin_change[j].item() == pytest.approx(change.item(), rel=1e-4, abs=1e-5)
        assert effects.misfit[j].item() == pytest.approx(edit.judgement.misfit[-1].item(), abs=1e-5)


def test_taking_out_what_belongs_elsewhere_helps_and_what_carries_the_concept_harms() -> None:
    stories = made.stories(n=80, hidden=12, n_concepts=4, seed=3, layers=1, signal=1.5)
    own = int(stories.concepts[5])
    concept_means = torch.stack([stories.rows[:, stories.concepts == c].mean(1) for c in range(4)], 1)
    means = concept_means[:, [own, (own + 1) % 4]]
    stories.rows[:, 5] = 0.6 * means[:, 0] + 0.4 * means[:, 1]
    state = judge(stories)
    effects = sentence_effects(state, 5, means, torch.tensor([6, 4]), 10)
    assert effects is not None
    assert effects.margin_change[0] > 0 > effects.margin_change[1]


def test_the_only_sentence_has_no_effect_to_tell_of() -> None:
    stories = made.stories(n=40, hidden=12, n_concepts=4)
    effects = sentence_effects(judge(stories), 0, stories.rows[:, :1], torch.tensor([9]), 9)
    assert effects is not None
    assert effects.margin_change.isnan().all()
    assert effects.misfit.isnan().all()


def test_of_a_story_that_cannot_be_judged_no_sentence_is_told() -> None:
    stories = made.stories(n=20, hidden=6, n_concepts=1)
    assert sentence_effects(judge(stories), 0, stories.rows[:, :2], torch.tensor([2, 3]), 9) is None
