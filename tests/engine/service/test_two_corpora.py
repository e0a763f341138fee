"""Two corpora on one model, of which one fails: the other goes on as if nothing had been."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from engine.settings import Settings
from engine.wire.protocol import Changed, Open, Progressed, Score, Scored, Snapshot
from tests.engine.service.running import Engine, Talk, write
from tests.places import GOLDEN

DRAFT = {"path": "stories/joyful.txt", "text": "A draft of a story, quite glad."}


class Pair:
    """Corpus A under the first block, and corpus B, whose deeper block needs the weights once more."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.weights = folder / "model" / "model.safetensors"
        self.away = folder / "away"
        self.a, self.b = folder / "a", folder / "b"
        self.settings = Settings(model=str(folder / "model"), device="cpu", target_layers="1")

    async def open_a(self) -> Talk:
        talk = await Talk.to(self.engine.socket, self.a, self.settings)
        await talk.ready()
        return talk

    async def fail_b(self) -> None:
        """Have B ask for deeper blocks while the weights are away, and put these back."""
        self.weights.rename(self.away)
        talk = await Talk.to(self.engine.socket, self.b, msgspec.structs.replace(self.settings, target_layers="4"))
        await talk.event(Progressed, lambda event: event.doing.state == "failed")
        self.away.rename(self.weights)
        await talk.close()


@pytest.fixture
def pair(engine: Engine, tmp_path: Path) -> Pair:
    shutil.copytree(GOLDEN / "models" / "llama", tmp_path / "model")
    for name in ("a", "b"):
        shutil.copytree(GOLDEN / "corpus", tmp_path / name)
    return Pair(engine, tmp_path)


async def test_drafts_are_read_after_another_corpus_took_the_model_down(pair: Pair) -> None:
    talk = await pair.open_a()
    assert isinstance(await talk.ask(Score, **DRAFT), Scored)
    await pair.fail_b()
    assert isinstance(await talk.ask(Score, **DRAFT), Scored)
    await talk.close()


async def test_what_was_not_settled_settles_after_another_corpus_failed(pair: Pair) -> None:
    talk = await pair.open_a()
    write(pair.a / "paired" / "first-day" / "joyful.txt", "The horses got out, and everybody laughed.")
    await talk.event(Changed, lambda event: event.base != event.revision)
    await pair.fail_b()
    await talk.ask(Open)
    snapshot = await talk.event(Snapshot)
    if not all(view.quality is None or view.quality.settled for view in snapshot.concepts):
        await talk.event(
            Changed,
            lambda event: (
                event.concepts is not None
                and all(view.quality is None or view.quality.settled for view in event.concepts)
            ),
        )
    await talk.close()


async def test_an_edit_is_computed_after_another_corpus_failed(pair: Pair) -> None:
    talk = await pair.open_a()
    await pair.fail_b()
    write(pair.a / "stories" / "joyful.txt", "The lake lay flat, and nobody called.")
    changed = await talk.event(Changed, lambda event: event.base != event.revision)
    assert changed.moved is not None
    assert [change.path for change in changed.moved.changes] == ["stories/joyful.txt"]
    await talk.close()
