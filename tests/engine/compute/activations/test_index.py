"""The index of the store: which entries give way, and that its loss or damage costs nothing that is stored."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.compute.activations import index
from engine.compute.activations.index import Held
from engine.compute.activations.store import SAME_USE, Store
from tests.engine.compute.activations.entries import (
    KEYS,
    counted,
    entry,
    file_size,
    lose_index,
    same,
    there,
    unheard,
)


@pytest.mark.parametrize("index", [b"", b"this is no database" * 100])
def test_lost_index_costs_nothing_that_is_stored(store: Store, index: bytes) -> None:
    store.put({KEYS[0]: entry()})
    for file in store.root.glob("index.sqlite*"):
        file.unlink()
    (store.root / "index.sqlite").write_bytes(index)
    assert same(store.get(KEYS)[KEYS[0]], entry())
    store.put({KEYS[1]: entry(1)})
    assert len(store.get(KEYS)) == 2


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
    monkeypatch.setattr("engine.compute.activations.store.time.time", lambda: now)
    store.put({KEYS[0]: entry()})
    monkeypatch.setattr("engine.compute.activations.store.time.time", lambda: now + SAME_USE - 1)
    store.get(KEYS)
    assert store.info().oldest_use == now
    monkeypatch.setattr("engine.compute.activations.store.time.time", lambda: now + SAME_USE + 1)
    store.get(KEYS)
    assert store.info().oldest_use == now + SAME_USE + 1
    monkeypatch.setattr("engine.compute.activations.store.time.time", lambda: now)  # the clock was set back
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


def test_index_of_another_version_is_begun_anew(store: Store) -> None:
    store.root.mkdir()
    index = sqlite3.connect(store.root / "index.sqlite")
    with index:
        index.execute(
            "CREATE TABLE entries (key TEXT PRIMARY KEY, bytes INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID"
        )
        index.execute("INSERT INTO entries VALUES ('ab', 7, 1.5)")
    index.close()
    assert store.info().held == {"pooled": Held(0, 0), "tokens": Held(0, 0)}


# Trouble with the index


def test_index_that_is_deleted_is_made_anew_from_the_files(store: Store) -> None:
    store.put({KEYS[0]: entry(), KEYS[1]: entry()})
    store.put({KEYS[2]: entry()}, "tokens")
    lose_index(store)
    store.put({KEYS[3]: entry()})
    assert store.info().held == {"pooled": Held(3, 3 * file_size()), "tokens": Held(1, file_size())}
    assert store.info().unknown == 0
    assert counted(store) == there(store)


def test_index_that_another_process_began_anew_is_opened_again(store: Store) -> None:
    store.put({KEYS[0]: entry(), KEYS[1]: entry(1)})
    lose_index(store)
    Store(store.root).put({KEYS[2]: entry(2)})
    assert store.info().held["pooled"].entries == 3
    store.put({KEYS[3]: entry(3)})
    assert Store(store.root).info().held["pooled"].entries == 4


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
        entries = one.get(KEYS)
        assert all(same(entries[key], entry(i)) for i, key in enumerate(KEYS))
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
