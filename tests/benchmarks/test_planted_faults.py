"""`benchmarks.planted_faults`: faults are planted as they are called, and what is found is told."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import one_hot

from benchmarks import judges, planted_faults
from benchmarks.planting import CLEAN, FAULTS_OF_STORIES, Draw, Library, documentation, draw, plant
from engine.compute.statistics.evidence.stories import Stories
from engine.compute.statistics.leave_one_out import leave_one_out
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
@pytest.mark.parametrize("fault", [CLEAN, *FAULTS_OF_STORIES])
def test_as_many_stories_are_made_faulty_as_asked_and_no_others(fault: str, whole_scenarios: bool) -> None:
    clean, faulty = planted(fault, whole_scenarios=whole_scenarios)
    moved = faulty.stories.concepts != clean.stories.concepts
    changed = (faulty.stories.rows != clean.stories.rows).any(2)[0]
    reworded = torch.tensor([new != old for new, old in zip(faulty.texts, clean.texts, strict=True)])
    assert torch.equal(reworded, changed)
    if fault == "copies":
        assert int(reworded.sum()) == 2
        assert faulty.planted[reworded].all()
    else:
        assert torch.equal(moved | changed, faulty.planted)
    assert int(faulty.planted.sum()) == (0 if fault == CLEAN else 4)
    assert bool(moved.any()) == (fault in {"random", "nearest", "swap"})
    assert (clean.stories.scenarios[0] == -1) == (not whole_scenarios)


def test_stories_that_swap_names_are_of_one_scenario() -> None:
    clean, faulty = planted("swap")
    stories = faulty.stories
    for i in faulty.planted.nonzero()[:, 0].tolist():
        partners = faulty.planted & (stories.scenarios == stories.scenarios[i])
        assert clean.stories.concepts[i] in stories.concepts[partners]
    assert torch.equal(stories.counts, clean.stories.counts)


@pytest.mark.parametrize("whole_scenarios", [True, False])
def test_a_merged_concept_has_half_of_its_stories_from_another_and_of_each_scenario_one(whole_scenarios: bool) -> None:
    clean, faulty = planted("merge", whole_scenarios=whole_scenarios)
    stories = faulty.stories
    assert stories.n_concepts == clean.stories.n_concepts - 1
    assert stories.counts.tolist() == [4, 4, 4]
    merged = stories.concepts == int(faulty.planted.nonzero())
    first_letters = [faulty.texts[i][0] for i in merged.nonzero()[:, 0].tolist()]
    assert sorted(first_letters.count(letter) for letter in set(first_letters)) == [2, 2]
    if whole_scenarios:
        assert len(set(stories.scenarios[merged].tolist())) == 4


def test_a_split_concepts_stories_stand_under_two_names() -> None:
    clean, faulty = planted("split")
    assert faulty.planted.sum() == 2
    first, second = faulty.planted.nonzero()[:, 0].tolist()
    joined = torch.where(faulty.stories.concepts == second, first, faulty.stories.concepts)
    assert torch.equal(joined, clean.stories.concepts)
    assert faulty.stories.counts[[first, second]].tolist() == [2, 2]


def test_a_near_copy_has_most_of_its_words_from_a_story_of_the_same_concept() -> None:
    clean, faulty = planted("copies", whole_scenarios=False)
    reworded = [i for i, text in enumerate(faulty.texts) if text != clean.texts[i]]
    for i in reworded:
        originals = (faulty.stories.concepts == faulty.stories.concepts[i]).nonzero()[:, 0].tolist()
        shares = [_shared(faulty.texts[i], faulty.texts[j]) for j in originals if j != i]
        assert max(shares) >= 0.8


def _shared(one: str, other: str) -> float:
    """The share of words that are the same, place by place."""
    first, second = one.split(), other.split()
    return sum(a == b for a, b in zip(first, second, strict=False)) / max(len(first), len(second))


def test_a_library_that_is_too_small_gives_nothing() -> None:
    of, chance = library(), random.Random(0)
    assert draw(of, 7, chance, whole_scenarios=True) is None
    everything = draw(of, 6, chance, whole_scenarios=False)
    assert everything is not None
    assert plant(of, everything, "replace", 0.25, chance) is None


def test_documentation_gives_texts() -> None:
    assert len(documentation()) > 50


def test_the_classic_judge_flags_what_the_classic_list_has_and_in_its_order() -> None:
    chance = torch.Generator().manual_seed(3)
    _, drawn = planted("swap")
    stories = replace(drawn.stories, rows=torch.randn(1, len(drawn.texts), 6, generator=chance))
    verdicts = judges.by_alignment(replace(drawn, stories=stories))
    listed = classic_list(stories)
    assert listed
    assert any(verdicts.flagged.logical_not())
    assert sorted(listed) == verdicts.flagged.nonzero()[:, 0].tolist()
    assert verdicts.scores[listed].diff().max() <= 0


def classic_list(stories: Stories) -> list[int]:
    """Stories that read below zero as their own concept and above it as another; then each concept's lowest two."""
    x = stories.rows[0].double()
    concepts = stories.concepts.tolist()
    scores = leave_one_out(stories.rows[0], one_hot(stories.concepts, stories.n_concepts).bool())
    leads: dict[int, float] = {}
    lowest: dict[int, float] = {}
    for c in range(stories.n_concepts):
        own = [i for i, concept in enumerate(concepts) if concept == c]
        mean = x[own].mean(0)
        direction = mean - x[[i for i in range(len(x)) if i not in own]].mean(0)
        alignment = {i: float(torch.cosine_similarity(x[i] - mean, direction, dim=0)) for i in own}
        for i in own:
            rival = max(float(scores[i, k]) for k in range(stories.n_concepts) if k != c)
            if float(scores[i, c]) < 0 < rival:
                leads[i] = rival - float(scores[i, c])
        lowest |= {i: alignment[i] for i in sorted(own, key=lambda i: alignment[i])[:2] if alignment[i] < 0}
    rest = [i for i in sorted(lowest, key=lambda i: lowest[i]) if i not in leads]
    return [*sorted(leads, key=lambda i: -leads[i]), *rest]


def test_tables_are_printed_with_whoever_is_installed() -> None:
    text = printed(
        planted_faults.main, CORPUS, "--model", LLAMA, "--per-concept", "2", "--seeds", "1", "--rates", "0", "0.3"
    )
    rows = set(re.findall(r"^2 (mixed|scenarios) +(\w+) +(0\.\d+) (\w+) ", text, re.MULTILINE))
    assert {("mixed", "swap", "0.30", judge) for judge in ("evidence", "alignment", "margin")} < rows
    assert ("mixed", "nothing", "0.00", "evidence") in rows
    assert {("mixed", fault, "0.30", "own") for fault in ("copies", "split")} < rows
    assert ("Cleanlab is not installed" in text) != ("cleanlab" in {judge for *_, judge in rows})
    assert re.search(r"2 mixed +0\.00 to 0\.05: said 0\.\d+, was 0\.\d+ of \d+", text)
