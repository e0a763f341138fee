"""What was computed is there again, whole or not at all; a damaged or full disk costs only time."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.compute import store as store_module
from engine.compute.store import Entry, Store

KEYS = [f"{i:02x}" + "0" * 62 for i in range(10)]


def entry(seed: int = 0, *, truncated: bool = False, size: int = 8) -> Entry:
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        "x": torch.randn(3, size, generator=generator),
        "tokens": torch.randn(2, 5, size, generator=generator).bfloat16(),
    }
    return Entry(tensors, {"truncated": str(int(truncated))})


def same(one: Entry, other: Entry) -> bool:
    alike = [
        one.tensors[name].dtype == other.tensors[name].dtype and torch.equal(one.tensors[name], other.tensors[name])
        for name in one.tensors.keys() | other.tensors.keys()
    ]
    return all(alike) and one.notes == other.notes


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def only_file(store: Store) -> Path:
    (file,) = store.root.rglob("*.safetensors")
    return file


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


def test_later_value_replaces_the_earlier(store: Store) -> None:
    store.put({KEYS[0]: entry(1)})
    store.put({KEYS[0]: entry(2)})
    assert same(store.get(KEYS)[KEYS[0]], entry(2))


def test_no_temporary_file_is_left(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    assert [file.name for file in (store.root / "activations").rglob("*") if file.is_file()] == [only_file(store).name]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_flipped_byte_is_never_taken_for_the_truth(store: Store, place: int, mask: int) -> None:
    store.put({KEYS[0]: entry()})
    file = only_file(store)
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= mask
    file.write_bytes(data)
    found = store.get([KEYS[0]])
    if found:
        assert same(found[KEYS[0]], entry())
    else:
        assert not file.exists()


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


@pytest.mark.parametrize("index", [b"", b"this is no database" * 100])
def test_lost_index_costs_nothing_that_is_stored(store: Store, index: bytes) -> None:
    store.put({KEYS[0]: entry()})
    for file in store.root.glob("index.sqlite*"):
        file.unlink()
    (store.root / "index.sqlite").write_bytes(index)
    assert same(store.get(KEYS)[KEYS[0]], entry())
    store.put({KEYS[1]: entry(1)})
    assert len(store.get(KEYS)) == 2


def test_refusing_disk_is_no_failure(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.tempfile, "mkstemp", full)
    store.put({KEYS[0]: entry()})
    assert store.get(KEYS) == {}


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_read_only_cache_still_gives(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    folders = [store.root, *(folder for folder in store.root.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    store.put({KEYS[1]: entry(1)})
    found = store.get(KEYS)
    for folder in folders:
        folder.chmod(0o700)
    assert list(found) == [KEYS[0]]


def test_damaged_entry_that_cannot_be_removed_is_passed_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put({KEYS[0]: entry()})
    only_file(store).write_bytes(b"damaged")

    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    assert store.get(KEYS) == {}


def test_file_in_place_of_the_cache_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    store = Store(tmp_path / "cache")
    store.put({KEYS[0]: entry()})
    assert store.get(KEYS) == {}


def test_full_store_drops_the_least_recently_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(store_module.time, "time", lambda: float(next(clock)))
    Store(tmp_path / "one").put({KEYS[0]: entry()})
    size = only_file(Store(tmp_path / "one")).stat().st_size
    store = Store(tmp_path / "cache", max_bytes=3 * size)
    for key in KEYS[:3]:
        store.put({key: entry()})
    assert len(store.get([KEYS[0]])) == 1  # used again, so the second is now the oldest
    store.put({KEYS[3]: entry()})
    assert sorted(store.get(KEYS)) == [KEYS[0], KEYS[2], KEYS[3]]
    assert len(list(store.root.rglob("*.safetensors"))) == 3


def test_stores_in_several_threads_share_a_cache(store: Store) -> None:
    failures: list[Exception] = []

    def work() -> None:
        try:
            for i, key in enumerate(KEYS):
                store.put({key: entry(i)})
                assert all(same(found, entry(KEYS.index(key))) for key, found in store.get(KEYS).items())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(store.get(KEYS)) == len(KEYS)


# Digests of large files


def test_digest_is_computed_once_and_remembered(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = store.digest(file)
    assert first == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    monkeypatch.setattr(store_module, "file_sha256", lambda _: "computed again")
    assert Store(store.root).digest(file) == first


def test_digest_of_a_changed_file_is_computed_again(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first, times = store.digest(file), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(b"two")
    os.utime(file, ns=times)
    assert store.digest(file) != first


def test_digest_needs_no_index(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    (tmp_path / "weights").write_bytes(b"one")
    assert Store(tmp_path / "cache").digest(tmp_path / "weights").startswith("7692c3ad")
