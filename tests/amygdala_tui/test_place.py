"""Where a writer was is there again, and a file that cannot be used is as none."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amygdala_tui import place
from amygdala_tui.keeper import Keeper
from amygdala_tui.place import Place

SOMEWHERE = Place(
    view="triage",
    story="paired/bus/悲しい.txt",
    concept="悲しい",
    grouping="concept",
    sort="nearest",
    theme="light",
    unfolded=("maybes",),
)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_place_is_kept_for_each_corpus_and_for_its_user_alone(state: Path, tmp_path: Path) -> None:
    place.save(tmp_path / "one", SOMEWHERE)
    assert place.load(tmp_path / "one") == SOMEWHERE
    assert place.load(tmp_path / "other") == Place()
    (file,) = (path for path in state.rglob("*") if path.is_file())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_corpus_has_one_place_by_whatever_name_it_is_opened(state: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    place.save(tmp_path / "link", SOMEWHERE)
    assert place.load(tmp_path / "one") == SOMEWHERE
    assert state.is_dir()


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"\xff", b'{"version": 2}', b'{"view": 3}', b"[]", b'{"view": "\xff"}', b"[" * 100_000]
)
@pytest.mark.usefixtures("state")
def test_a_damaged_or_later_file_is_as_none(tmp_path: Path, damaged: bytes) -> None:
    place.save(tmp_path, SOMEWHERE)
    place.file_of(tmp_path).write_bytes(damaged)
    assert place.load(tmp_path) == Place()


@given(st.binary(max_size=200))
def test_no_bytes_at_all_hinder_a_start(tmp_path_factory: pytest.TempPathFactory, found: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("place")
        patch.setenv("XDG_STATE_HOME", str(folder))
        place.save(folder, SOMEWHERE)
        place.file_of(folder).write_bytes(found)
        assert isinstance(place.load(folder), Place)


async def test_of_many_values_the_latest_is_written_at_once_on_leaving() -> None:
    written: list[int] = []
    keeper = Keeper(written.append, every_s=3600)
    for value in range(50):
        keeper.keep(value)
        await asyncio.sleep(0)
    assert len(written) <= 1
    await keeper.close(within_s=10)
    assert written[-1] == 49
    assert len(written) <= 2


async def test_what_cannot_be_written_hinders_nothing_and_the_next_value_is_tried() -> None:
    tried: list[int] = []

    def write(value: int) -> None:
        tried.append(value)
        raise OSError("no space left")

    keeper = Keeper(write, every_s=0.01)
    keeper.keep(1)
    await asyncio.sleep(0.1)
    keeper.keep(2)
    await keeper.close(within_s=10)
    assert tried == [1, 2]


async def test_a_file_system_that_does_not_answer_is_given_up_on_leaving() -> None:
    started, answers = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_value: int) -> None:
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(answers.wait(), loop).result()

    keeper = Keeper(hang, every_s=1)
    keeper.keep(1)
    await started.wait()
    await keeper.close(within_s=0.05)
    assert not answers.is_set()
    answers.set()


async def test_nothing_is_written_where_nothing_was_kept() -> None:
    written: list[int] = []
    await Keeper(written.append, every_s=1).close(within_s=1)
    assert written == []
