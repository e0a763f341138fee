"""What the command line computes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from engine.cli import computing
from engine.compute.live.corpus import LiveCorpus
from engine.corpus import Layout, scan
from engine.results import Results
from engine.settings import Settings
from engine.wire.jobs import Placement
from tests.places import GOLDEN


def test_each_story_is_computed_with_its_concept_and_its_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = scan(Layout.of(GOLDEN / "corpus"))
    computed: list[Placement] = []
    apply = LiveCorpus.apply

    def noted(live: LiveCorpus, placements: Sequence[Placement], *arguments: Any, **options: Any) -> Results:
        computed.extend(placements)
        return apply(live, placements, *arguments, **options)

    monkeypatch.setattr(LiveCorpus, "apply", noted)
    llama = Settings(model=str(GOLDEN / "models" / "llama"), device="cpu", target_layers="1")
    computing.alone(corpus, llama, with_neurons=False, with_evidence=False)
    assert sorted((place.text_id, place.concept or "", place.scenario or "") for place in computed) == sorted(
        (story.text_id, story.concept or "", story.scenario or "") for story in corpus.stories
    )
    assert {place.scenario for place in computed} > {None}
