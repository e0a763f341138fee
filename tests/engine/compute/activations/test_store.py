"""What was computed is there again, whole or not at all; a damaged or full disk costs only time."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.compute.activations import index
from engine.compute.activations import store as store_module
from engine.compute.activations.index import Held
from engine.compute.activations.store import ABANDONED, SAME_USE, Entry, Store, Verified

KEYS = [f"{i:02x}" + "0" * 62 for i in range(10)]
NOBODY = 65534


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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the time is so much later that a use counts as another one."""
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(time, "time", lambda: next(ticks) * 2 * SAME_USE)


def file_size() -> int:
    """What an entry takes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.put({KEYS[0]: entry()})
        return only_file(store).stat().st_size


def unheard(_done: int, _total: int) -> None:
    """Progress that is not looked at."""


def verified(**counts: int) -> Verified:
    return Verified(**({"sound": 0, "damaged": 0, "stuck": 0, "adopted": 0, "lost": 0} | counts))


def lose_index(store: Store) -> None:
    for file in store.root.glob("index.sqlite*"):
        file.unlink()


def counted(store: Store) -> Held:
    """What the index believes to be there, in all."""
    held = store.info().held.values()
    return Held(sum(one.entries for one in held), sum(one.bytes for one in held))


def there(store: Store) -> Held:
    """What is there."""
    files = list(store.root.rglob("*.safetensors"))
    return Held(len(files), sum(file.stat().st_size for file in files))


def run(program: str, *words: object) -> subprocess.Popen[str]:
    """A process of its own, with the names that these tests have."""
    code = f"from tests.engine.compute.activations.test_store import *\n{program}"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


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


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells")
def test_entry_in_memory_is_not_tied_to_its_file(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    found = store.get(KEYS)
    assert str(store.root / "activations") not in Path("/proc/self/maps").read_text()
    only_file(store).write_bytes(b"")
    assert same(found[KEYS[0]], entry())


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


def test_flipped_byte_in_any_place_is_never_taken_for_the_truth(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    data = only_file(store).read_bytes()
    folder = store.root / "activations" / "ff"
    folder.mkdir()
    keys = {f"ff{place:08x}": place for place in range(len(data))}
    for key, place in keys.items():
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        (folder / f"{key}.safetensors").write_bytes(flipped)
    found = store.get(keys)
    assert all(same(item, entry()) for item in found.values())
    assert {file.stem for file in folder.iterdir()} == found.keys()
    assert len(found) < 10  # a space of the header's padding may become another white space


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


def failing(code: int) -> Any:
    """A function that the system refuses."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


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


# Room


@pytest.mark.usefixtures("clock")
def test_full_store_drops_the_least_recently_used(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache", max_bytes=3 * file_size())
    for key in KEYS[:3]:
        store.put({key: entry()})
    assert len(store.get([KEYS[0]])) == 1  # used again, so the second is now the oldest
    store.put({KEYS[3]: entry()})
    assert sorted(store.get(KEYS)) == [KEYS[0], KEYS[2], KEYS[3]]
    assert counted(store) == there(store) == Held(3, 3 * file_size())


def test_second_use_within_the_hour_is_not_noted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    store.put({KEYS[0]: entry()})
    monkeypatch.setattr(time, "time", lambda: now + SAME_USE - 1)
    store.get(KEYS)
    assert store.info().oldest_use == now
    monkeypatch.setattr(time, "time", lambda: now + SAME_USE + 1)
    store.get(KEYS)
    assert store.info().oldest_use == now + SAME_USE + 1
    monkeypatch.setattr(time, "time", lambda: now)  # the clock was set back
    store.get(KEYS)
    assert store.info().oldest_use == now


@pytest.mark.usefixtures("clock")
def test_tokens_never_push_pooled_entries_out(tmp_path: Path) -> None:
    size = file_size()
    store = Store(tmp_path / "cache", max_bytes=8 * size)
    store.put({key: entry() for key in KEYS[:2]})
    tokens = [f"{i:064}" for i in range(10, 30)]
    for key in tokens:
        store.put({key: entry()}, kind="tokens")
    assert store.info().held == {"pooled": Held(2, 2 * size), "tokens": Held(6, 6 * size)}
    assert store.get(KEYS).keys() == set(KEYS[:2])
    assert store.get(tokens).keys() == set(tokens[-6:])


@pytest.mark.usefixtures("clock")
def test_tokens_give_way_to_pooled_entries(tmp_path: Path) -> None:
    size = file_size()
    store = Store(tmp_path / "cache", max_bytes=8 * size)
    store.put({f"{i:064}": entry(i) for i in range(10, 16)}, kind="tokens")
    for key in KEYS[:5]:
        store.put({key: entry()})
    assert store.info().held == {"pooled": Held(5, 5 * size), "tokens": Held(3, 3 * size)}
    assert counted(store) == there(store)


def test_totals_follow_what_is_replaced_damaged_or_gone(store: Store) -> None:
    store.put({key: entry() for key in KEYS})
    store.put({KEYS[0]: entry(size=100)})
    store.put({KEYS[1]: entry()}, kind="tokens")
    assert counted(store) == there(store)
    assert store.info().held["tokens"].entries == 1
    next(store.root.rglob(f"{KEYS[2]}.*")).write_bytes(b"damaged")
    next(store.root.rglob(f"{KEYS[3]}.*")).unlink()
    assert len(store.get(KEYS)) == 8
    assert counted(store) == there(store)
    assert there(store).entries == 8


def test_index_of_the_first_version_is_kept(store: Store) -> None:
    store.root.mkdir()
    index = sqlite3.connect(store.root / "index.sqlite")
    with index:
        index.execute(
            "CREATE TABLE entries (key TEXT PRIMARY KEY, bytes INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID"
        )
        index.execute("INSERT INTO entries VALUES ('ab', 7, 1.5)")
    index.close()
    assert store.info().held == {"pooled": Held(1, 7), "tokens": Held(0, 0)}


# Many at once


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


MANY = """
store = Store(Path(sys.argv[1]), max_bytes=int(sys.argv[2]))
generator = random.Random(int(sys.argv[3]))
for turn in range(150):
    i = generator.randrange(40)
    store.put({f"{i:064}": entry(i)}, kind="tokens" if i % 4 == 0 else "pooled")
    wanted = generator.sample(range(40), 5)
    for key, item in store.get(f"{i:064}" for i in wanted).items():
        assert same(item, entry(int(key))), key
    if turn % 50 == 49:
        store.prune(int(sys.argv[2]) // 2)
        assert store.verify(unheard).damaged == 0
"""


def test_processes_share_a_cache(store: Store) -> None:
    processes = [run(f"import random\n{MANY}", store.root, 20 * file_size(), seed) for seed in range(3)]
    ends = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert ends == [("", "", 0)] * 3
    store.verify(unheard)
    assert counted(store) == there(store)
    assert there(store).entries <= 20


def test_processes_share_a_cache_whose_index_is_deleted_again_and_again(store: Store) -> None:
    processes = [run(f"import random\n{MANY}", store.root, 1000 * file_size(), seed) for seed in range(2)]
    while any(process.poll() is None for process in processes):
        (store.root / "index.sqlite").unlink(missing_ok=True)
        time.sleep(0.05)
    errors = [process.communicate(timeout=10)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    store.verify(unheard)
    assert counted(store) == there(store) == Held(40, 40 * file_size())


# Trouble with the index


def test_index_that_is_deleted_is_made_anew_and_learns_by_use(store: Store) -> None:
    store.put({KEYS[0]: entry(), KEYS[1]: entry()})
    lose_index(store)
    store.put({KEYS[2]: entry()})
    assert store.info().held["pooled"].entries == 1
    assert store.info().unknown == 2
    assert len(store.get(KEYS)) == 3
    assert store.info().unknown == 0
    assert counted(store) == there(store)


def test_index_that_another_process_began_anew_is_opened_again(store: Store) -> None:
    store.put({KEYS[0]: entry(), KEYS[1]: entry(1)})
    lose_index(store)
    Store(store.root).put({KEYS[2]: entry(2)})
    assert store.info().held["pooled"].entries == 1
    store.put({KEYS[3]: entry(3)})
    assert Store(store.root).info().held["pooled"].entries == 2


@pytest.mark.parametrize("place", [0, 100, 4096])
def test_index_damaged_under_an_open_store_is_no_failure(store: Store, place: int) -> None:
    store.put({key: entry(i) for i, key in enumerate(KEYS[:9])})
    Store(store.root).close()
    connection = sqlite3.connect(store.root / "index.sqlite")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with (store.root / "index.sqlite").open("r+b") as index:
        index.seek(place)
        index.write(b"\xa5" * 20_000)
    for one in (store, Store(store.root), store):
        one.put({KEYS[9]: entry(9)})
        found = one.get(KEYS)
        assert all(same(found[key], entry(i)) for i, key in enumerate(KEYS))
    assert store.verify(unheard).sound == len(KEYS)
    assert counted(store) == there(store)


def test_index_without_tables_is_begun_anew(store: Store) -> None:
    store.root.mkdir()
    connection = sqlite3.connect(store.root / "index.sqlite")
    connection.execute(f"PRAGMA user_version = {index.VERSION}")
    connection.close()
    store.put({KEYS[0]: entry()})
    assert counted(store) == Held(1, file_size())


@pytest.fixture
def locked(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Another process has the store's index, and keeps it."""
    monkeypatch.setattr(index, "LOCKED_FOR", 0.05)
    store.put({KEYS[0]: entry()})
    store.close()
    connection = sqlite3.connect(store.root / "index.sqlite", isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("UPDATE entries SET used = 0")
    yield connection
    connection.close()


@pytest.mark.usefixtures("locked")
def test_locked_index_is_no_failure_and_not_waited_for_twice(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.put({KEYS[1]: entry(1)})
    started = time.monotonic()
    for i in range(100):
        store.put({KEYS[2]: entry(i)})
    assert time.monotonic() - started < 3
    assert len(store.get(KEYS)) == 3
    assert len(caplog.records) == 1
    assert store.prune(0).entries == 3


def test_index_is_used_again_once_it_is_free(
    store: Store, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "REST", 0.0)
    store.put({KEYS[1]: entry(1)})
    locked.close()
    store.put({KEYS[2]: entry(2)})
    assert store.info().held["pooled"].entries == 2
    assert len(store.get(KEYS)) == 3
    assert counted(store) == there(store)


# What the cache command asks for


def test_info_of_no_cache_makes_none(store: Store) -> None:
    info = store.info()
    assert (info.held, info.oldest_use, info.unknown) == ({"pooled": Held(0, 0), "tokens": Held(0, 0)}, None, 0)
    assert store.verify(unheard) == verified()
    assert store.prune(0).entries == 0
    assert not store.root.exists()


def test_verify_drops_the_damaged_adopts_the_unknown_and_forgets_the_lost(store: Store) -> None:
    store.put({key: entry(i) for i, key in enumerate(KEYS[:3])})
    lose_index(store)  # those become unknown
    store.put({KEYS[3]: entry()}, kind="tokens")
    store.put({key: entry(i) for i, key in enumerate(KEYS[4:7])})
    for key, data in {KEYS[2]: b"", KEYS[4]: b"damaged"}.items():
        next(store.root.rglob(f"{key}.*")).write_bytes(data)
    next(store.root.rglob(f"{KEYS[5]}.*")).unlink()
    told = []
    assert store.verify(lambda *numbers: told.append(numbers)) == verified(sound=4, damaged=2, adopted=2, lost=1)
    assert told == [*((i, 6) for i in range(7))]
    assert store.info().unknown == 0
    assert counted(store) == there(store)
    assert store.verify(unheard) == verified(sound=4)


def test_verify_tells_kinds_by_the_files(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    store.put({KEYS[1]: entry(), KEYS[2]: entry()}, kind="tokens")
    before = store.info().held
    lose_index(store)
    store.verify(unheard)
    assert store.info().held == before


def test_verify_leaves_what_is_none_of_ours(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    for name in ("notes.txt", "elsewhere.safetensors", ".being-written"):
        (only_file(store).parent / name).write_text("not ours")
        assert store.verify(unheard) == verified(sound=1)
        assert store.prune(1 << 30).entries == 0
        (store.root / "activations" / "00" / name).unlink()


def test_damaged_entry_that_stays_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put({KEYS[0]: entry()})
    only_file(store).write_bytes(b"damaged")
    monkeypatch.setattr(Path, "unlink", failing(errno.EROFS))
    assert store.verify(unheard) == verified(stuck=1)


def test_entry_that_cannot_be_read_is_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put({KEYS[0]: entry()})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing(errno.EMFILE))
        assert store.get(KEYS) == {}
        assert store.verify(unheard) == verified(stuck=1)
    assert len(store.get(KEYS)) == 1


@pytest.mark.usefixtures("clock")
def test_prune_drops_the_least_recently_used_of_either_kind(store: Store) -> None:
    size = file_size()
    store.put({KEYS[0]: entry()})
    store.put({KEYS[1]: entry()}, kind="tokens")
    store.put({KEYS[2]: entry()})
    store.put({KEYS[3]: entry()}, kind="tokens")
    store.get([KEYS[0]])
    done = store.prune(2 * size + 10)
    assert (done.entries, done.bytes, done.temporaries, done.left) == (2, 2 * size, 0, 2 * size)
    assert store.get(KEYS).keys() == {KEYS[0], KEYS[3]}
    assert store.prune(0).left == 0
    assert there(store) == counted(store) == Held(0, 0)


def test_prune_goes_by_the_time_of_writing_where_the_index_does_not_know(store: Store) -> None:
    store.put({key: entry() for key in KEYS[1:]})
    lose_index(store)
    old, new = (next(store.root.rglob(f"{key}.*")) for key in (KEYS[5], KEYS[7]))
    os.utime(old, (1, 1))
    os.utime(new, (time.time() + 9,) * 2)
    store.put({KEYS[0]: entry()})
    done = store.prune(9 * file_size())
    assert (done.entries, done.left, old.exists()) == (1, 9 * file_size(), False)
    store.prune(file_size())
    assert store.get(KEYS).keys() == {KEYS[7]}


def test_prune_sweeps_what_killed_writers_left(store: Store) -> None:
    store.put({KEYS[0]: entry()})
    folder = only_file(store).parent
    for name in (".old", ".new"):
        (folder / name).write_text("half an entry")
    then = time.time() - ABANDONED - 60
    os.utime(folder / ".old", (then, then))
    os.utime(only_file(store), (then, then))
    assert store.prune(1 << 30).temporaries == 1
    assert sorted(file.name for file in folder.iterdir()) == [".new", f"{KEYS[0]}.safetensors"]


def test_killed_writer_leaves_no_half_entry(store: Store) -> None:
    process = run("store = Store(Path(sys.argv[1]))\nwhile True: store.put({KEYS[0]: entry(size=200_000)})", store.root)
    while not list(store.root.rglob(".*")):
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=10)
    assert store.verify(unheard).damaged == 0
    found = store.get([KEYS[0]])
    assert not found or same(found[KEYS[0]], entry(size=200_000))


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
