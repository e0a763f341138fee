"""An export of unchanged stories: what it imports, looked at in a process of its own, and what it writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import cli
from tests.engine.imports import HEAVY, loaded_after
from tests.places import GOLDEN


def words(corpus: Path, model: str, out: Path, *more: str) -> list[str]:
    return ["export", str(corpus), "--model", model, "--device", "cpu", "--output-dir", str(out), *more]


def exported_anew(arguments: list[str], *names: str) -> list[str]:
    """Those of `names` that an export in a new process has imported."""
    return loaded_after(f"from engine import cli\nassert cli.run({arguments!r}) == 0", *names)


@pytest.mark.parametrize("model", [str(GOLDEN / "models" / "llama"), "embedded"], ids=["llama", "embedded"])
def test_second_export_imports_no_transformers_and_writes_the_same(
    corpus: Path, cache: Path, tmp_path: Path, model: str
) -> None:
    assert os.environ["AMYGDALA_CACHE"] == str(cache)
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli.run(words(corpus, model, first)) == 0
    assert exported_anew(words(corpus, model, second), *HEAVY, "tokenizers") == ["torch"]
    names = {file.name for file in first.iterdir()}
    assert {"readout.safetensors", "readout.json", "run.json"} <= names
    for name in names:
        assert (second / name).read_bytes() == (first / name).read_bytes()


def test_export_that_compares_neurons_or_reads_a_new_story_loads_the_model(
    corpus: Path, cache: Path, tmp_path: Path
) -> None:
    model, out = str(GOLDEN / "models" / "llama"), tmp_path / "out"
    assert cli.run(words(corpus, model, out)) == 0
    assert exported_anew(words(corpus, model, out, "--quality-report"), *HEAVY) == list(HEAVY)
    next(corpus.glob("stories/*.txt")).write_text("A story that nobody has told before.")
    assert exported_anew(words(corpus, model, out), *HEAVY) == list(HEAVY)
    assert cache.is_dir()
