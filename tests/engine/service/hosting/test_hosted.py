"""One open corpus, with a worker that computes nothing: what it has computed when, and tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.service.history.recorder import Recorder
from engine.service.hosting import disk
from engine.service.hosting import hosted as hosting
from engine.service.hosting.progress import Announcer
from engine.settings import Settings
from engine.wire import protocol
from engine.wire.jobs import Advanced
from tests.engine.service.serving import FakeWorker
from tests.waiting import eventually_async


class Hosted:
    """A hosted corpus with a fake worker, whose changes are announced by hand."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[protocol.Event] = []
        self.worker = FakeWorker()
        self.rounds = 0

        async def by_hand(*_: object, **__: object) -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield

        monkeypatch.setattr(disk, "changes", by_hand)
        announcer = Announcer(str(path), self.events.append)
        self.corpus = hosting.OpenCorpus(path, Settings(), self.worker, announcer, Recorder(path))  # type: ignore[arg-type]
        catch_up = self.corpus._catch_up

        async def counted() -> None:
            try:
                await catch_up()
            finally:
                self.rounds += 1

        monkeypatch.setattr(self.corpus, "_catch_up", counted)

    async def round(self) -> list[protocol.Event]:
        """Have it look at the disk once more; the events of that."""
        said, rounds = len(self.events), self.rounds
        self.corpus._disk.distrust()
        self.corpus._wake.set()
        await eventually_async(lambda: self.rounds > rounds)
        await eventually_async(lambda: not self.corpus.is_busy)
        return self.events[said:]


@pytest.fixture
async def hosted(small: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hosted]:
    hosted = Hosted(small, monkeypatch)
    hosted.corpus.start()
    await eventually_async(lambda: hosted.corpus.revision == 1)
    yield hosted
    await hosted.corpus.close()


async def test_looking_again_at_the_same_files_says_nothing(hosted: Hosted) -> None:
    await eventually_async(lambda: hosted.rounds == 1)
    assert await hosted.round() == []
    assert len(hosted.worker.jobs) == 1


async def test_removed_story_is_taken_out_of_the_numbers(hosted: Hosted, small: Path) -> None:
    (small / "stories" / "calm.txt").unlink()
    events = await hosted.round()
    assert hosted.worker.jobs[-1] == ({"stories/eager.txt"}, set())
    assert any(isinstance(event, protocol.Changed) and event.removed == ["stories/calm.txt"] for event in events)


async def test_failed_job_says_why_and_shows_the_story_stale(hosted: Hosted, small: Path) -> None:
    hosted.worker.fail = "out of memory on cuda:0"
    (small / "stories" / "calm.txt").write_text("Not so calm.")
    events = await hosted.round()
    assert hosted.corpus.doing.state == "failed"
    assert hosted.corpus.doing.detail == "out of memory on cuda:0"
    last = [event for event in events if isinstance(event, protocol.Changed)][-1]
    assert [(view.path, view.state) for view in last.stories] == [("stories/calm.txt", "stale")]
    hosted.worker.fail = ""
    assert await hosted.round() == [], "what nothing has changed about would fail again"
    (small / "stories" / "calm.txt").write_text("Calmer.")
    await hosted.round()
    assert (hosted.corpus.revision, hosted.corpus.doing.state) == (2, "ready")


async def test_paused_retrain_of_a_removed_storys_concept_drops_it(hosted: Hosted, small: Path) -> None:
    await eventually_async(lambda: hosted.rounds == 1)
    hosted.corpus.set_live(False)
    (small / "stories" / "calm.txt").unlink()
    await hosted.round()
    assert hosted.corpus.revision == 1
    hosted.corpus.retrain(protocol.Retrain(id=1, corpus=str(small), concepts=["calm"]))
    await eventually_async(lambda: hosted.corpus.revision == 2)
    assert hosted.worker.jobs[-1] == ({"stories/eager.txt"}, set())


async def test_story_without_text_has_a_view_of_its_own(hosted: Hosted, small: Path) -> None:
    (small / "stories" / "hush.txt").write_text("  \n")
    events = await hosted.round()
    (changed,) = [event for event in events if isinstance(event, protocol.Changed)]
    assert [(view.path, view.state) for view in changed.stories] == [("stories/hush.txt", "empty")]
    assert [problem.code for problem in changed.problems] == ["empty"]


async def test_problem_that_is_no_storys_is_told_too(hosted: Hosted, small: Path) -> None:
    await eventually_async(lambda: hosted.rounds == 1)
    (small / "paired").write_text("a file where a folder belongs")
    events = await hosted.round()
    assert any(isinstance(event, protocol.Changed) and event.problems for event in events)


async def test_progress_is_told_at_most_four_times_a_second(hosted: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("engine.service.hosting.progress.time.monotonic", lambda: clock[0])
    hosted.events.clear()
    for done in range(101):
        hosted.corpus._advance(Advanced(job=1, done=done, total=100, ids=[]))
        clock[0] += 0.02
    told = [event.doing for event in hosted.events if isinstance(event, protocol.Progressed)]
    assert 4 <= len(told) <= 1 + 2 * 4 + 1
    assert [doing.done for doing in told] == sorted(doing.done for doing in told)
    assert hosted.corpus.doing.done == 100
    assert told[-1].rate == pytest.approx(50, rel=0.05)
    assert told[-1].left == pytest.approx((100 - told[-1].done) / told[-1].rate)
