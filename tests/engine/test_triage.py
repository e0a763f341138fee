"""Which bucket numbers fall into, at and around each threshold, and which stories a writer is shown first."""

from __future__ import annotations

from typing import Any

import pytest

from engine.evidence import Evidence, Strength
from engine.results import Null
from engine.triage import MAYBE_FROM, Bucket, Thresholds, Verdict, by_bucket, judge, queue, why
from tests.numbers import LAYER, concept_quality


def verdict(thresholds: Thresholds | None = None, **numbers: Any) -> Verdict:
    return judge(
        concept_quality(**({"neuron": 0.0, "nearest": 0.0, "r_squared": 0.0} | numbers)),
        LAYER,
        thresholds or Thresholds(),
    )


@pytest.mark.parametrize(
    ("numbers", "bucket"),
    [
        ({"nearest": 0.81}, Bucket.CONTAMINATED),
        ({"nearest": 0.8}, Bucket.MIXED),
        ({"nearest": 0.81, "first_pc": 0.9, "neuron": 0.9}, Bucket.CONTAMINATED),
        ({"nearest": 0.81, "first_pc": 0.1}, Bucket.CONTAMINATED),
        ({"nearest": -0.95}, Bucket.MIXED),
        ({"nearest": None}, Bucket.MIXED),
        ({"first_pc": 0.71}, Bucket.CLEAN_CIRCUIT),
        ({"first_pc": 0.7}, Bucket.MIXED),
        ({"first_pc": 0.71, "neuron": 0.61}, Bucket.CLEAN_NEURON),
        ({"first_pc": 0.71, "neuron": -0.61}, Bucket.CLEAN_NEURON),
        ({"first_pc": 0.71, "neuron": 0.6}, Bucket.CLEAN_CIRCUIT),
        ({"first_pc": 0.71, "neuron": None}, Bucket.CLEAN_CIRCUIT),
        ({"first_pc": 0.5, "neuron": 0.9}, Bucket.MIXED),
        ({"first_pc": 0.4}, Bucket.MIXED),
        ({"first_pc": 0.39}, Bucket.FRAGMENTED),
    ],
)
def test_bucket_is_the_first_that_matches(numbers: dict[str, Any], bucket: Bucket) -> None:
    assert verdict(**numbers).bucket is bucket


@pytest.mark.parametrize("bucket_numbers", [{"nearest": 0.9}, {"first_pc": 0.9}, {"first_pc": 0.1}, {}])
def test_redundant_stands_beside_any_bucket(bucket_numbers: dict[str, Any]) -> None:
    plain, marked = verdict(**bucket_numbers, r_squared=0.9), verdict(**bucket_numbers, r_squared=0.91)
    assert (plain.redundant, marked.redundant) == (False, True)
    assert marked.bucket is plain.bucket
    assert marked.label == f"{plain.bucket.value} · redundant"


@pytest.mark.parametrize(("stories", "thin"), [(1, True), (2, True), (3, False)])
def test_thin_is_marked_and_no_label_calls_it_clean_without_saying_so(stories: int, thin: bool) -> None:
    judged = verdict(first_pc=1.0, stories=stories)
    assert judged.bucket is Bucket.CLEAN_CIRCUIT
    assert judged.thin is thin
    assert ("thin" in judged.label) is thin
    assert any("write more" in reason for reason in judged.reasons) is thin


def test_every_mark_shows_in_the_label() -> None:
    assert verdict(nearest=0.9, r_squared=0.95, stories=1).label == "contaminated · redundant · thin"


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"nearest": 0.853}, ["0.85", "lonely", "0.8"]),
        ({"first_pc": 0.75, "neuron": -0.66}, ["75%", "70%", "neuron 7", "0.66", "0.6"]),
        ({"first_pc": 0.25}, ["25%", "40%"]),
        ({"first_pc": 0.5}, ["50%"]),
        ({"r_squared": 0.93}, ["93%", "90%"]),
        ({"stories": 1}, ["only 1 story looks"]),
        ({"stories": 2}, ["only 2 stories look"]),
    ],
)
def test_reasons_name_the_numbers_and_thresholds_that_decided(numbers: dict[str, Any], words: list[str]) -> None:
    said = "; ".join(verdict(**numbers).reasons)
    assert [word for word in words if word not in said] == []


def test_thresholds_are_settings() -> None:
    lax = Thresholds(
        redundant_r2=0.1, contaminated_cosine=0.99, clean_first_pc=0.2, single_neuron_cosine=0.1, thin_below=1
    )
    lenient = verdict(lax, nearest=0.9, first_pc=0.3, neuron=0.2, r_squared=0.2, stories=1)
    assert (lenient.bucket, lenient.redundant, lenient.thin) == (Bucket.CLEAN_NEURON, True, False)


def judged(text: str, misfiled: float, *, strange: float = 0.0, concept: str = "joyful", **fields: Any) -> Evidence:
    misfit = 1 - (1 - misfiled) * (1 - strange)
    strength: Strength = "fair" if misfit > 0.75 else "borderline" if misfit > 0.5 else "none"
    shares = [("lonely", 0.9 * misfiled), ("proud", 0.1 * misfiled)]
    return Evidence(**{
        "text_id": text, "concept": concept, "scenario": None, "strange": strange, "misfiled": misfiled,
        "strength": strength, "reads_as": "lonely", "shares": shares,
    } | fields)  # fmt: skip


def test_misread_stories_come_first_worst_first_then_those_that_may_be_off() -> None:
    evidence = [
        judged("perhaps", 0.3), judged("mild", 0.6), judged("healthy", 0.05), judged("worst", 0.9),
        judged("odd", 0.1, strange=0.7),
    ]  # fmt: skip
    assert [(story.text_id, story.misread) for story in queue(evidence)] == [
        ("worst", True),
        ("odd", True),
        ("mild", True),
        ("perhaps", False),
    ]


def test_of_what_cannot_be_told_nothing_is_said() -> None:
    assert queue([judged("a", 0.9, strength="too few to tell")]) == []


def test_what_may_be_off_is_listed_from_one_in_ten() -> None:
    assert [story.text_id for story in queue([judged("a", MAYBE_FROM + 0.001), judged("b", MAYBE_FROM - 0.001)])] == [
        "a"
    ]


def test_equally_bad_stories_come_in_a_fixed_order() -> None:
    evidence = [judged("b", 0.9), judged("a", 0.9), judged("c", 0.9, concept="angry")]
    assert [story.text_id for story in queue(evidence)] == ["c", "a", "b"]
    assert queue(evidence) == queue(evidence[::-1])


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (judged("a", 0.9), "reads as lonely (81%), not as joyful (10%)"),
        (judged("a", 0.05, strange=0.9), "unlike the other joyful stories (90% sure)"),
        (judged("a", 0.05, strange=0.2), "maybe unlike the other joyful stories (20% sure)"),
        (judged("a", 0.4), "maybe: as joyful 60%, as lonely 36%"),
        (
            judged("a", 0.6, shares=[("lonely", 0.3), ("proud", 0.2)]),
            "reads as joyful by 40% only, then as lonely (30%) and others",
        ),
    ],
)
def test_why_a_story_is_in_the_queue(story: Evidence, words: str) -> None:
    assert why(story) == words


def test_by_bucket_lists_worst_news_first_and_marks_apart() -> None:
    verdicts = {"a": verdict(first_pc=0.9, stories=1), "b": verdict(nearest=0.9, r_squared=0.95), "c": verdict()}
    listed = by_bucket(verdicts.items())
    assert list(listed) == [
        "contaminated", "fragmented", "mixed", "clean (circuit)", "clean (single neuron)", "redundant", "thin",
    ]  # fmt: skip
    assert {bucket: names for bucket, names in listed.items() if names} == {
        "contaminated": ["b"],
        "mixed": ["c"],
        "clean (circuit)": ["a"],
        "redundant": ["b"],
        "thin": ["a"],
    }


CHANCE = Null(low=0.3, mean=0.35, high=0.4)


def test_number_that_chance_gives_too_keeps_its_bucket_and_says_so() -> None:
    judged = judge(concept_quality(first_pc=0.38, first_pc_null=CHANCE), LAYER, Thresholds())
    assert judged.bucket is Bucket.FRAGMENTED
    assert judged.reasons == [
        "one axis explains 38% of its stories (below 40%; labels dealt at random give 30% to 40%)"
    ]
    lower = Null(low=0.9, mean=0.95, high=0.97)
    assert "90% to 97%" in judge(concept_quality(first_pc=0.8, first_pc_null=lower), LAYER, Thresholds()).reasons[0]
    beyond = judge(concept_quality(first_pc=0.29, first_pc_null=CHANCE), LAYER, Thresholds())
    assert beyond.reasons == ["one axis explains 29% of its stories (below 40%)"]


def test_redundant_by_chance_is_still_marked_and_says_so() -> None:
    usual = Null(low=0.95, mean=0.97, high=0.98)
    judged = judge(concept_quality(r_squared=0.96, r_squared_null=usual), LAYER, Thresholds())
    assert judged.redundant
    assert "labels dealt at random give 95% to 98%" in judged.reasons[-1]
    below = judge(concept_quality(r_squared=0.93, r_squared_null=usual), LAYER, Thresholds())
    assert "labels dealt at random" in below.reasons[-1], "less than chance gives is no evidence either"
    assert "random" not in judge(concept_quality(r_squared=0.99, r_squared_null=usual), LAYER, Thresholds()).reasons[-1]
