"""Texts without case and accents, and the way back to the places they come from."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from amygdala_tui.folding import fold, places_of, query_words
from engine.plain import JOINERS

ODD = "aAéÉßİﬁ½…’'ΣςΌ한ガ悲e\u0301\u0302\n -\u200d\u200c\xad\U0001f469"
"""Characters that fold to none, to one and to several; letters that are two; accents that combine."""
TEXTS = st.text(st.sampled_from(ODD), max_size=30) | st.text(max_size=20)


def naive(char: str) -> str:
    """One character, folded by the definition."""
    if char in JOINERS:
        return ""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(each for each in folded if not unicodedata.combining(each)).replace("’", "'")


@given(TEXTS)
def test_every_character_folds_as_it_does_alone_and_knows_where_it_comes_from(text: str) -> None:
    folded = fold(text)
    assert folded.text == "".join(map(naive, text))
    origins = [place for place, char in enumerate(text) for _ in naive(char)]
    assert [folded.origin(place) for place in range(len(folded.text))] == origins


@given(TEXTS, st.data())
def test_a_span_leads_back_to_characters_that_fold_to_it(text: str, data: st.DataObject) -> None:
    folded = fold(text)
    if not folded.text:
        return
    start = data.draw(st.integers(0, len(folded.text) - 1))
    end = data.draw(st.integers(start + 1, len(folded.text)))
    begin, stop = folded.span(start, end)
    assert 0 <= begin < stop <= len(text)
    assert folded.text[start:end] in fold(text[begin:stop]).text


def test_case_accents_and_curly_apostrophes_make_no_difference() -> None:
    assert fold("CAFÉ Don’t STRASSE Straße ﬁne").text == "cafe don't strasse strasse fine"
    assert fold("cafe\u0301").text == fold("café").text


@given(TEXTS, TEXTS)
def test_found_places_lie_in_the_text_apart_and_in_order(query: str, text: str) -> None:
    end = -1
    for start, stop in places_of(query_words(query), text):
        assert end < start < stop <= len(text)
        end = stop


def test_words_that_overlap_are_marked_once() -> None:
    assert places_of(("porch", "chair"), "a PORCHAIR; a porch") == [(2, 10), (14, 19)]


def test_a_query_is_its_words_without_those_within_others() -> None:
    assert query_words("  he HELLO héllo the ") == ("hello", "the")
    assert query_words(" \u0301 ") == ()
