"""What was computed is there again, whole or not at all; a damaged or full disk costs only time."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.compute.activations.store import Entry, Store
from tests.engine.compute.activations.entries import (
    KEYS,
    entry,
    failing,
    file_size,
    only_file,
    run,
    same,
    there,
    unheard,
    verified,
)

NOBODY = 65534


def test_what_was_put_is_got(store: Store) -> None:
    items = {key: entry(i, truncated=i % 2 == 1) for i, key in enumerate(KEYS)}
    store.put(items)
    again = Store(store.root).get([*KEYS, "f" * 64])
    assert again.keys() == items.keys()
    assert all(same(again[key], items[key]) for key in KEYS)


def test_empty_store_has_nothing(store: Store) -> None:
    assert store.get(KEYS) == {}
    assert store.get([]) == {}


def test_part_of_a_larger_tensor_is_kept_alone(store: Store) -> None:
    batch = torch.randn(3, 100, 8)
    store.put({KEYS[0]: Entry({"x": batch[:, 5]})})
    assert torch.equal(store.get(KEYS)[KEYS[0]].tensors["x"], batch[:, 5])
    assert only_file(store).stat().st_size < 1000


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells")
def test_entry_in_memory_is_not_tied_to_its_file(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    entries = store.get(KEYS)
    assert str(store.root / "activations") not in Path("/proc/self/maps").read_text()
    only_file(store).write_bytes(b"")
    assert same(entries[KEYS[0]], entry())


def test_file_with_no_notes_is_dropped(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    header = b'{"__metadata__":null}   '
    only_file(store).write_bytes(len(header).to_bytes(8, "little") + header)
    assert store.get(KEYS) == {}
    assert there(store).entries == 0


def test_number_alone_is_kept(store: Store) -> None:
    store.put({KEYS[0]: Entry({"x": torch.tensor(1.5)})})
    assert torch.equal(store.get(KEYS)[KEYS[0]].tensors["x"], torch.tensor(1.5))


def test_later_value_replaces_the_earlier(store: Store) -> None:
    store.put({KEYS[0]: entry(1)})
    store.put({KEYS[0]: entry(2)})
    assert same(store.get(KEYS)[KEYS[0]], entry(2))


def test_no_temporary_file_is_left(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    assert [file.name for file in (store.root / "activations").rglob("*") if file.is_file()] == [only_file(store).name]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_flipped_byte_is_never_taken_for_the_truth(store: Store, place: int, mask: int) -> None:
    store.put({KEYS[0]: entry()})
    file = only_file(store)
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= mask
    file.write_bytes(data)
    entries = store.get([KEYS[0]])
    if entries:
        assert same(entries[KEYS[0]], entry())
    else:
        assert not file.exists()


def test_flipped_byte_in_any_place_is_never_taken_for_the_truth(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    file = only_file(store)
    data = file.read_bytes()
    n_given = 0
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        entries = store.get([KEYS[0]])
        assert all(same(item, entry()) for item in entries.values())
        assert file.exists() == bool(entries)
        n_given += len(entries)
    assert n_given < 10  # a space of the header's padding may become another white space


def test_flipped_mark_is_never_taken_for_the_truth(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    file = only_file(store)
    data = file.read_bytes()
    assert data.count(b'"truncated":"0"') == 1
    file.write_bytes(data.replace(b'"truncated":"0"', b'"truncated":"1"'))
    assert store.get([KEYS[0]]) == {}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_file_is_dropped_and_can_be_put_again(store: Store, share: float) -> None:
    store.put({KEYS[0]: entry()})
    file = only_file(store)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert store.get(KEYS) == {}
    assert not file.exists()
    store.put({KEYS[0]: entry()})
    assert same(store.get(KEYS)[KEYS[0]], entry())


def test_cache_that_vanished_is_made_again(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    shutil.rmtree(store.root)
    assert store.get(KEYS) == {}
    store.put({KEYS[0]: entry()})
    assert same(store.get(KEYS)[KEYS[0]], entry())


@pytest.mark.parametrize("step", ["mkstemp", "write", "replace"])
def test_full_disk_is_no_failure(
    store: Store, step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.put({KEYS[0]: entry()})
    with monkeypatch.context() as patch:
        if step == "mkstemp":
            patch.setattr(tempfile, "mkstemp", failing(errno.ENOSPC))
        elif step == "replace":
            patch.setattr(Path, "replace", failing(errno.ENOSPC))
        else:
            patch.setattr(os, "fdopen", lambda handle, _mode: Full(handle))
        for _ in range(3):
            store.put({KEYS[1]: entry(1)})
    assert store.get(KEYS).keys() == {KEYS[0]}
    assert [record.message for record in caplog.records] == [
        f"activations are not being cached: {store.root}: No space left on device"
    ]
    assert [file.name for file in store.root.rglob(".*")] == []
    store.put({KEYS[1]: entry(1)})
    assert store.get(KEYS).keys() == {KEYS[0], KEYS[1]}


def test_disk_that_takes_some_and_refuses_others_is_said_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for key in KEYS[:3]:
        store.put({key: entry()})
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", failing(errno.ENOSPC))
            store.put({KEYS[9]: entry()})
    assert store.get(KEYS).keys() == set(KEYS[:3])
    assert [record.message for record in caplog.records] == [
        f"activations are not being cached: {store.root}: No space left on device"
    ]


class Full:
    """A file on a full disk."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    write = failing(errno.ENOSPC)


LIMITED = """
import resource
store = Store(Path(sys.argv[1]))
store.put({KEYS[0]: entry()})
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
for i, key in enumerate(KEYS[1:]):
    store.put({key: entry(i, size=10_000)})
print(sorted(KEYS.index(key) for key in store.get(KEYS)))
"""


@pytest.mark.parametrize("limit", [4096, 60_000])
def test_files_that_may_not_grow_are_no_failure(store: Store, limit: int) -> None:
    said, errors = run(LIMITED, store.root, limit).communicate(timeout=60)
    assert said == "[0]\n"
    assert errors.count("activations are not being cached") == 1
    assert "Traceback" not in errors
    assert [file.name for file in store.root.rglob(".*")] == []
    assert store.verify(unheard) == verified(sound=1)


@pytest.fixture
def read_only() -> Iterator[Store]:
    """A store with one entry where nothing may be written; root, who may write anywhere, is someone else meanwhile."""
    root = Path(tempfile.mkdtemp())
    store = Store(root)
    store.put({KEYS[0]: entry()})
    store.close()
    for walked, _, names in os.walk(root, topdown=False):
        for name in names:
            Path(walked, name).chmod(0o444)
        Path(walked).chmod(0o555)
    am_root = os.geteuid() == 0
    if am_root:
        os.seteuid(NOBODY)
    yield store
    if am_root:
        os.seteuid(0)
    for folder in [root, *root.rglob("*")]:
        folder.chmod(0o700)
    shutil.rmtree(root)


def test_read_only_cache_still_gives(read_only: Store) -> None:
    for i in range(2):
        read_only.put({KEYS[1]: entry(i)})
        assert read_only.get(KEYS).keys() == {KEYS[0]}
    assert read_only.info().root == read_only.root
    assert read_only.verify(unheard).sound == 1
    assert read_only.prune(0).left == file_size()


def test_damaged_entry_that_cannot_be_removed_is_passed_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put({KEYS[0]: entry()})
    only_file(store).write_bytes(b"damaged")

    monkeypatch.setattr(Path, "unlink", failing(errno.EROFS))
    assert store.get(KEYS) == {}


def test_file_in_place_of_the_cache_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    store = Store(tmp_path / "cache")
    store.put({KEYS[0]: entry()})
    assert store.get(KEYS) == {}
