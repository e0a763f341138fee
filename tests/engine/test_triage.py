"""Which bucket numbers fall into, at and around each threshold, and which stories a writer is shown first."""

from __future__ import annotations

from typing import Any

import pytest

from engine.results import ConceptQuality, Null, Results, StoryFit
from engine.triage import Bucket, Outlier, Thresholds, Verdict, by_bucket, judge, outliers
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


def fit(text: str, own: float | None, rival: float, *, alignment: float = 0.0, concept: str = "joyful") -> StoryFit:
    return StoryFit(
        text_id=text, concept=concept, alignment=alignment, own=own, rival="lonely", rival_score=rival
    )  # fmt: skip


def results(fits: list[StoryFit], *concepts: ConceptQuality) -> Results:
    return Results(
        layers=[LAYER],
        hidden_size=1,
        concepts=list(concepts),
        fits=fits,
        without_vector={},
        truncated=[],
        max_tokens=512,
    )


def stories_to_look_at(results: Results) -> list[Outlier]:
    return outliers(results.fit_of, results.concepts)


def test_misread_stories_come_first_worst_first() -> None:
    fits = [
        fit("mild", -0.1, 0.1),
        fit("worst", -0.5, 0.6),
        fit("lowest", 0.2, 0.1, alignment=-0.9),
        fit("bad", -0.3, 0.2),
    ]
    found = stories_to_look_at(results(fits, concept_quality(lowest=[("lowest", -0.9), ("mild", -0.2)])))
    assert [(outlier.text_id, outlier.misread) for outlier in found] == [
        ("worst", True),
        ("bad", True),
        ("mild", True),
        ("lowest", False),
    ]


@pytest.mark.parametrize(
    ("own", "rival"), [(0.1, 0.9), (-0.1, -0.05), (0.0, 0.5), (-0.5, 0.0), (None, 0.9)]
)  # fmt: skip
def test_not_every_story_with_a_stronger_rival_is_misread(own: float | None, rival: float) -> None:
    assert stories_to_look_at(results([fit("a", own, rival)])) == []


def test_story_without_rival_is_not_misread() -> None:
    alone = StoryFit(text_id="a", concept="joyful", alignment=0.1, own=-0.9, rival=None, rival_score=0.0)
    assert stories_to_look_at(results([alone])) == []


def test_least_aligned_story_that_points_its_concepts_way_is_no_outlier() -> None:
    fits = [fit("a", 0.2, 0.1, alignment=0.1)]
    assert stories_to_look_at(results(fits, concept_quality(lowest=[("a", 0.1)]))) == []


def test_equally_bad_stories_come_in_a_fixed_order() -> None:
    fits = [fit("b", -0.5, 0.5), fit("a", -0.5, 0.5), fit("c", -0.5, 0.5, concept="angry")]
    assert [outlier.text_id for outlier in stories_to_look_at(results(fits))] == ["c", "a", "b"]
    assert stories_to_look_at(results(fits)) == stories_to_look_at(results(fits[::-1]))


def test_outliers_reason_names_both_concepts_and_scores() -> None:
    (found,) = stories_to_look_at(results([fit("a", -0.25, 0.5)]))
    assert found.severity == pytest.approx(0.75)
    assert all(word in found.reason for word in ("joyful", "lonely", "-0.25", "0.50"))


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
