"""`benchmarks.verdicts`: faults are planted in the stories of a name as they are called, and what is found is told."""

from __future__ import annotations

import random
import re
from collections import Counter

from benchmarks import verdicts
from benchmarks.verdicts import Counted, filed_twice, merged, placed
from engine.corpus import Story
from engine.verdicts import ConceptVerdict, Finding
from tests.benchmarks.smoke import CORPUS, LLAMA, printed

STORIES = [
    Story(
        path=f"paired/s{s}/{concept}.txt", text_id=f"{s}{concept}", text="A story.", concept=concept, scenario=f"s{s}"
    )
    for s in range(8)
    for concept in ("angry", "calm", "dull")
]


def test_a_concept_under_two_names_has_as_many_stories_of_each_as_asked() -> None:
    faulty = filed_twice(STORIES, 4, random.Random(0))
    (concept,) = faulty.names - {verdicts.SECOND_NAME}
    assert {each.text_id for each in faulty.placements} == {story.text_id for story in STORIES}
    assert {each.text_id for each in faulty.placements if each.concept in faulty.names} == {
        story.text_id for story in STORIES if story.concept == concept
    }
    counts = Counter(each.concept for each in faulty.placements)
    assert (counts[concept], counts[verdicts.SECOND_NAME]) == (4, 4)


def test_two_concepts_under_one_name_take_turns_and_the_others_stay() -> None:
    faulty = merged(STORIES, 6, random.Random(0))
    (name,) = faulty.names
    named = [each for each in faulty.placements if each.concept == name]
    assert len({each.scenario for each in named}) == len(named) == 6
    assert sorted(Counter(each.text_id[1:] for each in named).values()) == [3, 3]
    others = [each for each in faulty.placements if each.concept != name]
    assert len({each.concept for each in others}) == 1
    assert set(others) <= set(placed(STORIES))


def test_alarms_are_counted_of_sound_concepts_and_finds_of_faulty_ones() -> None:
    counted = Counted()
    findings = {"a": Finding.ALIKE, "b": Finding.HEALTHY, "c": Finding.MIX, "d": Finding.UNKNOWN}
    said = {name: ConceptVerdict(finding=finding, reasons=[]) for name, finding in findings.items()}
    counted.add(said, frozenset({"a", "b"}), Finding.ALIKE)
    assert counted.line("x") == "x: 1 false alarms of 2 (made of others: 1), in 1 of 1 draws; found 1 of 2 (healthy: 1)"


def test_a_line_is_printed_for_each_kind_of_draw() -> None:
    text = printed(
        verdicts.main, CORPUS, "--model", LLAMA, "--clean", "3", "--sizes", "2", "--draws", "1"
    )  # fmt: skip
    assert re.search(r"as it is, 3 scenarios: \d+ false alarms of \d+", text)
    assert re.search(r"as it is, all \d+ stories: \d+ false alarms of \d+", text)
    assert re.search(r"under two names, 2 stories each: .*found \d of 2", text)
    assert re.search(r"two under one name, 2 stories each: .*found \d of 1", text)
