"""What a report says."""

from __future__ import annotations

import json

import msgspec
import pytest

from engine.corpus import Accepted
from engine.report import words
from engine.report.content import report_of
from tests.engine.report.making import HELD_OUT, corpus, report, results


def test_stories_that_are_most_likely_off_come_first_with_text_and_reasons() -> None:
    of_corpus = report(flagged=2)
    assert [each.evidence.path for each in of_corpus.flagged] == ["paired/day0/calm.txt", "paired/day1/calm.txt"]
    assert of_corpus.flagged[0].text == "The lake lay still."
    assert of_corpus.flagged[0].says == "Reads as proud (96 %), not as calm (3 %)."
    assert "Of the 2 stories most like it, 1 tell proud." in of_corpus.flagged[0].reasons
    assert of_corpus.headline[0] == "2 of 12 stories look misread. Start with the first."


def test_an_accepted_story_is_counted_and_not_listed() -> None:
    of = corpus()
    first = of.stories[0]
    accepting = msgspec.structs.replace(of, accepted={first.path: Accepted(text_id=first.text_id, reason="a dream")})
    said = report_of("c", results(of, flagged=2), accepting, {}, 0.9)
    assert [each.evidence.path for each in said.flagged] == ["paired/day1/calm.txt"]
    assert said.headline[:2] == ["1 of 12 stories looks misread.", "1 story is accepted as it is."]
    assert said.n_accepted == 1
    assert [concept.n_flagged for concept in said.concepts if concept.name == "calm"] == [1]


def test_of_a_clean_corpus_it_says_so() -> None:
    clean = report(flagged=0)
    assert clean.flagged == []
    assert clean.headline[0] == "None of 12 stories looks misread."


def test_where_nothing_can_be_told_it_says_what_it_takes() -> None:
    of = corpus()
    judged = results(of)
    untold = [msgspec.structs.replace(each, strength="too few to tell") for each in judged.evidence]
    said = report_of("few", msgspec.structs.replace(judged, evidence=untold), of, {}, 0.9)
    assert said.headline[0].startswith("Nothing can be told yet")
    assert [words.remarks(concept) for concept in said.concepts] == [["too few stories to tell"]] * 3


def test_a_strange_story_is_said_to_lie_far_from_the_others() -> None:
    story = msgspec.structs.replace(report().flagged[0].evidence, misfiled=0.1, strange=0.99)
    assert words.says(story, "calm") == "Lies far from the other calm stories, whatever it reads as (99 %)."


def test_concepts_that_read_worst_come_first() -> None:
    assert [concept.name for concept in report().concepts] == ["sad", "proud", "calm"]


def test_a_verdict_is_a_remark_with_its_reasons_and_a_healthy_concept_has_none() -> None:
    concept = report().concepts[0]
    assert concept.evidence is not None
    said = {
        verdict: words.remarks(
            msgspec.structs.replace(
                concept, evidence=msgspec.structs.replace(concept.evidence, verdict=verdict, reasons=["1 of 2"])
            )
        )
        for verdict in ("told like sad", "no verdict yet: write 2 more", "healthy", None)
    }
    assert list(said.values()) == [["told like sad: 1 of 2"], ["no verdict yet: write 2 more"], [], []]


def test_that_a_concept_is_told_like_a_relative_is_a_remark() -> None:
    concept = report().concepts[0]
    assert concept.evidence is not None
    related = msgspec.structs.replace(concept.evidence, verdict="healthy", reasons=["told like sad, a relative", "x"])
    assert words.remarks(msgspec.structs.replace(concept, evidence=related)) == ["told like sad, a relative"]


def test_of_held_out_stories_the_concepts_that_read_worst_come_first_and_those_without_any_not_at_all() -> None:
    said = report(held_out=HELD_OUT)
    assert said.held_out is not None
    assert [each.concept for each in said.held_out] == ["proud", "calm"]
    assert words.held_out(said).startswith("5 stories of held-out/, which no vector is made of; 3 read highest as")
    assert words.reads_as(HELD_OUT["calm"]) == "calm 2, sad 1"
    assert words.held_out(report(held_out={})).startswith("None of them can be read")
    assert report().held_out is None


def test_near_copies_are_told_once_a_pair() -> None:
    text = "The same morning came again over the same slow river, and the ferry took the same four people across."
    of = corpus(text)
    twin = msgspec.structs.replace(of.stories[-1], text=text, text_id=of.stories[0].text_id)
    of = msgspec.structs.replace(of, stories=(*of.stories[:-1], twin))
    said = report_of("twins", results(of), of, {}, 0.9)
    assert words.copies(said) == ["paired/day0/calm.txt and paired/day3/sad.txt: all of the shorter text"]


def test_as_json_it_holds_numbers_that_json_knows() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    document = json.loads(msgspec.json.encode(report()), parse_constant=refuse)
    assert document["flagged"][0]["evidence"]["shares"] == [["proud", 0.96], ["calm", pytest.approx(0.03)]]
    assert document["concepts"][0]["evidence"]["auroc_interval"] == [pytest.approx(0.6), pytest.approx(0.75)]


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "under 1 %"), (0.034, "3 %"), (0.995, "over 99 %"), (1.0, "over 99 %"), (0.5, "50 %")]
)
def test_nothing_is_said_to_be_certain(share: float, said: str) -> None:
    assert words.percent(share) == said
