"""Where sentences begin and end, and what a sentence carries."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.compute.live.drafts import readings, sentences, token_values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('"Go," he said. "Now!" She went.', ['"Go," he said.', '"Now!"', "She went."]),
        ("No end", ["No end"]),
        ("A title\n\nA line\nthat goes on.", ["A title", "A line\nthat goes on."]),
        ("It cost 3.50 in all... perhaps. Yes", ["It cost 3.50 in all...", "perhaps.", "Yes"]),
        ("彼は走った。雨だった。", ["彼は走った。", "雨だった。"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


@given(st.text(st.sampled_from('ab .!?\n"”。é'), max_size=40))
def test_sentences_cover_all_that_is_written_in_order(text: str) -> None:
    found = sentences(text)
    assert "".join("".join(text[start:end].split()) for start, end in found) == "".join(text.split())
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(found))


def test_a_sentence_is_the_mean_of_its_tokens() -> None:
    text = "Ab c. De."
    offsets = [(0, 0), (0, 2), (2, 4), (4, 5), (5, 8), (8, 9)]
    values = torch.tensor([[9.0], [1.0], [2.0], [6.0], [4.0], [8.0]], dtype=torch.float64)
    tokens, found = readings(text, offsets, values)
    assert [(r.start, r.end, r.values) for r in tokens[:2]] == [(0, 0, [9.0]), (0, 2, [1.0])]
    assert [(r.start, r.end, r.values) for r in found] == [(0, 5, [3.0]), (6, 9, [6.0])]


def test_sentences_beyond_the_tokens_are_left_out() -> None:
    _, found = readings("One. Two.", [(0, 4)], torch.ones(1, 2, dtype=torch.float64))
    assert [(r.start, r.end, r.values) for r in found] == [(0, 4, [1.0, 1.0])]


def test_values_are_projections_about_the_centre() -> None:
    tokens = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    found = token_values(tokens, directions, torch.tensor([1.0, 1.0], dtype=torch.float64), 2.0)
    assert found.tolist() == [[0.0, 0.5], [1.0, 1.5]]
