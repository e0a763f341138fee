"""Two stories side by side, as lines."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from amygdala_tui.side_by_side import Common, in_common, with_passages
from amygdala_tui.widgets.compare_lines import (
    PASSAGE,
    SAME,
    TWO_COLUMNS_FROM,
    Side,
    Sides,
    head,
    legend,
    reads,
    rows,
    said,
)
from engine.prose.sentences import sentences
from engine.results import Draft, Reading
from tests.amygdala_tui.making import healthy, misread, story

ONE, OTHER = misread("stories/ashamed.txt", "furious"), healthy("paired/night-bus/ashamed.txt")
TEXTS = (
    "He took out the trash. He said it was temporary and then he left. She nodded.\n\nHe drove away.",
    "It rained. He took out the trash. He said it was temporary and then she left.\n\nHe drove away.",
)


def draft(text: str, *values: float, concept: str = "ashamed") -> Draft:
    told = [Reading(*span, [value]) for span, value in zip(sentences(text), values, strict=False)]
    return Draft(
        concepts=[concept], tokens=[], sentences=told, truncated=False, alignment=None, own=None, rival=None,
        rival_score=None, margin=None, before=None, after=None,
    )  # fmt: skip


def sides(one: str = TEXTS[0], other: str = TEXTS[1]) -> Sides:
    return Side(ONE, one, draft=draft(one, 0.5, 1.0, -0.5)), Side(OTHER, other, draft=draft(other, 0.25))


def common_of(one: str, other: str) -> Common:
    return with_passages(in_common(one, other), one, other)


def drawn(pair: Sides, width: int, *, only_differences: bool = False, shown: int = 0) -> list[Text]:
    common = common_of(pair[0].text, pair[1].text)
    blocks = rows(common, pair, "ashamed", width, only_differences=only_differences, shown=shown)
    assert len(blocks) == len(common.blocks)
    return [line for lines in blocks for line in lines]


def plain_lines(lines: list[Text]) -> list[str]:
    return [" ".join(line.plain.split()) for line in lines]


def test_equal_sentences_stand_beside_one_another_with_a_bar_each() -> None:
    lines = plain_lines(drawn(sides(), 120))
    assert lines[0] == "│ It rained. ▇▇▇"
    assert lines[1] == "= He took out the trash. ▇▇▇▇▇▇ │ = He took out the trash."
    assert lines[2].startswith("He said it was temporary and then he left. ▇▇▇▇▇▇▇▇▇▇▇ │ He said it was temporary and")
    assert any(line.startswith("She nodded. ·") for line in lines)
    assert lines[-1] == "= He drove away. │ = He drove away."


def test_a_narrow_screen_has_one_story_at_a_time() -> None:
    assert plain_lines(drawn(sides(), 80))[0] == "= He took out the trash. ▇▇▇▇▇▇"
    assert plain_lines(drawn(sides(), 80, shown=1))[0] == "It rained. ▇▇▇"


def test_sentences_that_both_have_are_folded_where_only_differences_are_asked_for() -> None:
    lines = plain_lines(drawn(sides(), 120, only_differences=True))
    assert lines[1] == "… 1 sentence is the same …"
    assert not any("trash" in line for line in lines)
    moved = sides("It rained. She nodded. He left.", "He left. It rained. She nodded.")
    assert plain_lines(drawn(moved, 80, only_differences=True, shown=1)) == [
        "… 1 sentence is the same, elsewhere …",
        "… 2 sentences are the same …",
    ]


def test_a_passage_that_both_have_is_underlined() -> None:
    line = drawn(sides(), 120)[2]
    marked = [line.plain[span.start : span.end] for span in line.spans if span.style == PASSAGE]
    assert marked == ["He said it was temporary and then"] * 2


def test_a_bar_of_a_storys_own_concept_looks_other_than_one_of_its_rival() -> None:
    text = "He left."
    told = draft(text, 1.0, concept="furious")
    pair = Side(ONE, text, draft=told), Side(story("stories/furious.txt"), text, draft=told)
    ((line,),) = rows(common_of(text, text), pair, "furious", 120, only_differences=False, shown=0)
    bars = [str(span.style) for span in line.spans if "▇" in line.plain[span.start : span.end]]
    assert bars == ["yellow", "cyan"]


PIECES = st.sampled_from(
    ["It rained. ", "She said: 悲しい。", "\U0001f469‍\U0001f467 came. ", "\n\n", "He\nleft. ", "\x1b[2J[b]x[/b]. "]
)


@given(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=8).map("".join),
    st.integers(20, 220),
    st.integers(0, 1),
)
def test_folding_keeps_the_number_of_sentences_and_no_line_is_too_long(
    one: str, other: str, width: int, shown: int
) -> None:
    pair = sides(one, other)
    common = in_common(one, other)
    is_wide = width >= TWO_COLUMNS_FROM
    folded = drawn(pair, width, only_differences=True, shown=shown)
    whole = drawn(pair, width, shown=shown)
    assert max((cell_len(line.plain) for line in folded + whole), default=0) <= width
    assert not any("\x1b" in line.plain for line in folded + whole)
    counts = [list(map(int, re.findall(r"… (\d+) sentence", line.plain))) for line in folded]
    n_told = sum(map(sum, counts))
    n_aligned = sum(len(block.one) for block in common.blocks if block.is_same)
    n_moved = len(common.same[0]) - n_aligned
    assert n_told == (n_aligned + 2 * n_moved if is_wide else n_aligned + n_moved)
    n_marked = sum(line.plain.count(SAME) for line in whole)
    assert n_marked == len(common.same[0]) * (2 if is_wide else 1)


def test_texts_are_never_markup() -> None:
    lines = drawn(sides("[b]He[/b] left.", "[@click=app.quit]She[/] left."), 120)
    assert lines[0].plain.split(" │ ")[0].rstrip(" ▇") == "  [b]He[/b] left."
    assert "[@click=app.quit]She[/] left." in lines[0].plain


def test_a_story_reads_as_shares_in_a_line() -> None:
    assert reads(ONE).plain == "reads as furious 80 %, not as ashamed 10 %  ●● fair"
    assert reads(OTHER).plain == "as ashamed 98 %, as other 1 %"
    assert reads(story("stories/sad.txt")).plain == "not judged yet"
    assert reads(story("paired/a/baseline.txt")).plain.startswith("baseline")
    few = story("stories/sad.txt", strength="too few to tell", shares=[("sad", 1.0)])
    assert reads(few).plain == "no verdict yet"
    torn = story("stories/sad.txt", strength="none", shares=[("sad", 0.4), ("glad", 0.6)])
    assert reads(torn).plain == "torn: as sad 40 %, as glad 60 %"
    strange = story("stories/sad.txt", strength="fair", shares=[("sad", 0.9), ("glad", 0.1)])
    assert reads(strange).plain == "unlike the others; as sad 90 %, as glad 10 %  ●● fair"
    assert reads(msgspec.structs.replace(strange, accepted="")).plain == "as sad 90 %, as glad 10 %, accepted"


def test_the_head_names_both_stories_and_marks_the_one_that_is_shown() -> None:
    wide = head(ONE, OTHER, "", 120, 0).plain.splitlines()
    assert wide[0].split(" │ ")[0].rstrip() == "ashamed · stories"
    assert wide[0].split(" │ ")[1] == "ashamed · night-bus"
    narrow = head(ONE, OTHER, "", 80, 1).plain.splitlines()
    assert [line[:2] for line in narrow] == ["  ", "▸ "]
    assert all(cell_len(line) <= 80 for line in narrow)
    for width in (80, 120):
        assert "it is the only one" in head(ONE, None, "it is the only one", width, 0).plain


def test_what_is_in_common_is_counted() -> None:
    assert said(None, sides()) == ""
    assert said(common_of(*TEXTS), sides()) == "in common: 2 sentences (=), 1 more passage (underlined)"
    assert said(common_of("a", "a"), sides("a", "a")) == "the two texts are the same"
    assert said(common_of("a", "b"), sides("a", "b")) == "no sentence or passage in common"
    assert said(in_common("a", "b"), sides("a", "b")) == ""  # passages were not looked for yet
    gone = Side(ONE, notice="(cannot be read: gone)")
    assert said(common_of("", "b"), (gone, sides()[1])) == "ashamed: (cannot be read: gone)"


def test_the_legend_says_whose_bars_they_are_or_why_there_are_none() -> None:
    assert legend("ashamed", sides(), 120).plain.split() == ["ashamed", "│", "ashamed"]
    assert legend("ashamed", sides(), 80).plain.split() == ["ashamed"]
    assert legend("new", sides(), 120).plain == "how their sentences read as new: it has no vector yet"
    unread = Side(ONE, TEXTS[0]), Side(OTHER, TEXTS[1])
    assert legend("new", unread, 120).plain == "how their sentences read as new: the engine has not said yet"
    assert legend(None, unread, 120).plain == ""
