"""`benchmarks.alarms`: rows that call for action are counted, and folded ones are not."""

from __future__ import annotations

import re
from collections import Counter

from benchmarks import alarms
from benchmarks.alarms import Called, told
from engine.evidence import Evidence
from tests.benchmarks.smoke import CORPUS, LLAMA, printed


def story(misfit: float) -> Evidence:
    return Evidence(
        text_id="t",
        concept="calm",
        scenario=None,
        strange=0.0,
        misfiled=misfit,
        strength="fair",
        reads_as="sad",
        shares=[("sad", misfit)],
    )


def called(*misfits: float, **findings: int) -> Called:
    return Called(
        n_stories=10,
        n_concepts=4,
        misread=[story(misfit) for misfit in misfits],
        n_maybes=3,
        findings=Counter(findings),
        n_classic=4,
    )


def test_queue_has_a_row_for_each_misread_story_and_for_each_concept_worth_a_look_but_maybes_call_for_nothing() -> None:
    one = called(0.9, 0.6, alike=1)
    assert (one.in_queue, one.in_triage) == (3, 1)
    assert one.line(7).split() == ["7", "10", "3", "1", "2", "3", "4", "alike:", "1"]


def test_all_draws_come_to_rows_a_draw_and_shares_of_all() -> None:
    words = told([called(0.9, 0.6, alike=1), called()])
    assert "Queue: 1.50 rows a draw; Triage: 0.50" in words
    assert "misread: 2 of 20 stories (10.0%), of which the evidence takes 0.5 for false alarms itself" in words
    assert "worth a look: 1 of 8 concepts (12.5%), in 1 of 2 draws" in words


def test_a_row_is_printed_for_each_draw() -> None:
    text = printed(alarms.main, CORPUS, "--model", LLAMA, "--scenarios", "4", "--draws", "2")
    assert len(re.findall(r"^ +\d+ +\d+ +\d+ +\d+ ", text, re.MULTILINE)) == 2
    assert re.search(r"worth a look: \d+ of \d+ concepts", text)
