"""The command, the demo, and what importing the studio loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amygdala_tui import __main__
from amygdala_tui.demo import copy_sample
from amygdala_tui.editor import find_editor, run_editor
from engine.corpus import Layout, scan
from engine.errors import UsageError


def test_importing_the_app_loads_no_torch() -> None:
    code = "import sys, amygdala_tui.app; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["/no/such/corpus"], ["."], ["."] * 2, ["--no-such-flag"]])
def test_bad_usage_exits_with_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code: object = __main__.main(arguments)
    except SystemExit as exit_:  # argparse's way
        code = exit_.code
    assert code == 2
    assert capsys.readouterr().err


def test_without_a_terminal_it_says_what_to_use_instead(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main([str(corpus)]) == 2
    assert "amygdala-engine export" in capsys.readouterr().err


def test_the_demo_is_copied_once_and_never_over_a_writers_edits(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    assert copy_sample(folder)
    story = folder / "paired/power-cut/jealous.txt"
    story.write_text("mine")
    assert not copy_sample(folder)
    assert story.read_text() == "mine"


def test_the_demo_is_not_poured_into_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="holds something else"):
        copy_sample(tmp_path)


def test_the_sample_corpus_has_the_faults_its_tutorial_names(tmp_path: Path) -> None:
    copy_sample(tmp_path / "demo")
    sample = scan(Layout.of(tmp_path / "demo"))
    assert len(sample.concepts) == 16
    assert sum(story.is_baseline for story in sample.stories) == 6
    assert {(problem.path, problem.code) for problem in sample.problems} == {
        ("paired/power-cut/curious.txt", "empty"),
        ("paired/power-cut/grateful.txt", "duplicate"),
        ("paired/power-cut/hopeful.txt", "duplicate"),
    }
    assert sum(story.concept == "awestruck" for story in sample.stories) == 1
    assert (tmp_path / "demo/TUTORIAL.md").is_file()
    for story in sample.stories:
        assert 60 <= len(story.text.split()) <= 150, story.path


def test_the_editor_is_the_writers_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDITOR", "vi")
    monkeypatch.setenv("VISUAL", "code --wait")
    assert find_editor() == ["code", "--wait"]
    monkeypatch.setenv("VISUAL", "vi 'x")
    assert find_editor() == ["vi 'x"]
    monkeypatch.delenv("VISUAL")
    assert find_editor() == ["vi"]
    monkeypatch.delenv("EDITOR")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_editor() is None


def test_an_editor_that_fails_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "a b.txt"
    assert run_editor(["touch"], file) == ""
    assert file.exists()
    assert run_editor(["false"], file) == "false ended with code 1"
    assert "cannot be started" in run_editor([str(tmp_path / "none")], file)
