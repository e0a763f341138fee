"""`benchmarks.corpus_times`, `benchmarks.edit_latency` and `benchmarks.soak`: those that start an engine."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks import corpus_times, edit_latency, soak
from engine import cli
from tests.benchmarks.smoke import CORPUS, LLAMA, figures, printed


def test_edits_of_a_corpus_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports run in this process here: a benchmark's own each import torch anew."""
    monkeypatch.setattr(corpus_times, "run_engine", run_here)
    text = printed(corpus_times.main, CORPUS, "--model", LLAMA, "--edits", "2")
    assert figures(r"(\d+) stories, (\d+) concepts", text) == [46, 8]
    assert figures(r"first export +(\S+) s", text)[0] > 0
    assert figures(r"second export +(\S+) s", text)[0] > 0
    assert figures(r"vectors alone +(\S+) s", text)[0] > 0
    edits, median, slowest, own, forward = figures(
        r"(\d+) edits: median (\d+) ms, slowest (\d+) ms; .* notice on (\d+) ms, .* forward pass (\d+) ms", text
    )
    assert edits == 2
    assert slowest >= median > own >= forward > 0


def test_edits_are_held_against_a_bare_pass_and_a_full_run() -> None:
    text = printed(edit_latency.main, CORPUS, "--model", LLAMA, "--sizes", "12", "--edits", "1", "--pause", "0.1")
    full, total, bare = figures(r"\n +12 +(\S+) s +(\d+) ms +(\d+) ms", text)
    assert full > 0
    assert total > 0
    assert bare > 0
    assert text.count("of which noticing") == 1


def test_a_soak_loses_nothing() -> None:
    text = printed(soak.main, "--minutes", "0.03", "--clients", "2", "--edits", "8", "--stories", "30")
    timed, revisions = figures(r"(\d+) saves timed, (\d+) revisions", text)
    assert 0 < timed <= 8
    assert 1 < revisions <= 9
    first, last = figures(r"memory (\d+) MiB in the first quarter, (\d+) in the last", text)
    assert first > 50
    assert last > 50
    assert "numbers are of what is on disk" in text


def run_here(arguments: Sequence[str]) -> None:
    """Run a command of the engine in this process."""
    assert cli.run(arguments) == 0
