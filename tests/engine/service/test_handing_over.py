"""Vectors come to a client by way of a file, wherever one can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import paths
from engine.errors import AmygdalaError
from engine.service.exports import _hand_over
from engine.service.process.faults import WorkerDied


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The cache, the runtime directory, the state directory."""
    folders = [tmp_path / name for name in ("cache", "runtime", "state")]
    monkeypatch.setattr(paths, "cache_dir", lambda: folders[0])
    monkeypatch.setattr(paths, "runtime_dir", lambda: folders[1])
    monkeypatch.setattr(paths, "log_path", lambda: folders[2] / "engine.log")
    return folders


@pytest.mark.parametrize("n_full", [0, 1, 2])
async def test_vectors_go_where_there_is_room(places: list[Path], n_full: int) -> None:
    async def write(file: Path) -> int:
        file.write_bytes(b"a part")
        if file.parent.parent in places[:n_full]:
            raise AmygdalaError(f"cannot write {file}: No space left on device")
        return 7

    file, written = await _hand_over(write)
    assert (file.parent.parent, written) == (places[n_full], 7)
    assert [left for place in places for left in place.glob("exports/*")] == [file]


async def test_folder_that_cannot_be_made_is_passed_over(places: list[Path]) -> None:
    places[0].write_text("a file")

    async def write(_: Path) -> None: ...

    file, _ = await _hand_over(write)
    assert file.parent.parent == places[1]


async def test_where_no_folder_takes_them_each_is_named_with_what_to_do(places: list[Path]) -> None:
    places[0].write_text("a file")
    places[1].mkdir()
    (places[1] / "exports").symlink_to("exports")

    async def write(file: Path) -> None:
        raise AmygdalaError(f"cannot write {file}: No space left on device")

    with pytest.raises(AmygdalaError) as refusal:
        await _hand_over(write)
    first, *reasons, last = str(refusal.value).splitlines()
    assert "cannot hand the vectors over" in first
    assert [str(place) in reason for place, reason in zip(places, reasons, strict=True)] == [True] * 3
    assert "amygdala-engine stop" in last


@pytest.mark.usefixtures("places")
async def test_what_no_folder_is_the_cause_of_is_said_once() -> None:
    async def write(_: Path) -> None:
        raise AmygdalaError("out of memory")

    with pytest.raises(AmygdalaError, match=r"^out of memory$"):
        await _hand_over(write)


@pytest.mark.usefixtures("places")
async def test_dead_worker_is_not_asked_again() -> None:
    asked = []

    async def write(file: Path) -> None:
        asked.append(file)
        raise WorkerDied("it was ended")

    with pytest.raises(WorkerDied):
        await _hand_over(write)
    assert len(asked) == 1
