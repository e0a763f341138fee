"""What counts as a word, in any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prose.words import commonest_words, word_spans, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t stop—I can't.", ["don't", "stop", "i", "can't"]),
        ("“Well-known,” she'd said… 3 times_over", ["well", "known", "she'd", "said", "3", "times", "over"]),
        ("Große Tür, cafe\u0301", ["grosse", "tür", "cafe\u0301"]),
        ("नमस्ते। वह", ["नमस्ते", "वह"]),
        ("彼は走った。", ["彼", "は", "走", "っ", "た"]),
        (" ... ", []),
    ],
)
def test_words_are_what_stands_between_blanks_and_punctuation(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(st.sampled_from("aB1é'’ -.ßİ彼_\u200d"), max_size=30))
def test_places_are_those_of_the_words(text: str) -> None:
    placed = word_spans(text)
    assert [word for word, _ in placed] == words(text)
    assert all(text[start:end].casefold().replace("’", "'") == word for word, (start, end) in placed)


def test_the_commonest_words_stand_in_the_most_texts() -> None:
    assert commonest_words([words(text) for text in ("the cat the the", "a cat", "a dog cat", "dog")], 3) == (
        "cat",
        "a",
        "dog",
    )
