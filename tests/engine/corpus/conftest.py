"""A small corpus, and a way to write to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.corpus.scanning import Write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus with one good story."""
    folder = tmp_path / "corpus"
    (folder / "stories").mkdir(parents=True)
    (folder / "stories" / "good.txt").write_text("A good story.")
    return folder


@pytest.fixture
def put(root: Path) -> Write:
    """Write a file below the corpus."""

    def put(path: str, content: str | bytes) -> Path:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return put
