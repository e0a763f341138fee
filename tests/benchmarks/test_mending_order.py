"""`benchmarks.mending_order`: stories are mended in order, and what that brings is told."""

from __future__ import annotations

import random
import re

import torch

from benchmarks import mending_order
from benchmarks.planting import Library, draw, plant
from engine.corpus import Story
from tests.benchmarks.smoke import CORPUS, LLAMA, figures, printed


def test_mending_all_that_was_planted_brings_what_a_clean_corpus_has() -> None:
    noise = torch.Generator().manual_seed(0)
    stories = [
        Story(path=f"stories/{c}/{i}.txt", text_id=f"{c}{i}", text=f"{c} {i}", concept=c, scenario=None)
        for c in ("angry", "bored", "calm", "dull")
        for i in range(20)
    ]
    rows = torch.eye(8)[:4].repeat_interleave(20, 0) * 8 + torch.randn(80, 8, generator=noise)
    library = Library.of(stories, [], lambda _: rows[None])
    chance = random.Random(0)
    clean = draw(library, 10, chance, whole_scenarios=False)
    assert clean is not None
    faulty = plant(library, clean, "random", 0.2, chance)
    assert faulty is not None
    measured = mending_order.measure(library, clean, faulty, chance)
    top, half, *gains = measured["misfit"]
    assert top == half == 1.0
    assert gains[-2] == gains[-1] >= gains[0]


def test_table_is_printed() -> None:
    text = printed(mending_order.main, CORPUS, "--model", LLAMA, "--per-concept", "2", "--seeds", "1", "--rate", "0.3")
    top, half = figures(r"2 mixed +misfit +(\S+) +(\S+) ", text)
    assert 0 <= top <= 1
    assert 0 <= half <= 1
    assert len(re.findall(r"^2 mixed +(?:misfit|expected gain|effect alone) ", text, re.MULTILINE)) == 3
