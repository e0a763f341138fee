"""The store believes nothing that it has not checked, and the limit on its size holds whatever became of its index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import torch

from engine.compute.activations import index
from engine.compute.activations.store import Entry, Store
from tests.engine.compute.activations.entries import KEYS, counted, entry, file_size, lose_index, same, there, unheard


def altered(store: Store, statement: str) -> None:
    """Change the index behind the store's back."""
    store.close()
    connection = sqlite3.connect(store.root / "index.sqlite")
    with connection:
        connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def file_of(store: Store, key: str) -> Path:
    return next(store.root.rglob(f"{key}.*"))


# A file under another one's name


def test_file_of_another_key_is_dropped(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.put({KEYS[0]: entry(0), KEYS[1]: entry(1)})
    file_of(store, KEYS[1]).write_bytes(file_of(store, KEYS[0]).read_bytes())
    entries = store.get(KEYS)
    assert entries.keys() == {KEYS[0]}
    assert same(entries[KEYS[0]], entry(0))
    assert "it is another entry's file" in caplog.text


def test_verify_drops_a_file_of_another_key(store: Store) -> None:
    store.put({KEYS[0]: entry(0), KEYS[1]: entry(1)})
    file_of(store, KEYS[1]).write_bytes(file_of(store, KEYS[0]).read_bytes())
    outcome = store.verify(unheard)
    assert (outcome.sound, outcome.damaged) == (1, 1)
    assert counted(store) == there(store)


# An index that cannot be read


def no_utf8(store: Store) -> None:
    altered(store, f"UPDATE entries SET key = CAST(x'ff' || substr(key, 2) AS TEXT) WHERE key = '{KEYS[3]}'")


def word_for_a_time(store: Store) -> None:
    altered(store, "UPDATE entries SET used = 'yesterday'")


def unknown_kind(store: Store) -> None:
    altered(store, "UPDATE totals SET kind = 'pooked' WHERE kind = 'pooled'")


@pytest.mark.parametrize("damage", [no_utf8, word_for_a_time, unknown_kind])
def test_index_that_cannot_be_read_is_made_anew_from_the_files(
    store: Store, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    store.put({key: entry(i) for i, key in enumerate(KEYS[:5])})
    store.put({key: entry(i) for i, key in enumerate(KEYS[5:])}, "tokens")
    before = store.info().held
    assert callable(damage)
    damage(store)
    store.info()
    assert store.verify(unheard).sound == len(KEYS)
    assert store.info().held == before
    assert counted(store) == there(store)
    assert [record.message.split(" and ")[1] for record in caplog.records] == ["is made anew from the entries on disk"]


@pytest.mark.parametrize("damage", [no_utf8, lose_index])
@pytest.mark.usefixtures("clock")
def test_cap_holds_after_the_index_was_lost(tmp_path: Path, damage: object) -> None:
    cap = 5 * file_size()
    assert callable(damage)
    for turn in range(3):
        store = Store(tmp_path, cap)
        store.put({f"{turn}{i}".ljust(64, "0"): entry(i) for i in range(3)})
        store.put({key: entry(i) for i, key in enumerate(KEYS)})
        assert there(store).bytes <= cap
        damage(store)


def test_damage_that_cannot_be_mended_is_said_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.put({KEYS[0]: entry()})
    altered(store, "UPDATE entries SET used = 'yesterday'")
    monkeypatch.setattr(index, "REST", 0.0)
    monkeypatch.setattr(index.Index, "_discard", lambda _: None)
    for _ in range(5):
        assert len(store.get(KEYS)) == 1
    assert len(caplog.records) == 2


def test_verify_mends_counts(store: Store) -> None:
    store.put({key: entry(i) for i, key in enumerate(KEYS)})
    altered(store, "UPDATE totals SET entries = 999, bytes = -5")
    altered(store, f"UPDATE entries SET bytes = 1 << 40, kind = 'tokens' WHERE key = '{KEYS[2]}'")
    assert counted(store) != there(store)
    store.verify(unheard)
    assert counted(store) == there(store)
    assert store.info().held["pooled"] == there(store)


# An entry that is larger than the whole


@pytest.mark.parametrize("kind", index.KINDS)
@pytest.mark.usefixtures("clock")
def test_entry_larger_than_the_cap_drops_only_itself(tmp_path: Path, kind: index.Kind) -> None:
    store = Store(tmp_path / "cache", 20 * file_size())
    store.put({key: entry(i) for i, key in enumerate(KEYS[:4])})
    store.put({key: entry(i) for i, key in enumerate(KEYS[4:8])}, "tokens")
    store.put({KEYS[8]: Entry({"x": torch.zeros(20 * file_size())}), KEYS[9]: entry()}, kind)
    assert store.get(KEYS).keys() == {*KEYS[:8], KEYS[9]}
    assert counted(store) == there(store)
