"""A change below a corpus is noticed, however it is made, once it is whole; an editor's own files are not."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine.corpus import Layout, Scanner, pending, scan
from engine.corpus import watch as watch_module
from tests.engine.corpus.watching import STORY, Watch
from tests.waiting import eventually_async


@pytest.fixture
async def watch(corpus: Path) -> AsyncIterator[Watch]:
    """A watch that the system has set up, which it says by telling that anything may have changed before."""
    watch = Watch(corpus)
    await eventually_async(lambda: watch.yielded)
    assert watch.yielded == [None]
    watch.yielded.clear()
    watch.texts.clear()
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


@pytest.mark.parametrize("path", ["stories/fear.TXT", "paired/notes.md", "paired/night-bus/fear.md"])
async def test_file_that_will_be_named_as_a_problem(watch: Watch, path: str) -> None:
    folder = (watch.corpus / path).parent
    if not folder.exists():  # a file that comes right behind its folder may be told of by the folder alone
        await watch.notices(folder.mkdir)
    (watch.corpus / path).write_text("Perhaps a story.")
    await eventually_async(lambda: path in watch.named)


async def test_only_what_may_be_a_story_or_a_folder_counts(watch: Watch) -> None:
    folder = watch.corpus / "paired" / "v1.2"
    for name in ("4913", ".joyful.txt.swp", "joyful.txt~", "#joyful.txt#", ".#joyful.txt"):
        (watch.corpus / "stories" / name).write_text("Not a story.")
    (watch.corpus / "notes.md").write_text("Not a story.")
    (watch.corpus / ".git").mkdir()
    (watch.corpus / ".git" / "index.txt").write_text("Not a story.")
    folder.mkdir()
    await eventually_async(lambda: "paired/v1.2" in watch.named)
    await watch.notices(folder.rmdir)
    await watch.notices(lambda: (watch.corpus / STORY).write_text("Bells."))
    await eventually_async(lambda: STORY in watch.named)
    assert watch.named == {"paired/v1.2", STORY}


# Saving


def by_rename(file: Path) -> None:
    temporary = file.with_name(".joyful.txt.new")
    temporary.write_text("Bells.")
    temporary.replace(file)


def as_vim(file: Path) -> None:
    (file.parent / "4913").write_text("")
    (file.parent / "4913").unlink()
    file.rename(file.with_name("joyful.txt~"))
    time.sleep(0.04)
    with file.open("w") as written:
        time.sleep(0.04)
        written.write("Bells.")
    file.with_name("joyful.txt~").unlink()


def as_emacs(file: Path) -> None:
    (file.parent / ".#joyful.txt").symlink_to("ann@host.1:2")
    (file.parent / "#joyful.txt#").write_text("Bel")
    file.write_text("Bells.")
    (file.parent / "#joyful.txt#").unlink()
    (file.parent / ".#joyful.txt").unlink()


def in_place(file: Path) -> None:
    with file.open("w") as written:
        time.sleep(0.04)
        written.write("Bells.")


@pytest.mark.parametrize("save", [by_rename, as_vim, as_emacs, in_place])
async def test_save_is_told_once_and_whole(
    watch: Watch, save: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "HOLD", 5.0)  # however slow this machine is
    await asyncio.to_thread(save, watch.corpus / STORY)
    await eventually_async(lambda: watch.texts)
    await asyncio.sleep(0.1)
    assert set(watch.texts) == {"Bells."}
    assert set(watch.yielded) == {frozenset([STORY])}


async def test_story_that_stays_empty_or_gone_is_told(watch: Watch) -> None:
    await watch.notices(lambda: (watch.corpus / STORY).write_text(""))
    assert watch.texts == [""]
    await watch.notices((watch.corpus / STORY).unlink)
    assert watch.texts == ["", None]


async def test_burst_is_told_in_few_pieces_and_nothing_is_lost(watch: Watch) -> None:
    def burst() -> None:
        for number in range(3000):
            folder = watch.corpus / "paired" / f"s{number % 30}"
            folder.mkdir(exist_ok=True)
            (folder / f"c{number}.txt").write_text(f"Story {number}.")

    scanner = Scanner(Layout.of(watch.corpus))
    scanner.scan()
    await asyncio.to_thread(burst)
    seen = 0

    def is_all_there() -> bool:
        nonlocal seen
        for paths in watch.yielded[seen:]:
            scanner.scan(paths)
            seen += 1
        return scanner.scan([]) == whole

    whole = scan(Layout.of(watch.corpus))
    await eventually_async(is_all_there)
    assert watch.noticed < 20


# Its end, and what it outlives


async def test_stop_ends_the_watch(watch: Watch) -> None:
    await watch.end()
    assert watch.noticed == 0


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
