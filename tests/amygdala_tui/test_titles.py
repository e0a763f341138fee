"""A scenario's title is short, and no other's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amygdala_tui.titles import LONGEST, titles

WORDS = ("a", "an", "the", "t01", "t02", "student", "roommate", "neighbor", "text", "homeowner", "station", "s1")
NAMES = st.lists(st.sampled_from(WORDS))


@given(st.sets(NAMES.map("-".join), max_size=12))
def test_titles_differ_and_are_words_of_the_name_in_their_order(scenarios: set[str]) -> None:
    told = titles(scenarios)
    assert told.keys() == scenarios
    assert len(set(told.values())) == len(scenarios)
    for name, title in told.items():
        words = iter(name.split("-"))
        assert title == name or all(word in words for word in title.split(" "))


def test_what_all_names_share_is_left_out_and_a_short_name_stays() -> None:
    scenarios = {f"t{n:02}-a-person-in-the-{place}-meets-a-stranger-s1" for n, place in enumerate(PLACES)}
    told = titles({*scenarios, "bus"})
    assert told["bus"] == "bus"
    assert told["t03-a-person-in-the-harbour-meets-a-stranger-s1"] == "t03 harbour"
    assert all(len(title) <= LONGEST for title in told.values())


def test_variants_of_one_scenario_differ_by_their_last_word() -> None:
    told = titles({f"t{n:02}-a-student-and-a-{place}-s{v}" for n, place in enumerate(PLACES) for v in range(3)})
    assert told["t03-a-student-and-a-harbour-s2"] == "t03 harbour s2"


PLACES = ("garden", "kitchen", "station", "harbour", "library", "attic", "cellar", "market", "forest", "office", "ward")
