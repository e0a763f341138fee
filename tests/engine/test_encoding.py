"""A locale that is not UTF-8 changes no name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BARE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def run(*arguments: str, locale: dict[str, str] = BARE) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=os.environ | locale, capture_output=True, timeout=60, check=False)


def test_a_process_begins_again_in_utf8_once() -> None:
    code = (
        "from engine.encoding import insist_on_utf8; insist_on_utf8(); import sys; print(sys.getfilesystemencoding())"
    )
    assert run("-c", "import sys; print(sys.getfilesystemencoding())").stdout != b"utf-8\n", "the locale is UTF-8 here"
    assert run("-c", code).stdout == b"utf-8\n"
    assert run("-c", code, locale={"LC_ALL": "C.UTF-8"}).stdout == b"utf-8\n"


def test_a_good_name_is_a_good_name_in_any_locale(tmp_path: Path) -> None:
    folder = tmp_path / "fröhlich"
    folder.mkdir()
    done = run("-P", "-m", "engine", "verify", str(folder))
    assert done.returncode == 1
    assert "fröhlich: not sound" in done.stdout.decode()
    assert done.stderr == b""
