"""What the stateful test compares: numbers with a run from nothing, views with stories, a copy with a snapshot."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from msgspec.structs import replace

from amygdala_tui import mirror
from amygdala_tui.mirror import Mirror
from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Corpus
from engine.results import Results
from engine.service.hosting.story_views import story_views
from engine.wire.jobs import Placement
from engine.wire.protocol import Snapshot
from engine.wire.snapshot import StoryView
from tests.engine.service import running

SETTINGS = replace(running.SETTINGS, batch_size=1)
"""A text is run by itself: there is more to interrupt, and its activation is nearly the same to the last bit."""
NOISE = 1e-3
"""By which numbers may differ: one bit of one component of a vector (fp16)."""


def covers(what: str, place: str, path: str) -> bool:
    """Whether a retrain names a story."""
    return what == "all" or (path == place if what == "story" else Path(path).stem == Path(place).stem != "baseline")


def fields_of(what: str, place: str) -> dict[str, list[str]]:
    """Of such a request."""
    return {"all": {}, "story": {"paths": [place]}, "concept": {"concepts": [Path(place).stem]}}[what]


def failure(snapshot: Snapshot) -> str:
    """What the engine says went wrong; that all of the corpus was cancelled before there were numbers is no fault."""
    is_failed = snapshot.doing.state == "failed" and "has no story to compute" not in snapshot.doing.detail
    return snapshot.doing.detail if is_failed else ""


def from_nothing(model: LoadedModel, corpus: Corpus) -> tuple[LiveCorpus, Results]:
    """All of a corpus, with nothing stored."""
    placements = [Placement(story.text_id, story.concept, story.scenario) for story in corpus.stories]
    texts = {story.text_id: story.text for story in corpus.stories}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        live = LiveCorpus(model, SETTINGS, store, with_evidence=True)
        results = live.apply(placements, texts)
        store.close()
    return live, results


def same_stories(shown: list[StoryView], corpus: Corpus, exact: Results) -> None:
    """What clients see of each story is what follows."""
    expected = story_views(corpus, {story.path: story for story in corpus.stories}, exact, ())
    assert [view.path for view in shown] == sorted(expected)
    for view in shown:
        wanted = expected[view.path]
        shown_numbers, due = ([v.alignment, v.own, v.rival_score] for v in (view, wanted))
        assert shown_numbers == pytest.approx(due, abs=NOISE), view.path
        assert (view.strength is None) == (wanted.strength is None), view.path
        assert as_read(view) == as_read(wanted), view.path


def as_read(view: StoryView) -> str:
    """A story's state, whether it is misread or not: after a few edits stories are judged with the settings that stand
    (`compute/live/test_judge.py`), and a run from nothing chooses its own."""
    return "ok" if view.state == "misread" else view.state


def same_vectors(file: Path, live: LiveCorpus) -> None:
    """The vectors in a file, which is removed."""
    tensors = safetensors.torch.load_file(file)
    file.unlink()
    exact, means = live.readout().vectors, live.readout().means
    assert tensors.keys() == {name for layer in exact for name in (f"{layer}", f"{layer}.mean")}
    for layer, vectors in exact.items():
        torch.testing.assert_close(tensors[f"{layer}"], vectors, rtol=0.0, atol=NOISE)
        torch.testing.assert_close(tensors[f"{layer}.mean"], means[layer], rtol=0.0, atol=NOISE)


def same_as_copy(snapshot: Snapshot, copy: Mirror) -> None:
    """A client that followed every event has what one gets that comes now."""
    told = mirror.follow(Mirror(), snapshot)
    assert (copy.revision, copy.layers, copy.problems) == (told.revision, told.layers, told.problems)
    assert copy.stories == told.stories
    assert copy.concepts == told.concepts
