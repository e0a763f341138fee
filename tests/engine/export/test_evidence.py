"""What files say of stories and concepts: the results, under the names of files."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.steps import run
from engine.corpus import Accepted, Corpus, Layout, scan
from engine.evidence import Camps, ConceptEvidence, Evidence, Measured
from engine.export.evidence import JudgedStory, Wording, _reasons, _verdict, judged, largest_shares
from engine.export.readout import quality_document
from engine.results import Results
from engine.settings import Settings
from engine.triage import judge
from engine.verdicts import ENOUGH_STORIES, ConceptVerdict, Finding
from engine.wire.jobs import Placement
from tests.places import GOLDEN


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return scan(Layout.of(GOLDEN / "corpus"))


@pytest.fixture
def results(corpus: Corpus, llama: LoadedModel, tmp_path: Path) -> Results:
    live = LiveCorpus(llama, Settings(model="llama"), Store(tmp_path), [1, 2], with_evidence=True)
    placements = [Placement(story.text_id, story.concept, story.scenario) for story in corpus.stories]
    live.apply(placements, {story.text_id: story.text for story in corpus.stories})
    of_files = run(live.for_files(with_evidence=True))
    assert of_files is not None
    return of_files


def test_every_positive_has_an_entry_that_says_what_results_say(results: Results, corpus: Corpus) -> None:
    entries = {story.path: story for stories in judged(results, corpus, 0.9).stories.values() for story in stories}
    assert entries.keys() == {story.path for story in corpus.stories if story.concept is not None}
    path_of = {(story.text_id, story.concept, story.scenario): story.path for story in corpus.stories}
    for evidence in results.evidence:
        entry = entries[path_of[evidence.text_id, evidence.concept, evidence.scenario]]
        for name in ("misfit", "misfiled", "strange", "strength", "reads_as", "margin"):
            assert getattr(entry, name) == getattr(evidence, name)
        assert entry.flagged == evidence.misread
        assert entry.loo_alignment == results.fit_of[evidence.text_id, evidence.concept].own
        assert entry.neighbours == [(path_of[i, c, s], cosine) for i, c, s, cosine in evidence.neighbours]
        assert len(entry.shares) == 5
        assert sum(share for _, share in entry.shares) <= 1 + 1e-9


def test_quality_holds_all_of_it_as_strict_json(results: Results, corpus: Corpus) -> None:
    verdicts = {q.concept: judge(q, results.middle, Settings(model="llama").thresholds) for q in results.concepts}
    document = json.loads(json.dumps(quality_document(results, verdicts, corpus, 0.9), allow_nan=False))
    assert all(len(entry["stories"]) == entry["n_positive_stories"] for entry in document.values())
    assert document["joyful"]["stories"][0].keys() == set(JudgedStory.__struct_fields__)


def test_an_accepted_story_has_its_reason_and_all_else_stays(results: Results, corpus: Corpus) -> None:
    story, other = [story for story in corpus.stories if story.concept == "joyful"][:2]
    entries = {
        story.path: Accepted(text_id=story.text_id, reason="a dream"),
        other.path: Accepted(text_id=story.text_id, reason="of another text"),
    }
    accepting = msgspec.structs.replace(corpus, accepted=entries)
    before, after = judged(results, corpus, 0.9), judged(results, accepting, 0.9)
    assert after.concepts == before.concepts
    for old, new in zip(before.stories["joyful"], after.stories["joyful"], strict=True):
        assert new.accepted == ("a dream" if new.path == story.path else None)
        assert msgspec.structs.replace(new, accepted=None) == old


def test_where_nothing_was_judged_quality_says_nothing_of_it(results: Results, corpus: Corpus) -> None:
    verdicts = {q.concept: judge(q, results.middle, Settings(model="llama").thresholds) for q in results.concepts}
    bare = msgspec.structs.replace(results, evidence=[], concept_evidence=[])
    assert {"stories", "auroc"}.isdisjoint(quality_document(bare, verdicts, corpus, 0.9)["joyful"])


def test_a_concepts_numbers_stand_beside_its_stories(results: Results, corpus: Corpus) -> None:
    story = next(story for story in corpus.stories if story.concept == "joyful")
    concept = ConceptEvidence(
        concept="joyful",
        auroc=Measured(value=0.9, low=0.8, high=0.95),
        rival="sad",
        rival_auroc=None,
        stability=0.6,
        camps=Camps(p_value=0.004, smaller=[(story.text_id, story.scenario)]),
        pulls=[],
        own_share=None,
        own_auroc=None,
        without_own=[],
    )
    verdicts = {q.concept: judge(q, results.middle, Settings(model="llama").thresholds) for q in results.concepts}
    with_concept = msgspec.structs.replace(results, concept_evidence=[concept])
    entry = quality_document(with_concept, verdicts, corpus, 0.9)["joyful"]
    assert (entry["auroc"], entry["auroc_rival"], entry["rival"], entry["stability"]) == (0.9, None, "sad", 0.6)
    assert list(entry["auroc_interval"]) == [0.8, 0.95]
    assert isinstance(entry["verdict"], str)
    assert entry["groups"] == {"p_value": 0.004, "smaller": [story.path]}


def test_texts_are_told_apart_and_copies_named(results: Results, corpus: Corpus) -> None:
    first, second = [story for story in corpus.stories if story.concept == "joyful"][:2]
    twin = msgspec.structs.replace(second, text=f"{first.text} So joyful.")
    altered = msgspec.structs.replace(
        corpus, stories=tuple(twin if story is second else story for story in corpus.stories)
    )
    entries = {entry.path: entry for entry in judged(results, altered, 0.9).stories["joyful"]}
    assert entries[first.path].near_copies[0][0] == second.path
    assert entries[second.path].near_copies[0][0] == first.path
    assert "joyful" in entries[second.path].giveaways
    assert entries[first.path].sets_apart is not None


def test_the_own_share_stands_where_its_size_puts_it_and_nothing_is_said_of_what_cannot_be_told() -> None:
    evidence = Evidence(
        text_id="0",
        concept="calm",
        scenario=None,
        strange=0.0,
        misfiled=0.8,
        strength="fair",
        reads_as="sad",
        shares=[("sad", 0.5), ("proud", 0.1), ("lost", 0.08), ("odd", 0.07), ("shy", 0.05)],
    )
    assert [name for name, _ in largest_shares(evidence)] == ["sad", "calm", "proud", "lost", "odd"]
    assert largest_shares(msgspec.structs.replace(evidence, reads_as=None)) == []


def test_a_concepts_wording_is_told_and_doubted_from_enough_stories_on(results: Results, corpus: Corpus) -> None:
    """Joyful stories all begin alike, and no others do."""
    said = "The sun rose over the hill. "
    stories = tuple(
        msgspec.structs.replace(story, text=said + story.text) if story.concept == "joyful" else story
        for story in corpus.stories
    )
    joyful = [story for story in stories if story.concept == "joyful"]
    wording = wording_of(results, msgspec.structs.replace(corpus, stories=stories))
    (shared,) = [words for words in wording.shared_words if words.where == "beginning"]
    assert " ".join(shared.words).startswith("the sun rose over the hill")
    assert len(shared.paths) == len(joyful) < ENOUGH_STORIES
    assert wording.function_words is not None
    assert wording.alarms == []
    more = tuple(
        msgspec.structs.replace(
            story, path=f"paired/copy{i}/joyful.txt", scenario=f"copy{i}", text_id=f"{i}", text=9 * story.text
        )
        for i, story in enumerate(joyful * 3)
    )
    alarms = wording_of(results, msgspec.structs.replace(corpus, stories=stories + more)).alarms
    assert "length" in {alarm.what for alarm in alarms}


def wording_of(results: Results, corpus: Corpus) -> Wording:
    wording = judged(results, corpus, 0.9).concepts["joyful"].wording
    assert wording is not None
    return wording


def test_what_is_told_like_a_relative_is_healthy_and_says_so() -> None:
    told = ConceptVerdict(finding=Finding.HEALTHY, rival="calm", reasons=["50 of 100 pairs right"])
    assert (_verdict(told), _reasons(told)) == ("healthy", ["told like calm, a relative", "50 of 100 pairs right"])
    alike = msgspec.structs.replace(told, finding=Finding.ALIKE)
    assert (_verdict(alike), _reasons(alike)) == ("told like calm", ["50 of 100 pairs right"])
    healthy = msgspec.structs.replace(told, rival=None)
    assert (_verdict(healthy), _reasons(healthy)) == ("healthy", ["50 of 100 pairs right"])
