"""What the tutorial says that the studio shows of the sample corpus's stories, it shows."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import pytest

from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.checkpoint import load
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Layout, scan
from engine.evidence import Evidence
from engine.settings import Settings
from engine.triage import queue, why
from engine.wire.jobs import Placement
from tests.e2e.sample import MISFILED, mended

NEIGHBOURS = "paired/new-neighbours/jealous.txt"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    with resources.as_file(resources.files("amygdala_tui") / "sample") as folder:
        return Path(shutil.copytree(folder, tmp_path / "sample"))


@pytest.fixture
def model() -> LoadedModel:
    return load(Settings())


def judged(model: LoadedModel, store: Path, corpus: Path) -> tuple[list[Evidence], dict[str, Evidence]]:
    """The queue, and every story's evidence by path."""
    stories = scan(Layout.of(corpus)).stories
    live = LiveCorpus(model, Settings(), Store(store), with_neurons=False, with_evidence=True)
    placements = [Placement(story.text_id, story.concept, story.scenario) for story in stories]
    results = live.apply(placements, {story.text_id: story.text for story in stories})
    paths = {(story.text_id, story.concept, story.scenario): story.path for story in stories}
    return queue(results.evidence), {paths[story.place]: story for story in results.evidence}


def test_the_misfiled_story_alone_is_misread_until_it_is_mended(
    model: LoadedModel, sample: Path, tmp_path: Path
) -> None:
    to_look_at, by_path = judged(model, tmp_path / "cache", sample)
    assert [story for story in to_look_at if story.misread] == [by_path[MISFILED]]
    assert why(by_path[MISFILED]) == "reads as disgusted (90%), not as jealous (8%)"
    assert by_path[MISFILED].strength == "fair"
    assert to_look_at[1] == by_path[NEIGHBOURS], "the sound story that it draws into doubt leads the maybes"
    assert by_path["stories/awestruck.txt"].strength == "too few to tell"

    (sample / MISFILED).write_text(mended())
    to_look_at, by_path = judged(model, tmp_path / "cache", sample)
    assert not any(story.misread for story in to_look_at)
    assert by_path[NEIGHBOURS] not in to_look_at
