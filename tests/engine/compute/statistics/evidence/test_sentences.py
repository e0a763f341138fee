"""A sentence's effect is what the story without it would be, judged as an edit is."""

import pytest
import torch

from engine.compute.statistics.evidence.judging import judge
from engine.compute.statistics.evidence.sentences import Place, sentence_effects, without_sentences
from engine.compute.statistics.evidence.stories import UNPAIRED
from tests.engine.compute.statistics.evidence import made
from tests.engine.compute.statistics.evidence.editing import Edited, added, group_of, replaced


def log_odds(edit: Edited) -> float:
    """Of the own concept against all others, of the story that came in."""
    return -float(edit.judgement.margin[-1])


@pytest.mark.parametrize("is_paired", [True, False])
def test_effect_is_that_of_replacing_the_story_by_what_is_left_of_it(is_paired: bool) -> None:
    stories = made.stories(
        n=60, hidden=12, n_concepts=2, seed=1, n_scenarios=12
    )  # two: the margin is against the rival
    story = int(((stories.scenarios != UNPAIRED) == is_paired).nonzero()[3])
    whole = stories.rows[:, story]
    left = whole[:, None] + torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(2))
    state = judge(stories)
    own = int(stories.concepts[story])
    place = Place(concept=own, group=group_of(state, story), story=story)
    effects = sentence_effects(state, place, 1 - own, whole, left)
    for j in range(3):
        change = log_odds(replaced(state, story, whole)) - log_odds(replaced(state, story, left[:, j]))
        assert (effects.own - effects.rival)[j].item() == pytest.approx(change, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("scenario", [3, UNPAIRED])
def test_effect_on_a_text_beside_all_stories_is_that_of_adding_what_is_left_of_it(scenario: int) -> None:
    stories = made.stories(n=60, hidden=12, n_concepts=2, seed=1, n_scenarios=12)
    whole = stories.rows[:, 5] + 0.5
    left = whole[:, None] + torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(2))
    state = judge(stories)
    group = ((stories.scenarios == scenario) & (stories.scenarios != UNPAIRED)).nonzero()[:, 0]
    effects = sentence_effects(state, Place(concept=1, group=group, story=None), 0, whole, left)
    before = log_odds(added(state, whole, 1, scenario))
    for j in range(3):
        change = before - log_odds(added(state, left[:, j], 1, scenario))
        assert (effects.own - effects.rival)[j].item() == pytest.approx(change, rel=1e-4, abs=1e-5)


def test_what_a_sentence_adds_to_all_concepts_alike_is_not_told() -> None:
    stories = made.stories(n=80, hidden=12, n_concepts=4, seed=3)
    state = judge(stories)
    whole, left = stories.rows[:, 5], stories.rows[:, 6:9]
    place = Place(concept=int(stories.concepts[5]), group=group_of(state, 5), story=5)
    of_each = [sentence_effects(state, place, c, whole, left).rival for c in range(4)]
    torch.testing.assert_close(torch.stack(of_each).sum(0), torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_what_belongs_elsewhere_pulls_there_and_what_carries_the_concept_holds() -> None:
    stories = made.stories(n=80, hidden=12, n_concepts=4, seed=3, layers=1, signal=1.5)
    own = int(stories.concepts[5])
    rival = (own + 1) % 4
    concept_means = torch.stack([stories.rows[:, stories.concepts == c].mean(1) for c in range(4)], 1)
    means = concept_means[:, [own, rival]]
    stories.rows[:, 5] = 0.6 * means[:, 0] + 0.4 * means[:, 1]
    state = judge(stories)
    left = without_sentences(stories.rows[:, 5], means, torch.tensor([6, 4]), 10)
    place = Place(concept=own, group=group_of(state, 5), story=5)
    effects = sentence_effects(state, place, rival, stories.rows[:, 5], left)
    assert effects.own[0] > effects.rival[0]
    assert effects.own[1] < effects.rival[1]


def test_without_a_sentence_the_others_tokens_are_left() -> None:
    tokens = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0))
    means = torch.stack([tokens[:, :4].mean(1), tokens[:, 4:].mean(1)], 1)
    left = without_sentences(tokens.mean(1), means, torch.tensor([4, 5]), 9)
    torch.testing.assert_close(left, means.flip(1).double(), atol=1e-6, rtol=0)
    assert without_sentences(tokens.mean(1), tokens.mean(1)[:, None], torch.tensor([9]), 9).isnan().all()
