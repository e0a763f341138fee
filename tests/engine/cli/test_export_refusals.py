"""`engine export` from the command line: what it refuses, and with which exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.cli.exporting import MODEL, Run

BAD_USAGE = {
    "no command": ([], "COMMAND"),
    "unknown command": (["explode"], "explode"),
    "no output": (["export", "CORPUS"], "--output-dir"),
    "no corpus": (["export", "--output-dir", "OUT"], "--stories-dir"),
    "corpus twice": (["export", "CORPUS", "--stories-dir", "CORPUS/stories", "--output-dir", "OUT"], "not both"),
    "missing corpus": (["export", "NOSUCH", "--output-dir", "OUT"], "NOSUCH: no such folder"),
    "no corpus there": (["export", "CORPUS/stories", "--output-dir", "OUT"], "neither stories/ nor paired/"),
    "missing stories": (["export", "--stories-dir", "NOSUCH", "--output-dir", "OUT"], "NOSUCH: no such folder"),
    "unknown flag": (["export", "CORPUS", "--output-dir", "OUT", "--fast"], "--fast"),
    "unknown method": (["export", "CORPUS", "--output-dir", "OUT", "--method", "magic"], "--method"),
    "ill-typed flag": (["export", "CORPUS", "--output-dir", "OUT", "--max-length", "long"], "--max-length"),
    "flag out of range": (["export", "CORPUS", "--output-dir", "OUT", "--max-length", "0"], "max_length"),
    "missing model": (["export", "CORPUS", "--output-dir", "OUT", "--model", "./NOSUCH"], "--model ./NOSUCH"),
    "missing device": (["export", "CORPUS", "--output-dir", "OUT", "--device", "gpu"], "--device gpu"),
    "output is a file": (["export", "CORPUS", "--output-dir", "CORPUS/stories/joyful.txt"], "--output-dir"),
    "output below a file": (["export", "CORPUS", "--output-dir", "CORPUS/stories/joyful.txt/x"], "--output-dir"),
}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("case", BAD_USAGE)
def test_bad_usage_exits_2_names_what_is_wrong_and_loads_nothing(
    run: Run, corpus: Path, tmp_path: Path, case: str
) -> None:
    words, named = BAD_USAGE[case]
    places = {"CORPUS": str(corpus), "OUT": str(tmp_path / "out")}
    for short, path in places.items():
        words = [word.replace(short, path, 1) for word in words]
    code, out, err = run(*words)
    assert code == 2
    assert named in err
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--target-layers", "9"), "--target-layers 9: '9' is out of range; this model's blocks are 0 to 4"),
        (("--target-layers", "first"), "--target-layers first"),
        (("--target-layers", "0,2", "--format", "gguf"), "--format gguf: llama.cpp adds control vectors from block 1"),
    ],
)
def test_setting_that_does_not_fit_exits_2_and_writes_nothing(
    export: Run, tmp_path: Path, words: tuple[str, str], named: str
) -> None:
    code, _, err = export(*words)
    assert code == 2
    assert f"error: {named}" in err
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]


@pytest.mark.usefixtures("no_model")
def test_broken_settings_file_exits_2_with_its_line(export: Run, corpus: Path) -> None:
    (corpus / "amygdala.toml").write_text("\nmax_lenght = 3\n")
    code, _, err = export()
    assert code == 2
    assert f"error: {corpus / 'amygdala.toml'}:2: max_lenght: no such setting" in err


@pytest.mark.usefixtures("no_model")
def test_empty_corpus_exits_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty" / "stories").mkdir(parents=True)
    code, _, err = run("export", tmp_path / "empty", "--output-dir", tmp_path / "out")
    assert code == 1
    assert f"error: {tmp_path / 'empty'}: no stories" in err


def test_one_concept_without_contrast_exits_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one" / "stories").mkdir(parents=True)
    (tmp_path / "one" / "stories" / "calm.txt").write_text("Calm.")
    out = tmp_path / "out"
    code, _, err = run("export", tmp_path / "one", "--model", MODEL, "--device", "cpu", "--output-dir", out)
    assert code == 1
    assert "error: no concept has a vector" in err
    assert not list(out.glob("*"))


def test_broken_model_exits_1(run: Run, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{")
    code, _, err = run("export", corpus, "--model", tmp_path / "model", "--output-dir", tmp_path / "out")
    assert code == 1
    assert f"{tmp_path / 'model' / 'config.json'} cannot be read" in err


def test_full_disk_exits_1_and_leaves_the_old_set(export: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export("--quality-report")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = export("--quality-report", "--target-layers", "0")
    assert code == 1
    assert f"cannot write to {tmp_path / 'out'}: No space left on device" in err
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_interrupt_exits_130(export: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.compute.live.corpus import LiveCorpus

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveCorpus, "apply", interrupted)
    code, _, err = export()
    assert code == 130
    assert "stopped" in err


def test_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "engine", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("amygdala-studio ")
