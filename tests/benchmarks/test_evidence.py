"""`benchmarks.evidence`: faults are planted as they are called, and what is found is told."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
import torch

from benchmarks import evidence
from benchmarks.planting import FAULTS, Draw, Library, documentation, draw, plant
from engine.corpus import Story
from tests.benchmarks.smoke import CORPUS, LLAMA, printed


def library() -> Library:
    """Six scenarios of four concepts; a text's activations are its length and its first letter."""

    def read(texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[[float(len(text)), float(ord(text[0]))] for text in texts]])

    stories = [
        Story(
            path=f"paired/s{s}/{c}.txt",
            text_id=f"{s}{c}",
            text=c + " word" * (8 + 10 * s + i),
            concept=c,
            scenario=f"s{s}",
        )
        for s in range(6)
        for i, c in enumerate(("angry", "bored", "calm", "dull"))
    ]
    return Library.of(stories, [f"off topic {i}" for i in range(9)], read)


def planted(fault: str, *, whole_scenarios: bool = True) -> tuple[Draw, Draw]:
    of, chance = library(), random.Random(1)
    clean = draw(of, 4, chance, whole_scenarios=whole_scenarios)
    assert clean is not None
    faulty = plant(of, clean, fault, 0.25, chance)
    assert faulty is not None
    return clean, faulty


@pytest.mark.parametrize("whole_scenarios", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_as_many_stories_are_made_faulty_as_asked_and_no_others(fault: str, whole_scenarios: bool) -> None:
    clean, faulty = planted(fault, whole_scenarios=whole_scenarios)
    moved = faulty.stories.concepts != clean.stories.concepts
    changed = (faulty.stories.rows != clean.stories.rows).any(2)[0]
    assert torch.equal(moved | changed, faulty.planted)
    assert int(faulty.planted.sum()) == (0 if fault == "clean" else 4)
    assert bool(moved.any()) == (fault in {"random", "nearest", "swap"})
    assert (clean.stories.scenarios[0] == -1) == (not whole_scenarios)


def test_stories_that_swap_names_are_of_one_scenario() -> None:
    clean, faulty = planted("swap")
    stories = faulty.stories
    for i in faulty.planted.nonzero()[:, 0].tolist():
        partners = faulty.planted & (stories.scenarios == stories.scenarios[i])
        assert clean.stories.concepts[i] in stories.concepts[partners]
    assert torch.equal(stories.counts, clean.stories.counts)


def test_a_library_that_is_too_small_gives_nothing() -> None:
    of, chance = library(), random.Random(0)
    assert draw(of, 7, chance, whole_scenarios=True) is None
    everything = draw(of, 6, chance, whole_scenarios=False)
    assert everything is not None
    assert plant(of, everything, "replace", 0.25, chance) is None


def test_documentation_gives_texts() -> None:
    assert len(documentation()) > 50


def test_tables_are_printed() -> None:
    text = printed(evidence.main, CORPUS, "--model", LLAMA, "--per-concept", "2", "--seeds", "1", "--rate", "0.3")
    rows = re.findall(r"^2 (mixed|scenarios) +([\w-]+) .*", text, re.MULTILINE)
    assert ("mixed", "swap") in rows
    assert re.search(r"2 mixed +0\.00 to 0\.05: said 0\.\d+, was 0\.\d+ of \d+", text)
