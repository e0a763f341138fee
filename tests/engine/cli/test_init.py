"""`engine init` writes a settings file, once."""

from pathlib import Path

import pytest

from engine import cli, settings
from engine.settings import Settings


def test_file_is_written_with_what_was_given(corpus: Path) -> None:
    assert cli.run(["init", str(corpus), "--max-length", "99", "--pooling", "mean"]) == 0
    assert settings.load(corpus, {}) == Settings(max_length=99, pooling="mean")


def test_existing_file_is_left_alone(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus / "amygdala.toml").write_text("max_length = 3\n")
    assert cli.run(["init", str(corpus)]) == 2
    assert "amygdala.toml is already there" in capsys.readouterr().err
    assert (corpus / "amygdala.toml").read_text() == "max_length = 3\n"


@pytest.mark.parametrize("words", [("--trust-remote-code",), ("--max-length", "0")])
def test_what_may_not_stand_in_a_file_is_refused(corpus: Path, words: tuple[str, ...]) -> None:
    assert cli.run(["init", str(corpus), *words]) == 2
    assert not (corpus / "amygdala.toml").exists()


def test_folder_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    assert cli.run(["init", str(tmp_path)]) == 2
    assert not list(tmp_path.iterdir())
