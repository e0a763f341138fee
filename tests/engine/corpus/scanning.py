"""One scan of a corpus, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.corpus import Corpus, Layout, scan

Write = Callable[[str, str | bytes], Path]


def read(root: Path) -> Corpus:
    return scan(Layout.of(root))


def paths(corpus: Corpus) -> list[str]:
    return [story.path for story in corpus.stories]


def problems(corpus: Corpus) -> list[tuple[str, str, str]]:
    return [(problem.path, problem.severity, problem.code) for problem in corpus.problems]
