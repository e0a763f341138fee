"""`benchmarks.export` and its parts `wide` and `loading`."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest

from benchmarks import export, formats, loading, random_model, wide
from tests.benchmarks.smoke import TINY, figures, printed

WIDE = ("--width", "96", "--wide-concepts", "3", "--wide-stories", "9", "--wide-tokens", "12")


def test_an_export_agrees_with_the_textbook_and_is_timed_stage_by_stage() -> None:
    text = printed(export.main, *TINY, "--layers", "1", "--repeat", "1", "--part", "runs")
    assert figures(r"(\d+) texts, \d+ concepts; blocks \[1\] of 3", text) == [5]
    assert text.count("agreement: lowest cosine 1.000000") == 2
    pooled, subspace = text.split("subspace, with quality")
    for part, passes in ((pooled, ["residual", "heads"]), (subspace, ["residual", "tokens", "heads"])):
        for name in passes:
            assert figures(rf"{name} pass +(\S+) s", part)[0] > 0
        stages = [figures(rf"{stage} +\S+ s +(\S+) s", part)[0] for stage in export.STAGES]
        (together,) = figures(r"together +\S+ s +(\S+) s", part)
        assert together == pytest.approx(sum(stages), abs=0.02)


def test_two_number_formats_are_timed_beside_one_another() -> None:
    text = printed(formats.main, *TINY, "--layers", "1", "--repeat", "1")
    for label in ("bare pass", "whole export"):
        assert min(figures(rf"{label} +(\S+) s +(\S+) s +(\S+) x", text)) >= 0
    in_fp32, in_bf16 = figures(r"weights held +(\S+) MB +(\S+) MB", text)
    assert in_fp32 >= in_bf16
    assert figures(r"lowest cosine of two vectors (\S+)", text)[0] > 0.99


def test_wide_subspaces_agree_with_the_textbook() -> None:
    text = printed(wide.main, *WIDE)
    assert figures(r"lowest cosine (\S+)", text) == [1.0]
    plain, ours = figures(r"together +(\S+) s +(\S+) s", text)
    assert plain >= 0
    assert ours >= 0


def test_loading_holds_less_of_a_model_that_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts that load run in this process here: a benchmark's own each import torch anew."""
    printed(random_model.main, str(tmp_path), "--size", "tiny")
    monkeypatch.setattr(loading, "output", run_here)
    text = printed(loading.main, str(tmp_path), "--layers", "1,2", "--repeat", "1")
    whole, headless, cut = (
        figures(rf"{name} +(\d+) MB of weights", text)[0]
        for name in ("whole, with its head", "without the head", "ours, cut off")
    )
    assert whole >= headless > cut > 0
    assert figures(r"bare script (\S+) s, ours (\S+) s", text)[0] >= 0


def test_a_random_model_has_the_size_that_is_asked_for(tmp_path: Path) -> None:
    text = printed(random_model.main, str(tmp_path), "--size", "tiny", "--blocks", "2", "--family", "llama")
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model_type"], config["num_hidden_layers"], config["hidden_size"]) == ("llama", 2, 384)
    (megabytes,) = figures(r"(\d+) MB", text)
    assert megabytes > 1


def run_here(script: str) -> str:
    """What a script prints, in this process."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(script, {})
    return output.getvalue()
