"""What the cache command asks of a store: what it holds, whether that is sound, and less of it."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from pathlib import Path

import pytest

from engine.compute.activations.index import Held
from engine.compute.activations.store import ABANDONED, Store
from tests.engine.compute.activations.entries import (
    KEYS,
    counted,
    entry,
    failing,
    file_size,
    lose_index,
    only_file,
    there,
    unheard,
    verified,
)


def test_info_of_no_cache_makes_none(store: Store) -> None:
    info = store.info()
    assert (info.held, info.oldest_use, info.unknown) == ({"pooled": Held(0, 0), "tokens": Held(0, 0)}, None, 0)
    assert store.verify(unheard) == verified()
    assert store.prune(0).entries == 0
    assert not store.root.exists()


def test_verify_drops_the_damaged_adopts_the_unknown_and_forgets_the_lost(store: Store) -> None:
    store.put({key: entry(i) for i, key in enumerate(KEYS[:3])})
    with sqlite3.connect(store.root / "index.sqlite") as index:
        index.execute("DELETE FROM entries")
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
