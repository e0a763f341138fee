"""An empty history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.service.history.database import History
from tests.engine.service.history.recording import CORPUS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history" / "x.sqlite"


@pytest.fixture
def history(file: Path) -> Iterator[History]:
    history = History(file, CORPUS)
    yield history
    history.close()
