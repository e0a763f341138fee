"""An empty store, and a clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.compute.activations.store import SAME_USE, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the time is so much later that a use counts as another one."""
    ticks = iter(range(1_000_000))
    monkeypatch.setattr("engine.compute.activations.store.time.time", lambda: next(ticks) * 2 * SAME_USE)
