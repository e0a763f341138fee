"""Whether files can be written is known before anything is computed."""

import os
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.export.files import prepare


def test_folder_is_made(tmp_path: Path) -> None:
    prepare(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_folder_that_cannot_be_made_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=f"--output-dir {tmp_path / name}"):
        prepare(tmp_path / name)


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="--output-dir"):
            prepare(tmp_path)
    finally:
        tmp_path.chmod(0o700)
