"""Where a story can go, and whether its place is free."""

from __future__ import annotations

import pytest

from amygdala_tui.targets import offered_rival, target, targets
from engine.evidence import Strength
from tests.amygdala_tui.making import story

PATHS = [
    "stories/ashamed.txt",
    "paired/power-cut/jealous.txt",
    "paired/power-cut/ashamed.txt",
    "paired/late-train/jealous.txt",
]
CONCEPTS = ["ashamed", "curious", "disgusted", "jealous"]
FISH = "paired/power-cut/jealous.txt"


def test_the_rival_is_offered_first_then_what_is_free() -> None:
    listed = targets([FISH], CONCEPTS, PATHS, rival="disgusted")
    assert [(each.concept, each.words, each.is_free) for each in listed] == [
        ("disgusted", "power-cut/disgusted.txt is free", True),
        ("curious", "power-cut/curious.txt is free", True),
        ("ashamed", "power-cut: ashamed.txt stands there already", False),
    ]


def test_a_rival_whose_place_is_taken_is_not_first() -> None:
    assert [each.concept for each in targets([FISH], CONCEPTS, PATHS, rival="ashamed")][-1] == "ashamed"


def test_of_several_stories_every_place_must_be_free() -> None:
    both = [FISH, "paired/late-train/jealous.txt"]
    assert target(both, "calm", PATHS).words == "2 places are free"
    assert not target(both, "ashamed", PATHS).is_free
    assert "two of these" in target([FISH, "paired/power-cut/ashamed.txt"], "calm", PATHS).words
    assert target([FISH], "jealous", PATHS).words == "it is filed there already"


def test_a_typed_name_that_cannot_be_is_said() -> None:
    assert "leave “/” away" in target([FISH], "a/b", PATHS).words


@pytest.mark.parametrize(
    ("strength", "rival"), [("strong", "sad"), ("fair", "sad"), ("borderline", None), ("none", None)]
)
def test_a_rival_is_offered_where_it_is_sure(strength: Strength, rival: str | None) -> None:
    view = story("stories/a.txt", strength=strength, reads_as="sad", shares=[("a", 0.1), ("sad", 0.8)])
    assert offered_rival(view) == rival
    assert offered_rival(None) is None


def test_a_story_that_is_only_unlike_its_own_has_no_rival_to_offer() -> None:
    assert offered_rival(story("stories/a.txt", strength="strong", shares=[("a", 0.9), ("sad", 0.1)])) is None
