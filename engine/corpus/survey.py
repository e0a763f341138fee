"""Whether events tell all changes of a corpus's folder: asked before it is watched, and while it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.corpus import mounts
from engine.corpus.entries import is_silent

NAMED = 3
"""Folders that a message names."""


class Survey(NamedTuple):
    """A corpus's folder at one moment."""

    identity: tuple[int, int] | None = None
    """Which folder stands at the path; None where none does."""
    unwatchable: str = ""
    """Words for why it cannot be watched; empty where it can."""
    incomplete: str = ""
    """Words for what events do not tell, although it is watched; empty where they tell everything."""
    watchable: frozenset[str] = frozenset()
    """Its folders of stories that a watch set up now would watch."""


def survey(corpus: Path) -> Survey:
    """Look at a folder; this asks the file system, which may take for ever."""
    try:
        info = corpus.stat()
        if not stat.S_ISDIR(info.st_mode):
            return Survey()
        identity = info.st_dev, info.st_ino
        if kind := mounts.eventless_kind(corpus):
            return Survey(identity, f"its file system ({kind}) gives no events")
        folders = list(_folders(corpus))
        linked = [path for path in folders if (corpus / path).is_symlink()]
        unreadable = [path for path in folders if not os.access(corpus / path, os.R_OK | os.X_OK)]
    except (FileNotFoundError, NotADirectoryError):
        return Survey()
    except OSError as error:  # a folder above may not be entered, a server has restarted
        return Survey(None, f"it cannot be looked at ({error.strerror})")
    words = [f"{_names(linked)} {'is a link' if len(linked) == 1 else 'are links'}, whose changes are not told"]
    words = words if linked else []
    words += [f"{_names(unreadable)} cannot be read"] if unreadable else []
    return Survey(identity, "", "; ".join(words), frozenset(folders) - frozenset(unreadable))


def _folders(corpus: Path) -> Iterator[str]:
    """The folders of stories."""
    for area in ("stories", "paired"):
        if (corpus / area).is_dir():
            yield area
    if os.access(corpus / "paired", os.R_OK | os.X_OK):
        with os.scandir(corpus / "paired") as entries:
            yield from sorted(
                f"paired/{entry.name}" for entry in entries if not is_silent(entry.name) and entry.is_dir()
            )


def _names(paths: list[str]) -> str:
    more = len(paths) - NAMED
    return ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")
