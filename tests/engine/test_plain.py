"""No control character of a file reaches the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import run
from engine.plain import can_be_shown, escaped, plain


def test_escape_sequence_in_a_settings_file_is_shown_not_sent(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "amygdala.toml").write_text('"\\u001b]0;owned\\u0007" = 1')
    assert run(["export", str(corpus), "--output-dir", str(corpus / "out")]) == 2
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "␛]0;owned" in told


@pytest.mark.parametrize("text", ["می\u200cخواهم", "un\u00adhappy", "👩\u200d👩\u200d👧", "a\u2060b", "One.\nTwo."])
def test_joiners_are_text(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\u200e", "\x9b", "\x7f", "\ufeff", "\u2028", "\udcff", "\x1b"])
def test_controls_are_not_sent(char: str) -> None:
    assert char not in plain(f"a{char}b")
    assert not can_be_shown(f"a{char}b")
    assert can_be_shown(escaped(f"a{char}b"))


def test_name_with_joiners_can_be_shown() -> None:
    assert can_be_shown("می\u200cترسد")
    assert escaped("می\u200cترسد") == "می\u200cترسد"
    assert not can_be_shown("two\nlines")
