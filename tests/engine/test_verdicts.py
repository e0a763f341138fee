"""Concepts are worth a look only where more is wrong than chance explains, and the reason names what decided."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from engine.evidence import Camps, ConceptEvidence, Measured
from engine.results import Null, Results
from engine.verdicts import ConceptVerdict, Finding, concept_verdicts, pairs_right
from tests.numbers import concept_quality

WELL = Measured(value=0.95, low=0.9, high=0.98)


def told(
    name: str = "calm",
    *,
    auroc: Measured | None = WELL,
    rival_auroc: Measured | None = WELL,
    p_value: float | None = None,
    own_auroc: Measured | None = WELL,
) -> ConceptEvidence:
    return ConceptEvidence(
        concept=name,
        auroc=auroc,
        rival="sad",
        rival_auroc=rival_auroc,
        stability=0.8,
        camps=None if p_value is None else Camps(p_value=p_value, smaller=[("t1", "rain"), ("t2", None)]),
        pulls=[],
        own_share=0.5,
        own_auroc=own_auroc,
        without_own=[],
    )


def verdicts(
    evidence: list[ConceptEvidence],
    *,
    n: int = 20,
    r_squared: float = 0.5,
    null: Null | None = None,
    relatives: Collection[tuple[str, str]] = (),
) -> dict[str, ConceptVerdict]:
    """Of these and of nineteen healthy concepts."""
    others = [told(f"other {i}", p_value=0.5) for i in range(19)]
    qualities = [
        concept_quality(each.concept, first_pc=0.3, nearest=0.5, r_squared=r_squared, stories=n, r_squared_null=null)
        for each in [*evidence, *others]
    ]
    results = Results(
        layers=[2],
        hidden_size=4,
        concepts=qualities,
        fits=[],
        concept_evidence=[*evidence, *others],
        without_vector={},
        truncated=[],
        max_tokens=9,
    )
    return concept_verdicts(results, 0.9, relatives)


def of(evidence: ConceptEvidence, *, n: int = 20, r_squared: float = 0.5, null: Null | None = None) -> ConceptVerdict:
    return verdicts([evidence], n=n, r_squared=r_squared, null=null)["calm"]


def test_a_healthy_concept_has_no_word_and_a_reason() -> None:
    verdict = of(told())
    assert (verdict.finding, verdict.label, verdict.worth_a_look) == (Finding.HEALTHY, "", False)
    assert verdict.reasons == ["reads 95 of 100 pairs right (90–98) against all other stories; chance gives 50"]


@pytest.mark.parametrize(("n", "missing"), [(1, 2), (2, 1)])
def test_fewer_than_three_stories_have_no_verdict_and_say_how_many_to_write(n: int, missing: int) -> None:
    verdict = of(told(), n=n)
    assert verdict.label == f"no verdict yet: write {missing} more"
    assert not verdict.worth_a_look


def test_an_interval_that_reaches_chance_is_want_of_stories_where_they_are_few_and_a_fault_where_they_are_many() -> (
    None
):
    unsure = Measured(value=0.7, low=0.45, high=0.87)
    few = of(told(auroc=unsure), n=8)
    assert (few.finding, few.missing, few.worth_a_look) == (Finding.UNKNOWN, 2, False)
    many = of(told(auroc=unsure), n=20)
    assert (many.label, many.worth_a_look) == ("its stories disagree", True)
    assert "45–87" in many.reasons[0]


def test_the_number_of_stories_to_write_is_what_takes_the_interval_beyond_chance() -> None:
    # logits -0.1 and 3.1: the middle 1.5 is beyond a half width of 1.6 √(n / m) from m > 1.14 n on
    verdict = of(told(auroc=Measured(value=0.82, low=0.475, high=0.957)), n=6)
    assert verdict.missing == 1


def test_without_a_number_nothing_is_said() -> None:
    assert of(told(auroc=None)).label == "no verdict yet"


def test_two_camps_are_told_of_where_they_are_rare_even_among_so_many_concepts() -> None:
    sure = of(told(p_value=0.001))
    assert (sure.label, sure.has_camps) == ("its stories disagree", True)
    assert "2 of its 20 stories stand apart" in sure.reasons[0]
    assert "once in 1,000 times" in sure.reasons[0]
    assert of(told(p_value=0.009)).finding is Finding.HEALTHY  # one of twenty concepts does so by chance


def test_concepts_that_cannot_be_told_apart_are_told_alike_but_close_ones_are_not() -> None:
    alike = Measured(value=0.5, low=0.33, high=0.67)
    verdict = of(told(rival_auroc=alike))
    assert (verdict.label, verdict.worth_a_look) == ("told like sad", True)
    assert verdict.reasons[0].startswith("50 of 100 pairs right (33–67) against the stories of sad")
    assert of(told(rival_auroc=Measured(value=0.65, low=0.45, high=0.81))).finding is Finding.HEALTHY
    assert of(told(rival_auroc=alike), n=9).finding is Finding.HEALTHY


def test_a_mix_of_others_is_one_beyond_what_any_of_so_many_concepts_reaches_by_chance() -> None:
    null = Null(low=0.90, mean=0.92, high=0.94)
    weak = Measured(value=0.6, low=0.5, high=0.7)
    assert of(told(own_auroc=weak), r_squared=0.945, null=null).finding is Finding.HEALTHY
    verdict = of(told(own_auroc=weak), r_squared=0.97, null=null)
    assert (verdict.label, verdict.worth_a_look) == ("made of others", True)
    assert "90% to 94%" in verdict.reasons[0]
    assert of(told(), r_squared=0.97, null=null).finding is Finding.HEALTHY  # what is its own tells its stories well
    assert of(told(own_auroc=weak), r_squared=0.97).finding is Finding.HEALTHY  # no null, no evidence
    low = Null(low=0.1, mean=0.2, high=0.3)
    assert of(told(own_auroc=weak), r_squared=0.8, null=low).finding is Finding.HEALTHY  # below the threshold


def test_pairs_are_said_in_hundreds() -> None:
    assert pairs_right(Measured(value=0.981, low=0.957, high=0.994)) == "98 of 100 pairs right (96–99)"


def test_a_relative_that_a_concept_is_told_like_is_said_and_is_no_alarm() -> None:
    evidence = told(rival_auroc=Measured(value=0.5, low=0.33, high=0.67))
    related = verdicts([evidence], relatives={("calm", "sad")})["calm"]
    assert (related.label, related.finding, related.worth_a_look) == (
        "told like sad, a relative",
        Finding.HEALTHY,
        False,
    )
    assert related.reasons[0].startswith("50 of 100 pairs right (33–67) against the stories of sad")
    assert verdicts([evidence], relatives={("calm", "joy")})["calm"].worth_a_look
