"""`benchmarks.first_batch`, with few entries."""

from __future__ import annotations

import contextlib
import io
import json
import time
from typing import Any

import pytest

from benchmarks import first_batch
from tests.benchmarks.smoke import figures, printed


def test_the_way_to_the_first_batch_is_timed_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts run in this process here: a benchmark's own each import torch anew."""
    monkeypatch.setattr(first_batch, "output", run_here)
    text = printed(first_batch.main, "--vocabulary", "600", "--blocks", "2", "--repeat", "1")
    assert figures(r"(\d+) entries", text) == [600]
    parts = figures(r"hashes (\S+) s, weights (\S+) s", text) + figures(r"tokenizer (\S+) s, as .* (\S+) s", text)
    assert all(seconds >= 0 for seconds in parts)
    together, bound = figures(r"the first batch after (\S+) s; imports .* others (\S+) s", text)
    assert together > 0
    assert bound >= max(parts[:3])
    assert figures(r"one after the other, .* (\S+) s", text)[0] > 0


def run_here(script: str, **words: str) -> Any:
    """What a script prints, as JSON, in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(script.format(started=time.time(), **words), {})
    return json.loads(output.getvalue().splitlines()[-1])
