"""K calls two concepts that are told alike relatives, and takes that back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from amygdala_tui.messages import EngineSaid
from amygdala_tui.mirror import Mirror
from engine.corpus.relatives import FILE
from engine.verdicts import ConceptVerdict, Finding
from tests.amygdala_tui.studying import corpus_of, studied
from tests.waiting import eventually_async


def judged(finding: Finding, rival: str | None) -> Mirror:
    """A corpus in which each concept has this verdict."""
    corpus, verdict = corpus_of(), ConceptVerdict(finding=finding, rival=rival, reasons=[])
    concepts = {name: msgspec.structs.replace(view, evidence_verdict=verdict) for name, view in corpus.concepts.items()}
    return replace(corpus, concepts=concepts)


async def test_k_writes_the_pair_and_k_again_takes_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / FILE
    async with studied(tmp_path, monkeypatch, judged(Finding.ALIKE, "zeal")) as (app, pilot):
        await pilot.press("2", "K")
        concept = app.studio.concept
        await eventually_async(lambda: file.exists() and file.read_text() == f"{concept}\tzeal\n")
        app.post_message(EngineSaid(judged(Finding.HEALTHY, "zeal")))
        await pilot.pause()
        await pilot.press("K")
        await eventually_async(lambda: not file.read_text())
        assert app.studio.concept == concept


async def test_k_says_where_there_is_nothing_to_call_relatives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with studied(tmp_path, monkeypatch, judged(Finding.DISAGREE, None)) as (app, pilot):
        await pilot.press("2", "K")
        await pilot.pause()
        assert any("told like another" in each.message for each in app._notifications)
    assert not (tmp_path / FILE).exists()
