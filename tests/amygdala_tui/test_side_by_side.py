"""Which story another is compared with, and what two texts have in common."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amygdala_tui.side_by_side import (
    LEAST_WORDS,
    Common,
    Partner,
    compared_by,
    default_partner,
    in_common,
    with_passages,
)
from engine.prose.words import words
from engine.results import CopyOf
from engine.wire.snapshot import StoryView
from tests.amygdala_tui.making import healthy, mirror, misread, story

ONE = "stories/ashamed.txt"


def judged(path: str, share: float) -> StoryView:
    return story(path, strength="none", misfit=1 - share, shares=[("ashamed", share), ("proud", 1 - share)])


def copy(concept: str | None, scenario: str | None) -> CopyOf:
    return CopyOf(text_id="", concept=concept, scenario=scenario, share=0.734, passages=[])


def test_the_partner_is_the_near_copy_where_there_is_one() -> None:
    corpus = mirror([misread(ONE, "proud"), judged("paired/bus/ashamed.txt", 0.9), story("paired/bus/baseline.txt")])
    partner = default_partner(corpus, ONE, [copy("gone", None), copy(None, "bus")])
    assert partner == Partner("paired/bus/baseline.txt", "its near-copy, with 73% of its wording")


def test_the_partner_is_else_the_story_most_sure_of_its_concept_and_never_a_misread_one_or_itself() -> None:
    corpus = mirror(
        [
            judged(ONE, 0.99),
            judged("paired/a/ashamed.txt", 0.6),
            judged("paired/b/ashamed.txt", 0.9),
            story("paired/c/ashamed.txt", strength="fair", shares=[("ashamed", 0.95)]),
            story("paired/d/ashamed.txt", strength="too few to tell", shares=[("ashamed", 0.97)]),
            story("paired/e/ashamed.txt"),
            healthy("paired/e/proud.txt"),
        ]
    )
    assert default_partner(corpus, ONE) == Partner("paired/b/ashamed.txt", "the best ashamed story")


@pytest.mark.parametrize(
    ("stories", "path", "why"),
    [
        ([], "gone", "choose a story first"),
        ([story(ONE)], ONE, "it is the only ashamed story"),
        ([story(ONE), story("paired/a/ashamed.txt")], ONE, "no other ashamed story is judged yet"),
        ([story(ONE), misread("paired/a/ashamed.txt", "proud")], ONE, "the other ashamed stories are misread too"),
        ([story("paired/a/baseline.txt")], "paired/a/baseline.txt", "a baseline has no concept, so there is no best "),
    ],
)
def test_where_there_is_no_partner_the_words_say_why(stories: list[StoryView], path: str, why: str) -> None:
    partner = default_partner(mirror(stories), path)
    assert partner.path is None
    assert partner.why.startswith(why)


def test_two_stories_are_read_by_the_first_ones_concept_its_rival_and_the_others_concept() -> None:
    assert compared_by(misread(ONE, "proud"), story("stories/sad.txt")) == ("ashamed", "proud", "sad")
    assert compared_by(judged(ONE, 0.9), judged("paired/a/ashamed.txt", 0.9)) == ("ashamed", "proud")
    assert compared_by(story("paired/a/baseline.txt"), story("stories/sad.txt")) == ("sad",)
    assert compared_by(story("paired/a/baseline.txt"), None) == ()


SENTENCES = st.sampled_from(
    ["It rained.", "She laughed.", "He said it was temporary and then he left.", "Nobody spoke.",
     "Then he said it was temporary and then she left.", "It  rained."]
)  # fmt: skip
TEXTS = st.lists(SENTENCES, max_size=7).map(" ".join) | st.text("ab .\n", max_size=20)


def sayings(text: str, common: Common, side: int) -> list[str]:
    return [" ".join(text[start:end].split()) for start, end in common.sentences[side]]


@given(TEXTS, TEXTS)
def test_the_same_sentences_are_those_that_both_have_as_often_as_both_have_them(one: str, other: str) -> None:
    common = in_common(one, other)
    said = sayings(one, common, 0), sayings(other, common, 1)
    shared = Counter(said[0]) & Counter(said[1])
    for side in range(2):
        assert Counter(said[side][n] for n in common.same[side]) == shared


def longest_common(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence, by the definition."""
    if not one or not other:
        return 0
    rest = max(longest_common(one[1:], other), longest_common(one, other[1:]))
    return max(rest, 1 + longest_common(one[1:], other[1:])) if one[0] == other[0] else rest


@given(TEXTS, TEXTS)
def test_blocks_hold_every_sentence_in_order_and_equal_ones_beside_one_another(one: str, other: str) -> None:
    common = in_common(one, other)
    said = sayings(one, common, 0), sayings(other, common, 1)
    assert [n for block in common.blocks for n in block.one] == list(range(len(said[0])))
    assert [n for block in common.blocks for n in block.other] == list(range(len(said[1])))
    for block in common.blocks:
        assert block.one or block.other
        if block.is_same:
            assert [said[0][n] for n in block.one] == [said[1][n] for n in block.other]
    assert [block.is_same for block in common.blocks] == [
        n % 2 == (0 if common.blocks[0].is_same else 1) for n in range(len(common.blocks))
    ]
    assert common.is_whole == (said[0] == said[1])


@given(st.permutations("abcdef"), st.permutations("abcdef"))
def test_as_many_sentences_as_can_stand_beside_one_another(one: list[str], other: list[str]) -> None:
    common = in_common("\n\n".join(one), "\n\n".join(other))
    assert sum(len(block.one) for block in common.blocks if block.is_same) == longest_common(one, other)


def passages_of(one: str, other: str) -> tuple[Common, list[list[str]]]:
    """What two texts have in common, and the passages that each of them has of that."""
    common = with_passages(in_common(one, other), one, other)
    assert common.passages is not None
    texts = [[text[s:e] for s, e in spans] for text, spans in zip((one, other), common.passages, strict=True)]
    return common, texts


@given(TEXTS, TEXTS)
def test_passages_are_the_same_words_in_both_and_no_part_of_a_sentence_that_both_have(one: str, other: str) -> None:
    common, passages = passages_of(one, other)
    told = [sorted(map(words, texts)) for texts in passages]
    assert told[0] == told[1]
    assert all(len(passage) >= LEAST_WORDS for passage in told[0])
    for side, spans in enumerate(common.passages or ()):
        hidden = [common.sentences[side][n] for n in common.same[side]]
        assert all(e <= start or end <= s for s, e in spans for start, end in hidden)


def test_an_edited_sentence_keeps_its_passage() -> None:
    one = "It rained. He said it was temporary and then he left. Nobody spoke."
    other = "Nobody spoke. He said it was temporary and then she wept."
    common, passages = passages_of(one, other)
    assert passages == [["He said it was temporary and then"]] * 2
    assert len(common.same[0]) == 1


def test_a_sentence_said_thousands_of_times_is_paired_one_by_one() -> None:
    common = in_common("Ha. " * 5000, "Ha. " * 4000)
    assert len(common.same[0]) == 4000
