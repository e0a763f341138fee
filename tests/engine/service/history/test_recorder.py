"""Which content a revision's number stands for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from engine.corpus import text_id
from engine.errors import AmygdalaError
from engine.results import Cost, Results
from engine.service.history.database import History
from engine.service.history.recorder import Recorder
from engine.settings import Settings
from engine.wire.snapshot import Moved, Stages
from tests.engine.service.history.recording import stories

STORIES = stories(calm="The lake lay still.", sad="No one came.")
RESULTS = Results(
    layers=[1], hidden_size=1, concepts=[], fits=[], without_vector={}, truncated=[], max_tokens=512, model_hash="m"
)  # fmt: skip
LEFT_OUT = msgspec.structs.replace(RESULTS, left_out={text_id("No one came."): "no token of it"})


async def begun(corpus: Path, results: Results) -> int:
    """The number of the first revision of an engine, which then ends."""
    recorder = Recorder(corpus)
    number = await recorder.first(STORIES, Settings(), results)
    moved = Moved(
        revision=number, cause="opened", changes=[], cost=Cost(), seconds=0.0, concepts=[], stories=[], queue=(0, 0),
        stages=Stages(scanning=0.0, waiting=0.0, forward=0.0, statistics=0.0, showing=0.0),
    )  # fmt: skip
    recorder.record(moved, STORIES, Settings(), results, [])
    await recorder.close()
    return number


async def test_the_same_stories_have_the_same_number_unless_one_of_them_is_left_out(tmp_path: Path) -> None:
    first = await begun(tmp_path, RESULTS)
    assert await begun(tmp_path, RESULTS) == first
    without = await begun(tmp_path, LEFT_OUT)
    assert without > first
    assert await begun(tmp_path, LEFT_OUT) == without


async def test_the_history_is_not_closed_under_a_question_whose_asker_has_gone(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    began, go_on, answered = threading.Event(), threading.Event(), threading.Event()

    def question(history: History) -> None:
        began.set()
        assert go_on.wait(30)
        assert history.last is None
        answered.set()

    asking = asyncio.create_task(recorder.ask(question))
    assert await asyncio.to_thread(began.wait, 30)
    asking.cancel()
    closing = asyncio.create_task(recorder.close())
    done, _ = await asyncio.wait({closing}, timeout=0.2)
    assert not done
    go_on.set()
    await closing
    assert answered.is_set()
    with pytest.raises(AmygdalaError, match="closed"):
        await recorder.ask(lambda history: history.last)
