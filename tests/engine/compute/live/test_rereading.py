"""What each sentence of a flagged draft does: the rest of it is read without it, alone, and judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.compute.activations.source import silent
from engine.compute.activations.store import Store
from engine.compute.live import rereading
from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.gathering import run_telling
from engine.compute.live.rereading import without
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.steps import run
from engine.corpus import text_id
from engine.results import Draft, SentenceEffect
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests.engine.compute.statistics.evidence.editing import replaced

CONCEPTS = ("calm", "sad")
"""Two, so that the odds against all others are those against the rival."""
SCENARIOS = ("rain", "sun", "war", None)
STORIES = {
    Placement(text_id(text), concept, scenario): text
    for c, concept in enumerate(CONCEPTS)
    for s, scenario in enumerate(SCENARIOS)
    for text in [f"A {concept} day in the {scenario or 'fog'}. It was number {5 * c + s}. All were {concept}."]
}
OLD = next(story for story in STORIES if (story.concept, story.scenario) == ("sad", "rain"))
DRAFT = "The calm lake lay still.\n\nNobody rowed. Calm, calm, calm it was, and the boat slept."


@pytest.fixture
def live(tmp_path: Path, llama: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> LiveCorpus:
    """A corpus in which every story is flagged, since only of those sentences are told."""
    monkeypatch.setattr("engine.evidence.Evidence.misread", True)
    settings = Settings(model="llama", pooling="last")
    live = LiveCorpus(llama, settings, Store(tmp_path), [1, 3], with_evidence=True)
    live.apply(list(STORIES), {story.text_id: text for story, text in STORIES.items()})
    return live


def explained(live: LiveCorpus, text: str = DRAFT) -> Draft:
    return run(live.score(text, text_id(text), OLD.text_id, "sad", ["sad"], explain=True))


def naive_log_odds(live: LiveCorpus, text: str) -> float:
    """Of its own concept, of a text that is read alone and judged as an edit of the story."""
    judged = live._judge._judged
    assert judged is not None
    ((_, outcome),) = next(live.extractor.run([text]))
    assert not isinstance(outcome, Exception)
    return -float(replaced(judged.state, judged.index[OLD], outcome.mean).judgement.margin[-1])


def test_an_effect_is_that_of_reading_the_rest_alone(live: LiveCorpus) -> None:
    draft = explained(live)
    assert draft.effects is not None
    assert len(draft.effects) == len(draft.sentences) == 3
    whole = naive_log_odds(live, DRAFT)
    for reading, effect in zip(draft.sentences, draft.effects, strict=True):
        rest = naive_log_odds(live, without(DRAFT, (reading.start, reading.end)))
        assert effect.is_reread
        assert -effect.pull == pytest.approx(whole - rest, rel=1e-3)


def test_beyond_the_bound_effects_are_predicted(live: LiveCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    all_reread = explained(live).effects
    monkeypatch.setattr(rereading, "MOST_REREAD", 0)
    all_predicted = explained(live).effects
    monkeypatch.setattr(rereading, "MOST_REREAD", 1)
    effects = explained(live).effects
    assert effects is not None
    assert all_reread is not None
    assert all_predicted is not None
    hardest = max(range(3), key=lambda j: abs(all_predicted[j].pull))
    assert [effect.is_reread for effect in effects] == [j == hardest for j in range(3)]
    for j, effect in enumerate(effects):
        expected: SentenceEffect = (all_reread if j == hardest else all_predicted)[j]
        assert (effect.own, effect.rival) == pytest.approx((expected.own, expected.rival), rel=1e-4)


def test_the_model_is_asked_in_steps_and_leaves_no_trace(live: LiveCorpus) -> None:
    before = live.results()
    steps = live.score(DRAFT, text_id(DRAFT), OLD.text_id, "sad", ["sad"], explain=True)
    next(steps)
    fewer = {story: text for story, text in STORIES.items() if story.scenario != "rain"}
    run(live.change(list(fewer), {story.text_id: text for story, text in fewer.items()}))
    assert len(run(steps).effects or []) == 3  # of the state at its first step
    live.apply(list(STORIES), {story.text_id: text for story, text in STORIES.items()})
    assert live.results().fits == before.fits


def test_where_nothing_was_judged_yet_an_explanation_judges_all_stories_first(
    live: LiveCorpus, tmp_path: Path, llama: LoadedModel
) -> None:
    told_again = LiveCorpus(llama, Settings(model="llama", pooling="last"), Store(tmp_path), [1, 3], with_evidence=True)
    run_telling(told_again.change(list(STORIES), {story.text_id: text for story, text in STORIES.items()}), silent)
    assert explained(told_again).effects == explained(live).effects is not None


def test_of_one_sentence_and_of_a_new_concept_nothing_is_told(live: LiveCorpus) -> None:
    assert explained(live, "The calm lake lay still.").effects is None
    assert run(live.score(DRAFT, text_id(DRAFT), None, "new", ["sad"], explain=True)).effects is None


def test_only_what_is_flagged_and_asked_about_is_read_again(live: LiveCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(live.score(DRAFT, text_id(DRAFT), OLD.text_id, "sad", ["sad"])).effects is None
    monkeypatch.setattr("engine.evidence.Evidence.misread", False)
    assert explained(live).effects is None


@pytest.mark.parametrize(
    ("sentence", "rest"),
    [
        ("One.", "Two.\n\nThree. Four."),
        ("Two.", "One.\n\nThree. Four."),
        ("Three.", "One. Two.\n\nFour."),
        ("Four.", "One. Two.\n\nThree."),
    ],
)
def test_a_text_without_a_sentence_keeps_its_paragraphs(sentence: str, rest: str) -> None:
    text = "One. Two.\n\nThree. Four."
    start = text.index(sentence)
    assert without(text, (start, start + len(sentence))) == rest
