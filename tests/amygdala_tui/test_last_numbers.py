"""The last numbers are there at the next start, as of before, and never beside a text that they are not of."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from amygdala_tui import last_numbers
from amygdala_tui.app import Studio
from amygdala_tui.link import Link
from amygdala_tui.messages import EngineSaid
from amygdala_tui.mirror import Mirror, follow, from_disk
from engine.corpus import Layout, scan
from engine.wire.protocol import PROTOCOL, Changed, Snapshot
from engine.wire.snapshot import Doing, StoryView
from tests.amygdala_tui.making import concept, healthy, mirror, misread, snapshot, story
from tests.waiting import eventually_async

CALM, WEARY, JOYFUL = (f"stories/{name}.txt" for name in ("calm", "weary", "joyful"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of three stories, which were written a while ago."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "c/stories").mkdir(parents=True)
    for path in (CALM, WEARY, JOYFUL):
        write(tmp_path / "c" / path, f"A story: {path}.", age_s=60)
    return tmp_path / "c"


def write(file: Path, text: str, age_s: float) -> None:
    file.write_text(text, "utf-8")
    os.utime(file, (time.time() - age_s,) * 2)


def numbered() -> Mirror:
    return mirror([misread(CALM, "weary"), healthy(WEARY), healthy(JOYFUL)], [concept("calm"), concept("weary")], 7)


def test_they_come_back_as_of_before_and_as_no_engines_revision(folder: Path) -> None:
    last_numbers.save(folder, numbered())
    last = last_numbers.load(folder)
    assert last is not None
    assert last.stories == numbered().stories
    assert last.concepts == numbered().concepts
    assert last.layers == (2,)
    assert (last.is_from_before, last.revision, last.doing) == (True, 0, None)


def test_a_story_that_changed_stands_there_without_numbers_and_one_that_is_gone_does_not(folder: Path) -> None:
    last_numbers.save(folder, numbered())
    write(folder / CALM, "Another text.", age_s=30)
    (folder / WEARY).unlink()
    last = last_numbers.load(folder)
    assert last is not None
    assert last.stories == {CALM: story(CALM, state="stale"), JOYFUL: healthy(JOYFUL)}


def test_a_text_of_the_same_length_is_another_text_too(folder: Path) -> None:
    last_numbers.save(folder, numbered())
    write(folder / CALM, (folder / CALM).read_text("utf-8").upper(), age_s=30)
    last = last_numbers.load(folder)
    assert last is not None
    assert last.stories[CALM].state == "stale"


def test_numbers_are_not_kept_of_a_story_that_may_be_changing(folder: Path) -> None:
    write(folder / CALM, "Saved this moment.", age_s=0)
    state = numbered()
    state = replace(state, stories=state.stories | {WEARY: story(WEARY, state="computing", misfit=0.9)})
    last_numbers.save(folder, state)
    last = last_numbers.load(folder)
    assert last is not None
    assert set(last.stories) == {JOYFUL}


@pytest.mark.parametrize("damaged", [b"", b"\xc1", b"\x00" * 100])
def test_a_damaged_file_is_as_none(folder: Path, damaged: bytes) -> None:
    assert last_numbers.load(folder) is None
    last_numbers.save(folder, numbered())
    last_numbers.file_of(folder).write_bytes(damaged)
    assert last_numbers.load(folder) is None


def test_numbers_of_another_protocol_are_not_shown(folder: Path) -> None:
    last_numbers.save(folder, numbered())
    file = last_numbers.file_of(folder)
    fields = msgspec.msgpack.decode(file.read_bytes())
    assert fields["protocol"] == PROTOCOL
    file.write_bytes(msgspec.msgpack.encode(fields | {"protocol": PROTOCOL + 1}))
    assert last_numbers.load(folder) is None


def test_over_a_scan_they_stand_with_the_stories_that_there_are(folder: Path) -> None:
    last_numbers.save(folder, numbered())
    last = last_numbers.load(folder)
    assert last is not None
    write(folder / "stories/proud.txt", "A new story.", age_s=1)
    shown = last_numbers.over_disk(from_disk(scan(Layout.of(folder))), last)
    assert set(shown.stories) == {CALM, WEARY, JOYFUL, "stories/proud.txt"}
    assert shown.stories[CALM].misread
    assert shown.stories["stories/proud.txt"].state == "stale"
    assert shown.is_from_before


def test_the_link_takes_them_then_the_scan_and_neither_once_an_engine_has_answered(folder: Path) -> None:
    last_numbers.save(folder, numbered())
    last = last_numbers.load(folder)
    assert last is not None
    link = Link(folder / "e.sock", folder, None, lambda _message: None)
    assert link.seed(last)
    assert link.seed(last_numbers.over_disk(from_disk(scan(Layout.of(folder))), last))
    assert link.mirror.stories[CALM].misread
    link.mirror = follow(link.mirror, snapshot([healthy(CALM)]))
    assert not link.seed(last)


def test_they_stay_until_an_engine_has_its_own() -> None:
    before = replace(numbered(), doing=None)
    computing = [story(path, state="computing") for path in (CALM, WEARY)] + [story(JOYFUL, state="empty")]
    restarted = follow(before, starting(computing))
    assert restarted.is_from_before
    assert restarted.revision == 0
    assert restarted.stories[CALM].misread
    assert restarted.stories[JOYFUL].state == "empty"
    assert restarted.concepts == before.concepts
    fresh = [healthy(CALM), healthy(WEARY)]
    change = Changed(
        corpus="/c",
        base=0,
        revision=8,
        layers=[2],
        stories=fresh,
        removed=[],
        concepts=[concept("calm")],
        problems=[],
        moved=None,
    )
    ready = follow(restarted, change)
    assert not ready.is_from_before
    assert not ready.misread
    assert set(ready.concepts) == {"calm"}


async def test_a_studio_keeps_them_on_leaving_and_the_next_one_shows_them_before_any_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_link: Link) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(Link, "run", nothing)
    first = Studio(folder, folder / "e.sock")
    async with first.run_test() as pilot:
        first.post_message(EngineSaid(numbered()))
        await pilot.pause()
    then = Studio(folder, folder / "e.sock")
    async with then.run_test():
        await eventually_async(lambda: then.mirror.misread == {CALM})
        assert then.mirror.is_from_before
        assert set(then.mirror.concepts) == {"calm", "weary"}


def test_a_first_engine_without_numbers_before_it_shows_none() -> None:
    first = follow(Mirror(), starting([story(CALM, state="computing")]))
    assert not first.is_from_before
    assert first.stories[CALM].state == "computing"


def starting(stories: list[StoryView]) -> Snapshot:
    return msgspec.structs.replace(snapshot(stories, revision=0), doing=Doing(state="loading"))
