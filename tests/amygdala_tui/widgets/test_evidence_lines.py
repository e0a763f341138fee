"""Why a story is flagged, in a writer's words and bars."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from amygdala_tui.widgets.evidence_lines import MARK, by_sentence, reasons
from engine.evidence import Evidence
from engine.results import CopyOf, Difference, Draft, OtherNarrator, Prose, Reading, SentenceEffect

TEXT = "He took out the trash.\n\nShe said it was so nice. And so on and on, and nobody read this far."
EVIDENCE = Evidence(
    text_id="t",
    concept="ashamed",
    scenario=None,
    strange=0.1,
    misfiled=0.9,
    strength="fair",
    reads_as="furious",
    shares=[],
)


def draft(effects: list[SentenceEffect] | None = None, **prose: object) -> Draft:
    told = {"n_others": 10, "differences": [], "narrator": None, "copies": [], "giveaways": []} | prose
    return Draft(
        concepts=[],
        tokens=[],
        sentences=[Reading(0, 22, []), Reading(24, 48, [])],
        truncated=True,
        alignment=None,
        own=None,
        rival=None,
        rival_score=None,
        margin=None,
        evidence=EVIDENCE,
        effects=effects,
        prose=Prose(**told),  # type: ignore[arg-type]
        before=None,
        after=None,
    )


EFFECTS = [SentenceEffect(-0.2, 1.5, is_reread=True), SentenceEffect(0.75, 0.01, is_reread=False)]


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (("he", False, 9.0, (0.2, 1.3)), 'says "he" (him, his) 9 times; they say it 0 to 1 times'),
        (("the", True, 2.0, (2.4, 6.0)), 'says "the" 2 times; they say it 3 to 6 times'),
        (("length", False, 212.0, (80.0, 120.0)), "has 212 words; they have 80 to 120"),
        (("sentence length", False, 25.2, (8.0, 14.0)), "has 25 words a sentence; they have 8 to 14"),
        (("speech", False, 60.0, (0.0, 10.0)), "is 60 % speech; they are 0 to 10 %"),
        (("?", False, 3.0, (0.0, 2.6)), "has 3 question marks; they have 0 to 2"),
        (("!", False, 1.0, (0.0, 0.0)), "has 1 exclamation mark; they have 0"),
        (("-ed", False, 12.0, (2.0, 5.0)), 'has 12 words that end in "-ed"; they have 2 to 5'),
    ],
)
def test_a_difference_is_told_as_counts(difference: tuple[str, bool, float, tuple[float, float]], words: str) -> None:
    feature, is_word, amount, usual = difference
    told = Difference(feature=feature, is_word=is_word, amount=amount, usual=usual)
    lines = reasons(TEXT, draft(differences=[told]), "ashamed").plain.splitlines()
    assert lines == ["What sets it apart from the other 10 ashamed stories:", f"  {words}"]


def test_narrator_copies_and_giveaways_are_sentences() -> None:
    told = draft(
        narrator=OtherNarrator(person="he", usual="I", n_usual=9),
        copies=[CopyOf(text_id="x", concept="sad", scenario="rain", share=0.73, passages=[(3, 21)])],
        giveaways=[(24, 27)],
    )
    assert reasons(TEXT, told, "ashamed").plain.splitlines()[1:] == [
        '  its narrator is "he"; that of 9 of the other 10 is "I"',
        'It shares 73% of its wording with rain / sad, as "took out the trash".',
        'It gives itself away: it says "She".',
    ]


def test_wording_like_that_of_the_others_is_said_and_too_few_others_are_passed_over() -> None:
    assert reasons(TEXT, draft(), "ashamed").plain == "Its words are told as those of the other 10 ashamed stories."
    assert reasons(TEXT, draft(n_others=0), "ashamed").plain == ""


def test_each_sentence_has_a_line_with_two_bars() -> None:
    head, first, blank, second, *rest = by_sentence(TEXT, draft(EFFECTS), "ashamed", 80).plain.splitlines()
    assert head.split()[-2:] == ["ashamed", "furious"]
    assert first.startswith(f"{MARK}He took out the trash.")
    assert first.split()[-2:] == ["·", "▇" * 11]
    assert blank == ""
    assert second.startswith("  She said it was so nice.")
    assert second.split()[-2:] == ["▇" * 6, "·"]  # half of eleven
    assert " ".join(" ".join(rest).split()) == "And so on and on, and nobody read this far."
    assert max(map(cell_len, (head, first, second))) <= 80


def test_without_room_for_bars_the_hardest_pull_has_a_mark() -> None:
    shown = by_sentence(TEXT, draft(EFFECTS), "ashamed", 30).plain
    assert "▇" not in shown
    assert [line for line in shown.splitlines() if line.startswith(MARK)] == [f"{MARK}He took out the trash."]


def test_where_no_sentence_pulls_away_none_is_marked() -> None:
    carrying = [SentenceEffect(0.5, 0.1, is_reread=True), SentenceEffect(-0.1, -0.3, is_reread=True)]
    shown = by_sentence(TEXT, draft(carrying), "ashamed", 80).plain
    assert MARK not in shown


def test_without_effects_the_text_stays_as_it_is() -> None:
    assert by_sentence(TEXT, draft(), "ashamed", 80).plain == TEXT


def test_no_control_character_of_a_story_is_sent() -> None:
    text = "\x1b[2J took out the trash.\n\nShe said it was so nice."
    told = draft(EFFECTS, copies=[CopyOf(text_id="x", concept="\x1b[1m", scenario=None, share=0.5, passages=[(0, 5)])])
    assert "\x1b" not in by_sentence(text, told, "\x1b", 80).plain + reasons(text, told, "\x1b").plain
