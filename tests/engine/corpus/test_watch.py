"""A change below a corpus is noticed, however it is made; an editor's own files are not."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import watchfiles
import watchfiles.main

from engine.corpus import watch as watch_module
from engine.corpus.watch import changes
from tests.waiting import eventually_async


class Watch:
    """Counts what `changes` yields."""

    def __init__(self, corpus: Path) -> None:
        self.corpus = corpus
        self.noticed = 0
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self._count())

    async def _count(self) -> None:
        async for _ in changes(self.corpus, self.stop):
            self.noticed += 1

    async def notices(self, change: Callable[[], object]) -> None:
        """Make a change and wait until it is noticed."""
        before = self.noticed
        change()
        await eventually_async(lambda: self.noticed > before)

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, 30)


@pytest.fixture
async def watch(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    """A watch that the system has set up."""
    begin = watchfiles.main.RustNotify
    begun = asyncio.Event()

    def noted(*arguments: Any) -> Any:
        made = begin(*arguments)
        begun.set()
        return made

    monkeypatch.setattr(watchfiles.main, "RustNotify", noted)
    watch = Watch(corpus)
    await asyncio.wait_for(begun.wait(), 30)
    yield watch
    await watch.end()


async def test_edit_in_place(watch: Watch) -> None:
    await watch.notices(lambda: (watch.corpus / "stories" / "joyful.txt").write_text("Bells."))


async def test_edit_by_rename(watch: Watch, tmp_path: Path) -> None:
    temporary = tmp_path / "joyful.txt~"
    temporary.write_text("Bells.")
    await watch.notices(lambda: temporary.replace(watch.corpus / "stories" / "joyful.txt"))


async def test_deletion(watch: Watch) -> None:
    await watch.notices((watch.corpus / "stories" / "joyful.txt").unlink)


async def test_new_scenario_and_then_a_file_in_it(watch: Watch) -> None:
    folder = watch.corpus / "paired" / "new"
    await watch.notices(folder.mkdir)
    await watch.notices(lambda: (folder / "joyful.txt").write_text("Bells."))


@pytest.mark.parametrize("name", ["moved", "v1.2"])
async def test_folder_of_stories_moved_in(watch: Watch, tmp_path: Path, name: str) -> None:
    made = tmp_path / "made"
    shutil.copytree(next((watch.corpus / "paired").iterdir()), made)
    await watch.notices(lambda: made.rename(watch.corpus / "paired" / name))


async def test_only_what_may_be_a_story_or_a_folder_counts(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters: list[Callable[[watchfiles.Change, str], bool]] = []

    async def awatch(*_: object, **named: Any) -> AsyncIterator[object]:
        filters.append(named["watch_filter"])
        named["stop_event"].set()
        yield {(watchfiles.Change.modified, "x")}

    monkeypatch.setattr(watchfiles, "awatch", awatch)
    assert [None async for _ in changes(corpus, asyncio.Event())] == [None]
    names = [
        "stories/joyful.txt", "paired/s", "paired/v1.2", "paired/v1.2/joyful.txt",
        "stories/.joyful.txt.swp", "stories/joyful.txt~", ".git/index", ".git/objects/ab/cd", "stories/.#joyful.txt",
    ]  # fmt: skip
    counted = [name for name in names if filters[0](watchfiles.Change.modified, str(corpus / name))]
    assert counted == names[:4]


async def test_stop_ends_the_watch(watch: Watch) -> None:
    await watch.end()
    assert watch.noticed == 0


async def test_corpus_that_the_system_cannot_watch_is_looked_at_again_and_again(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles.main, "RustNotify", refused)
    monkeypatch.setattr(watch_module, "POLL", 0.01)
    watch = Watch(corpus)
    await eventually_async(lambda: watch.noticed > 3)
    await watch.end()


async def test_corpus_that_is_taken_away_and_put_back_is_watched_again(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "POLL", 0.05)
    shutil.copytree(watch.corpus, tmp_path / "kept")
    await watch.notices(lambda: shutil.rmtree(watch.corpus))
    await watch.notices(lambda: (tmp_path / "kept").rename(watch.corpus))
    await watch.notices(lambda: (watch.corpus / "stories" / "joyful.txt").write_text("Bells."))


async def test_name_that_is_no_utf8_does_not_end_the_watch(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "POLL", 0.05)
    odd = os.fsencode(watch.corpus) + b"/stories/odd\xff.txt"
    await watch.notices(lambda: os.close(os.open(odd, os.O_CREAT | os.O_WRONLY)))
    await watch.notices(lambda: (watch.corpus / "stories" / "joyful.txt").write_text("Bells."))
