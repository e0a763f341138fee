"""Digests of large files are remembered for as long as the files stay the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.compute.activations import digests
from engine.compute.activations.store import Store


def test_digest_is_computed_once_and_remembered(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = store.digest(file)
    assert first == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    monkeypatch.setattr(digests, "file_sha256", lambda _: "computed again")
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


def test_digest_is_known_without_reading_once_it_was_read_and_until_the_file_changes(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert store.digest.remembered(file) is None
    assert store.digest.remembered(file) is None, "to ask is not to read"
    digest = store.digest(file)
    assert store.digest.remembered(file) == digest
    file.write_bytes(b"other")
    assert store.digest.remembered(file) is None
