"""`engine export` from the command line: what it writes, says and refuses, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.numpy

from engine import cli
from tests.conftest import GOLDEN

Run = Callable[..., tuple[int, str, str]]
MODEL = str(GOLDEN / "models" / "llama")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], cache: Path) -> Run:
    """Run the command line in this process: exit code, output, diagnostics."""

    assert not cache.exists()

    def run(*words: str | Path) -> tuple[int, str, str]:
        try:
            code = cli.run([str(word) for word in words])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def export(run: Run, corpus: Path, tmp_path: Path) -> Run:
    """Export the golden corpus with the tiny llama and further flags."""

    def export(*words: str | Path) -> tuple[int, str, str]:
        return run("export", corpus, "--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out", *words)

    return export


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if a model is loaded."""
    from engine.compute import models

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(models, "_load", loaded)


# What it does


def test_files_are_written_and_named(export: Run, tmp_path: Path) -> None:
    code, out, err = export("--quality-report")
    assert code == 0
    names = ["quality.json", "readout.json", "readout.safetensors", "run.json"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == names
    assert all(str(tmp_path / "out" / name) in err for name in names)
    assert "Triage at block" in out
    assert "46 texts through the model, 0 from the cache" in err


def test_second_export_runs_nothing_and_writes_the_same(export: Run, tmp_path: Path) -> None:
    export("--quality-report")
    first = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    _, _, err = export("--quality-report")
    assert "0 texts through the model, 46 from the cache" in err
    second = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert first.keys() == second.keys()
    (vectors,) = [name for name in first if name.endswith(".safetensors")]
    assert [name for name in first if first[name] != second[name] and name != vectors] == []
    tensors = [safetensors.numpy.load(files[vectors]) for files in (first, second)]
    assert tensors[0].keys() == tensors[1].keys()
    assert all((tensors[0][name] == tensors[1][name]).all() for name in tensors[0])


def test_run_says_what_made_the_vectors(export: Run, tmp_path: Path) -> None:
    export("--target-layers", "1,2,4")
    run_file = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run_file["model"] == MODEL
    assert (run_file["method"], run_file["pooling"], run_file["dtype"]) == ("pooled", "last", "float32")
    assert run_file["settings"]["target_layers"] == "1,2,4"
    assert all(len(run_file[key]) == 64 for key in ("model_hash", "tokenizer_hash", "corpus_digest"))
    assert run_file["n_stories"] == 46
    assert "amygdala" in run_file["written_by"]
    assert "before any final norm" in run_file["convention"]


def test_corpus_settings_count_and_flags_override_them(export: Run, corpus: Path, tmp_path: Path) -> None:
    (corpus / "amygdala.toml").write_text('target_layers = "3"\npooling = "mean"\n')
    export("--target-layers", "0")
    assert json.loads((tmp_path / "out" / "readout.json").read_text())["layers"] == [0]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["pooling"] == "mean"


def test_folders_may_be_named_apart(run: Run, corpus: Path, tmp_path: Path) -> None:
    folders = ("--stories-dir", corpus / "stories", "--paired-dir", corpus / "paired")
    code, _, err = run("export", *folders, "--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out")
    assert code == 0
    assert "8 concepts, 42 stories, 4 baselines" in err


def test_stories_alone_are_enough(run: Run, corpus: Path, tmp_path: Path) -> None:
    folders = ("--stories-dir", corpus / "stories")
    code, _, err = run("export", *folders, "--model", MODEL, "--device", "cpu", "--output-dir", tmp_path / "out")
    assert code == 0
    assert "7 concepts, 7 stories, 0 baselines" in err


def test_problems_are_named_and_the_rest_is_exported(export: Run, corpus: Path) -> None:
    (corpus / "stories" / "broken.txt").write_bytes(b"caf\xe9")
    (corpus / "stories" / "a\x1b[31m.txt").write_text("Red.")
    code, out, err = export()
    assert code == 0
    assert "error: stories/broken.txt: not UTF-8" in err
    assert "\x1b" not in out + err


def test_cut_stories_are_named(export: Run) -> None:
    _, _, err = export("--max-length", "16")
    assert "warning: stories/joyful.txt: only its first 16 tokens are read" in err


def test_one_story_concept_gives_strict_json_without_nan(export: Run, corpus: Path, tmp_path: Path) -> None:
    (corpus / "stories" / "single.txt").write_text("There was only this one.")
    assert export("--quality-report")[0] == 0

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found = json.loads((tmp_path / "out" / "quality.json").read_text(), parse_constant=refuse)["single"]
    at = next(iter(found["per_layer"].values()))
    assert at["story_projection_std"] is None
    assert (at["story_alignment_mean"], at["story_alignment_std"]) == (0.0, 0.0)
    assert at["top3_variance_ratios"] == [1.0]
    assert found["outlier_stories"] == []
    assert found["triage"]["thin"] is True


def test_quality_names_its_outliers_files(export: Run, corpus: Path, tmp_path: Path) -> None:
    export("--quality-report")
    for concept, found in json.loads((tmp_path / "out" / "quality.json").read_text()).items():
        assert len(found["outlier_paths"]) == len(found["outlier_stories"]) == 2
        for path, (text, _) in zip(found["outlier_paths"], found["outlier_stories"], strict=True):
            assert path.endswith(f"{concept}.txt")
            assert (corpus / path).read_text("utf-8").strip() == text


def test_the_corpus_is_only_read(export: Run, corpus: Path) -> None:
    before = {file: file.read_bytes() for file in corpus.rglob("*") if file.is_file()}
    export()
    assert {file: file.read_bytes() for file in corpus.rglob("*") if file.is_file()} == before


# What it refuses

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
        (("--method", "subspace"), "--method subspace: this version computes 'pooled' only"),
    ],
)
def test_setting_that_does_not_fit_exits_2_and_writes_nothing(
    export: Run, tmp_path: Path, words: tuple[str, str], named: str
) -> None:
    code, _, err = export(*words)
    assert code == 2
    assert f"error: {named}" in err
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.usefixtures("no_model")
def test_method_that_is_not_there_yet_loads_nothing(export: Run) -> None:
    assert export("--method", "subspace")[0] == 2


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
    from engine.export import files

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    code, _, err = export("--quality-report", "--target-layers", "0")
    assert code == 1
    assert f"cannot write to {tmp_path / 'out'}: No space left on device" in err
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


def test_interrupt_exits_130(export: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.compute.live import LiveCorpus

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveCorpus, "apply", interrupted)
    code, _, err = export()
    assert code == 130
    assert "stopped" in err


def test_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "engine", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("amygdala-studio ")
