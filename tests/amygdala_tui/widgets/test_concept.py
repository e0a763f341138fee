"""The Concept pane: how well a concept reads, in words, and its stories, likeliest to be off first."""

import msgspec

from amygdala_tui.widgets.concept import _draw_story, report
from amygdala_tui.widgets.triage import summary
from engine.evidence import Camps, ConceptEvidence, Measured
from engine.verdicts import ConceptVerdict, Finding
from engine.wire.snapshot import ConceptView
from tests.amygdala_tui import making

EVIDENCE = ConceptEvidence(
    concept="calm",
    auroc=Measured(value=0.98, low=0.957, high=0.99),
    rival="sad",
    rival_auroc=Measured(value=0.9, low=0.8, high=0.95),
    stability=0.7,
    camps=Camps(p_value=0.001, smaller=[("t1", "rain"), ("t2", None)]),
    pulls=[("t1", "calm", "rain", 0.1), ("t3", "sad", None, 0.1)],
    own_share=0.5,
    own_auroc=None,
    without_own=[("t2", None), ("t1", "rain")],
)


def view(finding: Finding, *, has_camps: bool = False) -> ConceptView:
    verdict = ConceptVerdict(finding=finding, has_camps=has_camps, reasons=["what decided"])
    return msgspec.structs.replace(making.concept("calm"), evidence=EVIDENCE, evidence_verdict=verdict)


def said(of: ConceptView) -> str:
    return report(of, 2, "calm", with_classic=False).plain


def test_a_healthy_concept_says_how_well_it_reads_and_no_verdict() -> None:
    shown = said(view(Finding.HEALTHY))
    assert "reads 98 of 100 pairs right (96–99) against all other stories" in shown
    assert "closest concept: sad, told from it 90 of 100 pairs right (80–95)" in shown
    assert "healthy" not in shown
    assert "camp" not in shown


def test_a_concept_of_two_camps_names_the_smaller_one() -> None:
    shown = said(view(Finding.DISAGREE, has_camps=True))
    assert "its stories disagree\nwhat decided" in shown
    assert "one camp: rain, stories" in shown


def test_what_a_concept_gains_without_a_story_stands_only_where_it_is_more_than_noise() -> None:
    story = making.healthy("paired/rain/calm.txt", effect=0.02)
    assert _draw_story(story, "rain", with_effect=True, width=40).plain.split() == ["98%", "+2.0", "rain"]
    assert _draw_story(story, "rain", with_effect=False, width=40).plain.split() == ["98%", "rain"]
    unjudged = making.story("paired/rain/calm.txt")
    assert _draw_story(unjudged, "rain", with_effect=True, width=40).plain.split() == ["—", "—", "rain"]


def test_stories_that_draw_two_concepts_together_are_named_only_where_they_are_told_alike() -> None:
    words = "what draws the two together most: calm in rain, sad in stories"
    assert words in said(view(Finding.ALIKE))
    assert all("draws" not in said(view(other)) for other in Finding if other is not Finding.ALIKE)


def test_what_a_concept_lacks_of_its_own_is_said_only_where_it_is_made_of_others() -> None:
    words = "50% of it is its own; least of that is in stories, rain: write there what only calm has"
    assert words in said(view(Finding.MIX))
    assert all("its own" not in said(view(other)) for other in Finding if other is not Finding.MIX)


def test_triage_counts_what_is_worth_a_look_and_what_chance_would_do_as_well() -> None:
    views = [view(Finding.ALIKE), *[view(Finding.HEALTHY)] * 19]
    assert summary(views) == "20 concepts: 1 worth a look, 19 as chance would have it"
    assert summary([making.concept("calm")]) == "1 concept: 0 worth a look, 1 not judged yet"
