"""Stories found by words of their names and texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amygdala_tui.find import BEGINS, NAMED, SAYS, Excerpt, Findable, Finder, excerpt, findable
from amygdala_tui.folding import fold, query_words

WORDS = st.sampled_from(["sad", "crusade", "the", "porch", "Ärger", "a", "h", "he"])
NAMES = st.lists(WORDS, min_size=1, max_size=3).map("-".join)
SAID = st.lists(WORDS, max_size=6).map(" ".join)
STORIES = st.lists(st.tuples(NAMES, NAMES | st.none(), SAID), max_size=6).map(
    lambda told: [
        findable(f"{number}.txt", concept, scenario, fold(text).text)
        for number, (concept, scenario, text) in enumerate(told)
    ]
)
QUERIES = st.lists(st.sampled_from(["sad", "s", "ärger", "the", "por", "crusade ", " ", "e", "A"]), max_size=5).map(
    "".join
)


def paths(finder: Finder, query: str) -> list[str]:
    return [hit.story.path for hit in finder.find(query).ranked]


def naive(stories: list[Findable], query: str) -> set[str]:
    """The stories with all words of the query in their name or text."""
    words = fold(query).text.split()
    return {
        story.path for story in stories if words and all(word in story.name or word in story.text for word in words)
    }


@given(STORIES, st.lists(QUERIES, min_size=1, max_size=6))
def test_whatever_was_typed_before_the_hits_are_the_stories_with_all_words(
    stories: list[Findable], queries: list[str]
) -> None:
    finder = Finder()
    finder.hold(stories)
    for query in [part for whole in queries for part in (whole[:n] for n in range(len(whole) + 1))]:
        hits = finder.find(query)
        assert {hit.story.path for hit in hits.ranked} == naive(stories, query)
        order = [(hit.rank, hit.story.path) for hit in hits.ranked]
        assert order == sorted(order)


def test_names_that_begin_so_come_first_then_other_names_then_texts() -> None:
    finder = Finder()
    finder.hold(
        [
            findable("1", "calm", "night-bus", fold("A sad day.").text),
            findable("2", "crusade", None),
            findable("3", "angry", "the-SAD_dog"),
            findable("4", None, "sad-news"),
            findable("5", "glad", None, "nothing"),
        ]
    )
    hits = finder.find("sad")
    ranks = [(hit.story.path, hit.rank) for hit in hits.ranked]
    assert ranks == [("3", BEGINS), ("4", BEGINS), ("2", NAMED), ("1", SAYS)]
    assert hits.told() == "4 stories, 3 by name"
    assert paths(finder, "baseline") == ["4"]
    assert paths(finder, "sad calm") == ["1"]
    assert paths(finder, "the-sad_dog") == ["3"]


def test_hits_are_counted_in_words() -> None:
    finder = Finder()
    finder.hold([findable("1", "calm", None, "rain"), findable("2", "glad", None, "rain")])
    assert finder.find("").told() == ""
    assert finder.find("snow").told() == "no story has these words"
    assert finder.find("rain").told() == "2 stories"
    assert finder.find("calm").told() == "1 story, by name"


def test_texts_that_come_later_are_searched_too() -> None:
    finder = Finder()
    finder.hold([findable("1", "calm", None)])
    assert paths(finder, "rain") == []
    finder.hold([findable("1", "calm", None, "it rains")])
    assert paths(finder, "rain") == ["1"]


@given(st.text(st.sampled_from("aéß…½e\u0301\n b"), max_size=30), st.text(st.sampled_from("aesſ.½ b"), max_size=4))
def test_an_excerpt_is_a_line_of_the_text_and_its_span_the_word(text: str, query: str) -> None:
    words, folded = query_words(query), fold(text)
    told = excerpt(text, folded, words)
    if told is None:
        assert all(word not in folded.text for word in words)
        return
    start, end = told.span
    assert told.line in text
    assert 0 <= start < end <= len(told.line)
    assert any(word in fold(told.line[start:end]).text for word in words)


def test_an_excerpt_shows_the_longest_word_that_the_text_has() -> None:
    text = "A dog.\nThe Café on the corner."
    assert excerpt(text, fold(text), query_words("dog nowhere cafe")) == Excerpt("The Café on the corner.", (4, 8))
    assert excerpt(text, fold(text), ("cat",)) is None
