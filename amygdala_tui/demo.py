"""Copies the sample corpus, with its faults, to a folder of the user's."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from engine.errors import AmygdalaError, UsageError

DEFAULT_FOLDER = Path("amygdala-demo")


def copy_sample(folder: Path) -> bool:
    """Copy the sample corpus to `folder`, unless a corpus is there already; returns whether it did.

    Raises:
        UsageError: the folder holds something else.
        AmygdalaError: it cannot be written.
    """
    if (folder / "stories").is_dir():
        return False
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} holds something else already; name another folder: amygdala demo DIR")
    try:
        with resources.as_file(resources.files("amygdala_tui") / "sample") as sample:
            shutil.copytree(sample, folder, dirs_exist_ok=True)
    except OSError as error:
        raise AmygdalaError(f"cannot copy the sample corpus to {folder}: {error}") from error
    return True
