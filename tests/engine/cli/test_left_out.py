"""A story that the model cannot take is named by the command line and left out; the rest is exported, and exit is 0."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

from engine import cli
from engine.cli.watch import Following
from engine.corpus import Problem
from tests.engine.compute.model.altered import PANIC, UNKNOWN
from tests.engine.service.running import Engine

Export = Callable[..., tuple[int, str, str]]
PLACE = "paired/first-day/joyful.txt"
SPOILT = f"{UNKNOWN} She laughed until the neighbours knocked."
WORDS = r"error: {}: left out, since the model cannot take it: its tokenizer makes token \d+ of it, and the model knows"


@pytest.fixture
def export(
    capsys: pytest.CaptureFixture[str], unknowing_folder: Path, module_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Export:
    """Export a corpus into a folder, with further flags: exit code, output, diagnostics."""
    monkeypatch.setenv("AMYGDALA_CACHE", str(module_cache))  # the engine's: see `test_export_live`

    def export(corpus: Path, out: Path, *words: str) -> tuple[int, str, str]:
        model = ["--model", str(unknowing_folder), "--device", "cpu", "--target-layers", "1,2"]
        code = cli.run(["export", str(corpus), "--output-dir", str(out), *model, *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return export


@pytest.fixture
def spoilt(corpus: Path) -> Path:
    """The golden corpus with a story that the model cannot take."""
    (corpus / PLACE).parent.mkdir()
    (corpus / PLACE).write_text(SPOILT)
    return corpus


def vectors(out: Path) -> dict[str, Any]:
    return {name: rows.tobytes() for name, rows in safetensors.numpy.load_file(out / "readout.safetensors").items()}


@pytest.mark.parametrize("flags", [(), ("--quality-report",), ("--method", "subspace", "--subspace-k", "8")])
def test_it_is_named_and_the_rest_is_as_without_it(
    export: Export, spoilt: Path, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    code, _, said = export(spoilt, tmp_path / "with", *flags)
    assert code == 0
    assert len(re.findall(WORDS.format(PLACE), said)) == 1
    (spoilt / PLACE).unlink()
    code, _, said = export(spoilt, tmp_path / "without", *flags)
    assert (code, "left out" in said) == (0, False)
    assert vectors(tmp_path / "with") == vectors(tmp_path / "without")
    if "--quality-report" in flags:
        one, other = (json.loads((tmp_path / name / "quality.json").read_text()) for name in ("with", "without"))
        assert one == other


def test_both_files_of_one_text_are_named_and_told_to_scripts(export: Export, spoilt: Path, tmp_path: Path) -> None:
    (spoilt / "stories" / "calm.txt").write_text(SPOILT)
    code, answer, said = export(spoilt, tmp_path / "out", "--json")
    assert code == 0
    assert [place for place in (PLACE, "stories/calm.txt") if re.search(WORDS.format(place), said)] == [
        PLACE,
        "stories/calm.txt",
    ]
    told = json.loads(answer)["left_out"]
    assert told.keys() == {PLACE, "stories/calm.txt"}
    assert told[PLACE].startswith("its tokenizer makes token")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["left_out"] == told
    assert cli.run(["verify", str(tmp_path / "out"), "--corpus", str(spoilt)]) == 0


def test_a_panic_of_the_tokenizer_is_named(export: Export, corpus: Path, tmp_path: Path) -> None:
    (corpus / "stories" / "joyful.txt").write_text(PANIC)
    code, _, said = export(corpus, tmp_path / "out")
    assert code == 0
    assert "error: stories/joyful.txt: left out, since the model cannot take it: its tokenizer fails on it (T" in said


def test_nothing_but_such_stories_fails_in_words(export: Export, tmp_path: Path) -> None:
    (tmp_path / "small" / "stories").mkdir(parents=True)
    for name, text in (("calm", SPOILT), ("sad", PANIC)):
        (tmp_path / "small" / "stories" / f"{name}.txt").write_text(text)
    code, _, said = export(tmp_path / "small", tmp_path / "out")
    assert (code, "Traceback" in said) == (1, False)
    assert "cannot take any of 2 stories, so the fault is its own or its tokenizer's" in said
    assert not (tmp_path / "out" / "readout.safetensors").exists()


def test_the_engine_exports_the_same_and_names_it(
    engine: Engine, export: Export, spoilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, alone = export(spoilt, tmp_path / "alone")
    monkeypatch.setenv("AMYGDALA_SOCKET", str(engine.socket))
    code, _, said = export(spoilt, tmp_path / "out")
    assert (code, "computed by the engine" in alone, "computed by the engine" in said) == (0, False, True)
    assert re.search(WORDS.format(PLACE), said)
    assert vectors(tmp_path / "out") == vectors(tmp_path / "alone")
    assert (tmp_path / "out" / "run.json").read_bytes() == (tmp_path / "alone" / "run.json").read_bytes()


def test_watch_names_it_once_and_again_when_it_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem(path=PLACE, severity="error", code="left-out", message="left out")
    following = Following()
    for problems in ([problem], [problem], [], [problem]):
        following.succeed(problems)
    assert capsys.readouterr().err.count(str(problem)) == 2
