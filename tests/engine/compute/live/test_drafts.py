"""What a sentence carries."""

from __future__ import annotations

import torch

from engine.compute.live.drafts import readings, token_values


def test_a_sentence_is_the_mean_of_its_tokens() -> None:
    text = "Abcd. De."
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
