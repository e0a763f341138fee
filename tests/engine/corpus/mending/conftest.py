"""A corpus and its kept texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.corpus.mending.kept import Kept
from tests.engine.corpus.mending.making import written


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A corpus of six stories."""
    return written(tmp_path / "small")
