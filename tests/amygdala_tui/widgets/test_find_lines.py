"""Found stories as lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from amygdala_tui.find import Excerpt, Finder, excerpt, findable
from amygdala_tui.folding import fold, query_words
from amygdala_tui.texts import HeldText
from amygdala_tui.widgets.find_lines import MOST_LINES, around, draw_hit, hit_lines

STORY = findable("p", "ashamed", "t06-a-college-student-and-a-roommate")
TEXT = "He drove a long way around to skip the corner where Mrs. Allen sat on her porch.\nShe said the Café was nice."


def drawn(text: str, query: str, width: int) -> tuple[str, list[str]]:
    words = query_words(query)
    line = draw_hit(STORY, excerpt(text, fold(text), words), words, width)
    return line.plain, [line.plain[span.start : span.end] for span in line.spans]


def test_a_hit_shows_its_names_and_the_words_around_what_was_found() -> None:
    line, marked = drawn(TEXT, "PORCH ashamed", 90)
    assert line.startswith("ashamed      t06-a-college-st…mmate …")
    assert line.rstrip().endswith("Mrs. Allen sat on her porch.")
    assert marked == ["ashamed", "porch"]
    assert drawn(TEXT, "cafe", 90)[1] == ["Café"]


def test_a_hit_by_name_has_the_whole_line_for_its_names() -> None:
    line, marked = drawn(TEXT, "roommate", 60)
    assert line.split() == ["ashamed", STORY.scenario]
    assert marked == ["roommate"]


def test_a_narrow_line_has_the_names_alone() -> None:
    assert drawn(TEXT, "porch", 20)[0].split() == ["ashame", "t06-a-c…mmate"]


def test_no_control_character_is_sent_and_no_bracket_is_markup() -> None:
    line, marked = drawn("\x1b[31m [b]porch[/b]", "porch", 80)
    assert "\x1b" not in line
    assert "[b]porch[/b]" in line
    assert marked == ["porch"]


PIECES = st.sampled_from(["a", "word", " ", "  ", "\t", "悲しい", "\U0001f469‍\U0001f467", "e\u0301", "\x1b", "‍"])


@given(st.lists(PIECES, max_size=40).map("".join), st.lists(PIECES, max_size=40).map("".join), st.integers(1, 60))
def test_an_excerpt_fits_its_width_and_has_the_found_word_if_it_can(before: str, after: str, width: int) -> None:
    told = Excerpt(f"{before}found{after}", (len(before), len(before) + 5))
    shown = around(told, width)
    assert cell_len(shown) <= width
    assert ("found" in shown) == (width >= 5)
    assert "\n" not in shown


@given(st.lists(PIECES, max_size=40).map("".join), st.integers(1, 80))
def test_a_line_has_the_width_that_it_is_given(text: str, width: int) -> None:
    assert cell_len(drawn(f"{text} word {text}", "word", width)[0]) == width


def test_hits_are_lines_of_their_stories_and_those_beyond_the_first_500_are_counted() -> None:
    finder = Finder()
    texts = {str(n): HeldText((0, 0), f"Text {n} says rain.", fold(f"Text {n} says rain.")) for n in range(MOST_LINES)}
    unread = ["rain-1", "rain-2"]
    finder.hold(
        [findable(path, "calm", None, held.folded.text) for path, held in texts.items()]
        + [findable(path, path, None) for path in unread]
    )
    lines = hit_lines(finder.find("rain"), texts)
    assert [line.key for line in lines[:3]] == [*unread, "0"]
    assert lines[0].draw(60).plain.split() == ["rain-1", "stories"]
    assert lines[2].draw(60).plain.split() == ["calm", "stories", "Text", "0", "says", "rain."]
    assert len(lines) == MOST_LINES + 1
    assert lines[-1].is_heading
    assert lines[-1].draw(60).plain == "… and 2 more: type more of the words"
    assert len(hit_lines(finder.find("rain 12"), texts)) == len(finder.find("rain 12").ranked)
