"""`benchmarks.textbook` alone; `test_export.py` holds it against the engine."""

from __future__ import annotations

import pytest

from benchmarks.textbook.__main__ import main
from tests.benchmarks.smoke import TINY, figures, printed


def test_stages_are_timed() -> None:
    text = printed(main, *TINY, "--method", "subspace", "--layers", "1")
    assert figures(r"(\d+) texts, \d+ concepts, blocks \[1\]", text) == [5]
    stages = ("residual pass", "tokens pass", "heads pass", "subspace bases", "subspace matrices", "quality")
    seconds = [figures(rf"{stage} +(\S+) s", text)[0] for stage in (*stages, "subspace eigenvectors", "directions")]
    assert figures(r"together +(\S+) s", text)[0] == pytest.approx(sum(seconds), abs=0.05)
