"""No control character of a file reaches the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import run


def test_escape_sequence_in_a_settings_file_is_shown_not_sent(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "amygdala.toml").write_text('"\\u001b]0;owned\\u0007" = 1')
    assert run(["export", str(corpus), "--output-dir", str(corpus / "out")]) == 2
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "␛]0;owned" in told
