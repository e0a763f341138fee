"""Where sentences begin and end, in texts of any kind and in bounded work."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import sentencex
from hypothesis import given
from hypothesis import strategies as st

from engine.prose import sentences as module
from engine.prose.sentences import WINDOW, sentences

AWKWARD = st.sampled_from(
    ["a", "M", "Dr", " ", ".", "!", "?", "…", "。", "\n", "\r\n", "\n\n", '"', "“", "”", "’", "(", "1.", "* ", "é",
     "😀", "\u2028", "\u3000", "\N{NO-BREAK SPACE}", "\u0300", "\ud800", "\x00", "\x1c"]
)  # fmt: skip


def read(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('"Go," he said. "Now!" She went.', ['"Go," he said.', '"Now!"', "She went."]),
        ("No end", ["No end"]),
        ("A title\n\nA line\nthat goes on.", ["A title", "A line\nthat goes on."]),
        ("A title\r\n \r\nA line.", ["A title", "A line."]),
        ("It cost 3.50 in all... perhaps. Yes", ["It cost 3.50 in all... perhaps.", "Yes"]),
        ("彼は走った。雨だった。", ["彼は走った。", "雨だった。"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_at_punctuation_and_empty_lines(text: str, expected: list[str]) -> None:
    assert read(text) == expected


def test_an_abbreviation_ends_no_sentence() -> None:
    assert read('Mrs. Allen said: "No." She left.') == ['Mrs. Allen said: "No."', "She left."]
    assert read("Dr. Lee met J. R. Smith at 5 p.m. and ran. So!") == [
        "Dr. Lee met J. R. Smith at 5 p.m. and ran.",
        "So!",
    ]


def test_closing_quotes_belong_to_the_sentence() -> None:
    assert read("He said “No.” Then he left.") == ["He said “No.”", "Then he left."]
    assert read('"Because. It is. So!" she said. I left.') == ['"Because. It is. So!" she said.', "I left."]


def assert_spans_hold_all_that_is_written(text: str) -> None:
    spans = sentences(text)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)


@given(st.text(max_size=60) | st.lists(AWKWARD, max_size=30).map("".join))
def test_spans_are_in_order_and_hold_all_that_is_written(text: str) -> None:
    assert_spans_hold_all_that_is_written(text)


@given(st.lists(AWKWARD, min_size=1, max_size=6).map("".join), st.integers(WINDOW - 3, 3 * WINDOW))
def test_spans_hold_all_that_is_written_in_texts_longer_than_a_window(pattern: str, length: int) -> None:
    assert_spans_hold_all_that_is_written((pattern * length)[:length])


def test_blanks_of_several_bytes_behind_an_initial_are_read() -> None:
    """The library falls over `M\u2028.` when it is given it as it is."""
    assert read("I am M\u2028. You are N.") == ["I am M\u2028.", "You are N."]


def test_a_fault_in_the_library_costs_the_sentence_ends_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As the library raises it; its own class cannot be imported."""

    def faulty(_language: str, text: str) -> list[dict[str, Any]]:
        raise PanicException if "b" in text else KeyboardInterrupt

    monkeypatch.setattr(module, "get_sentence_boundaries", faulty)
    assert read("A b. C d.\n\nE b.") == ["A b. C d.", "E b."]
    with pytest.raises(KeyboardInterrupt):
        sentences("A c.")


@pytest.mark.parametrize("pattern", [".", "x", "word ", "“a. ", '."', "!)", "a.\n", "Mr. ", "(", "1. a "])
def test_the_library_is_given_a_bounded_number_of_characters(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def counted(language: str, text: str) -> list[dict[str, Any]]:
        lengths.append(len(text))
        boundaries: list[dict[str, Any]] = sentencex.get_sentence_boundaries(language, text)
        return boundaries

    monkeypatch.setattr(module, "get_sentence_boundaries", counted)
    text = (pattern * (1 << 20))[: 1 << 20] + "x"
    assert sum(end - start for start, end in sentences(text)) >= len("".join(text.split()))
    assert max(lengths) <= WINDOW
    assert sum(lengths) <= 2 * len(text) + WINDOW


def test_a_sentence_longer_than_a_window_is_cut_between_words() -> None:
    pieces = read("word " * WINDOW)
    assert len(pieces) > 1
    assert all(WINDOW // 2 < len(piece) <= WINDOW and piece.split() == piece.split(" ") for piece in pieces[:-1])
    assert set(" ".join(pieces).split()) == {"word"}
