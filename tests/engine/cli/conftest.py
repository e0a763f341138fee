"""The command line in this process, and an export of the golden corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import cli
from tests.engine.cli.exporting import MODEL, Run


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
    from engine.compute.model import checkpoint

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(checkpoint.Checkpoint, "_load", loaded)
