"""Facts of a story's wording, in a writer's words."""

from __future__ import annotations

import pytest

from engine.prose import saying
from engine.prose.surface import ENGLISH, Surface


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (("he", False, 9.0, (0.2, 1.3)), 'says "he" (him, his) 9 times; they say it 0 to 1 times'),
        (("the", True, 2.0, (2.4, 6.0)), 'says "the" 2 times; they say it 3 to 6 times'),
        (("he", True, 1.0, (2.4, 6.0)), 'says "he" 1 time; they say it 2 to 6 times'),
        (("length", False, 212.0, (80.0, 120.0)), "has 212 words; they have 80 to 120"),
        (("sentence length", False, 25.2, (8.0, 14.0)), "has 25 words a sentence; they have 8 to 14"),
        (("speech", False, 60.0, (0.0, 10.0)), "is 60 % speech; they are 0 to 10 %"),
        (("?", False, 3.0, (0.0, 2.6)), "has 3 question marks; they have 0 to 2"),
        (("!", False, 1.0, (0.0, 0.0)), "has 1 exclamation mark; they have 0"),
        (("-ed", False, 12.0, (2.0, 5.0)), 'has 12 words that end in "-ed"; they have 2 to 5'),
    ],
)
def test_a_difference_is_told_as_counts(difference: tuple[str, bool, float, tuple[float, float]], words: str) -> None:
    assert saying.difference(*difference) == words


@pytest.mark.parametrize("is_word", [False, True])
def test_every_feature_of_a_surface_has_words(is_word: bool) -> None:
    surface = Surface(tuple(sorted(ENGLISH)))
    features = surface.features[surface.n_own :] if is_word else surface.features[: surface.n_own]
    told = {saying.difference(feature, is_word, 7.0, (1.0, 2.0)) for feature in features}
    assert len(told) == len(features)


def test_who_tells_a_story_is_told_beside_who_usually_does() -> None:
    assert saying.narrator("he", "I", 9, 10) == 'its narrator is "he"; that of 9 of the other 10 is "I"'
    assert saying.narrator(None, "I", 9, 10) == 'it has no narrator; that of 9 of the other 10 is "I"'


def test_what_gives_a_story_away_is_quoted() -> None:
    assert saying.giveaways(["calm", "Calmer"]) == 'It gives itself away: it says "calm", "Calmer".'
