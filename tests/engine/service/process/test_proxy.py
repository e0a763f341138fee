"""A worker that dies is started again, with patience and not for ever; what it says is told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.corpus import Story, text_id
from engine.errors import AmygdalaError
from engine.service.process import proxy
from engine.service.process.faults import JobDropped
from engine.service.process.pool import WorkerPool
from engine.service.process.proxy import MAX_RESTARTS, WorkerProxy
from engine.settings import Settings
from engine.wire.jobs import Advanced
from tests.waiting import eventually_async

STORIES = [Story(path="stories/a.txt", concept="a", scenario=None, text="A.", text_id=text_id("A."))]
PRELUDE = """
import json, sys
def say(**message): print(json.dumps(message), flush=True)
"""
RESULTS = {
    "layers": [1], "hidden_size": 1, "concepts": [], "fits": [], "without_vector": {}, "truncated": [],
    "max_tokens": 512,
}  # fmt: skip
ANSWER = (
    PRELUDE
    + f"""
say(type="Loaded", device="cpu", seconds=0.0, bytes=7)
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] == "Apply":
        say(type="Advanced", job=request["job"], done=1, total=1, ids=[])
        results = {RESULTS!r} | {{"truncated": sorted(request["texts"])}}
        say(type="Applied", corpus=request["corpus"], job=request["job"], results=results, cost={{}})
"""
)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Programs that the next workers run instead of the real one; the last one stays."""
    programs: list[str] = []
    spawn = asyncio.create_subprocess_exec

    async def instead(*_: str, **named: Any) -> asyncio.subprocess.Process:
        return await spawn(sys.executable, "-c", programs.pop(0) if len(programs) > 1 else programs[0], **named)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", instead)
    monkeypatch.setattr(proxy, "BACK_OFF_S", 0.001)
    return programs


@pytest.fixture
async def worker(play: list[str]) -> AsyncIterator[WorkerProxy]:
    assert play == []
    worker = WorkerProxy(Settings(model="m"))
    yield worker
    await worker.close()


def ignore(_message: Advanced) -> None: ...


async def apply(worker: WorkerProxy, corpus: str = "/c") -> list[str]:
    """The ids of the texts that were sent, which the program answers with."""
    return (await asyncio.wait_for(worker.apply(corpus, worker.settings, STORIES, (), ignore), 30)).results.truncated


async def test_job_is_answered_and_progress_passed_on(worker: WorkerProxy, play: list[str]) -> None:
    play.append(ANSWER)
    told: list[tuple[int, int]] = []
    await worker.apply("/c", worker.settings, STORIES, (), lambda message: told.append((message.done, message.total)))
    assert told == [(1, 1)]
    assert worker.is_loaded
    status = worker.status()
    assert (status.state, status.device, status.bytes, status.restarts) == ("idle", "cpu", 7, 0)


async def test_text_is_sent_once_per_corpus_until_it_is_forgotten(worker: WorkerProxy, play: list[str]) -> None:
    play.append(ANSWER)
    assert await apply(worker) == [text_id("A.")]
    assert await apply(worker) == []
    assert await apply(worker, "/other") == [text_id("A.")]
    worker.forget("/c")
    assert await apply(worker) == [text_id("A.")]


async def test_worker_that_dies_is_replaced_and_sent_everything_again(worker: WorkerProxy, play: list[str]) -> None:
    play += [ANSWER, "import sys; sys.stdin.readline()", ANSWER]
    assert await apply(worker) == [text_id("A.")]
    first = worker.status().pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually_async(lambda: not worker.is_running)
    assert await apply(worker) == [text_id("A.")]
    assert worker.status().pid not in (None, first)
    assert worker.status().restarts == 0


async def test_worker_that_keeps_dying_is_given_up_with_its_last_words(worker: WorkerProxy, play: list[str]) -> None:
    play.append("import sys; print('terminate called: no kernel image', file=sys.stderr); sys.exit(3)")
    with pytest.raises(AmygdalaError, match="no kernel image") as failure:
        await apply(worker)
    assert f"died {MAX_RESTARTS + 1} times in a row" in str(failure.value)


async def test_worker_that_dies_wordlessly_is_told_by_its_code(worker: WorkerProxy, play: list[str]) -> None:
    play.append("import os; os._exit(7)")
    with pytest.raises(AmygdalaError, match="code 7"):
        await apply(worker)


async def test_model_that_cannot_be_loaded_is_told_at_once(worker: WorkerProxy, play: list[str]) -> None:
    play.append(PRELUDE + 'say(type="Failed", corpus="", job=0, message="--model m: no such folder"); sys.exit(1)')
    with pytest.raises(AmygdalaError, match=r"^--model m: no such folder$"):
        await apply(worker)
    assert worker.status().state == "failed"
    play[:] = [ANSWER]
    assert await apply(worker) == [text_id("A.")]


async def test_failed_job_leaves_the_worker_standing(worker: WorkerProxy, play: list[str]) -> None:
    failing = """
say(type="Loaded", device="cpu", seconds=0.0, bytes=7)
for line in sys.stdin:
    say(type="Failed", corpus="/c", job=json.loads(line)["job"], message="out of memory")
"""
    play.append(PRELUDE + failing)
    for _ in range(2):
        with pytest.raises(AmygdalaError, match=r"^out of memory$"):
            await apply(worker)
    assert worker.status().state == "idle"


@pytest.mark.timeout(60)
async def test_answer_that_is_none_is_a_failure_not_a_wait(worker: WorkerProxy, play: list[str]) -> None:
    play.append(
        PRELUDE + 'say(type="Loaded", device="cpu", seconds=0.0, bytes=7); print("?", flush=True); sys.stdin.read()'
    )
    with pytest.raises(AmygdalaError):
        await asyncio.wait_for(worker.apply("/c", worker.settings, STORIES, (), ignore), 3)


async def test_corpora_with_the_same_model_share_a_worker() -> None:
    pool = WorkerPool()
    one = pool.get(Settings(model="m", max_length=3))
    assert pool.get(Settings(model="m", max_length=4, target_layers="1")) is one
    assert pool.get(Settings(model="n")) is not one
    assert pool.get(Settings(model="m", dtype="fp16")) is not one
    assert pool.get(Settings(model="m", trust_remote_code=True)) is not one


async def test_worker_that_no_corpus_uses_is_unloaded(play: list[str]) -> None:
    play.append(ANSWER)
    pool = WorkerPool()
    used, unused = pool.get(Settings(model="used")), pool.get(Settings(model="unused"))
    for worker in (used, unused):
        await apply(worker)
    await pool.rest([used], unused=-1.0, idle=60.0)
    assert [status.model for status in pool.status()] == ["used"]
    assert not unused.is_loaded
    await pool.close()
    assert pool.status() == []


async def test_worker_that_has_been_idle_is_unloaded_and_comes_back(play: list[str]) -> None:
    play.append(ANSWER)
    pool = WorkerPool()
    worker = pool.get(Settings(model="used"))
    await apply(worker)
    await pool.rest([worker], unused=60.0, idle=60.0)
    assert worker.is_running
    await pool.rest([worker], unused=60.0, idle=-1.0)
    assert not worker.is_running
    assert pool.get(Settings(model="used")) is worker
    assert await apply(worker) == [text_id("A.")]
    await pool.close()


async def test_model_that_does_not_fit_takes_the_place_of_the_one_idle_longest(play: list[str]) -> None:
    full = PRELUDE + 'say(type="Failed", corpus="", job=0, message="m: out of memory while loading it"); sys.exit(1)'
    play += [ANSWER, ANSWER, full, ANSWER]
    pool = WorkerPool()
    oldest, older, newest = (pool.get(Settings(model=name)) for name in ("oldest", "older", "newest"))
    for worker in (oldest, older, newest):
        await apply(worker)
    assert [worker.is_running for worker in (oldest, older, newest)] == [False, True, True]
    await pool.close()


async def test_model_that_fits_nowhere_fails_with_words(play: list[str]) -> None:
    play.append(
        PRELUDE + 'say(type="Failed", corpus="", job=0, message="m: out of memory while loading it"); sys.exit(1)'
    )
    pool = WorkerPool()
    with pytest.raises(AmygdalaError, match="out of memory"):
        await apply(pool.get(Settings(model="m")))
    await pool.close()


async def test_change_whose_turn_has_not_come_gives_way_to_a_newer_one(worker: WorkerProxy, play: list[str]) -> None:
    play.append(
        PRELUDE
        + """
for line in sys.stdin:
    request = json.loads(line)
    if request["type"] == "Drop":
        say(type="Dropped", job=request["job"])
        assert not request["begun"]
"""
    )
    job = asyncio.create_task(apply(worker))
    await eventually_async(lambda: worker.is_busy)
    worker.supersede("/c")
    with pytest.raises(JobDropped):
        await job
    assert not worker.is_busy


async def test_one_death_counts_once_however_many_corpora_it_cost(worker: WorkerProxy, play: list[str]) -> None:
    play += [PRELUDE + "for _ in range(8): sys.stdin.readline()\nsys.exit(3)", ANSWER]
    answers = await asyncio.gather(*(apply(worker, f"/{number}") for number in range(8)))
    assert len(answers) == 8
    assert worker.status().restarts == 0


# The real process


async def test_settings_that_failed_do_not_bind_the_worker_and_deeper_blocks_are_loaded_when_asked_for(
    golden: Path, cache: Path
) -> None:
    assert not cache.exists()
    stories = [*STORIES, Story(path="stories/b.txt", concept="b", scenario=None, text="B.", text_id=text_id("B."))]
    too_deep = Settings(model=str(golden / "models" / "llama"), device="cpu", target_layers="99")
    worker = WorkerProxy(too_deep)
    held = []
    try:
        with pytest.raises(AmygdalaError, match="--target-layers 99"):
            await asyncio.wait_for(worker.apply("/a", too_deep, stories, (), ignore), 60)
        for corpus, layers in (("/b", "1"), ("/a", "3"), ("/b", "1")):
            right = msgspec.structs.replace(too_deep, target_layers=layers)
            applied = await asyncio.wait_for(worker.apply(corpus, right, stories, (), ignore), 60)
            assert applied.results.layers == [int(layers)]
            held.append(worker.status().bytes)
    finally:
        await worker.close()
    assert held[0] < held[1] == held[2]
