"""`docs/reference.md` says what the parsers and the settings say."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.engine.imports import HEAVY, loaded_after
from tests.places import ROOT

SCRIPT = ROOT / "docs" / "reference.py"


@pytest.mark.parametrize("columns", ["20", "300"])
def test_reference_is_current_whatever_the_width_of_the_terminal(columns: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"COLUMNS": columns},
    )
    assert done.returncode == 0, done.stderr


def test_making_the_reference_imports_no_torch() -> None:
    assert loaded_after(f"import runpy; runpy.run_path({str(SCRIPT)!r})['page']()", *HEAVY) == []
