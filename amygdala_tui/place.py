"""Where a writer was in a corpus: kept from one sitting to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from engine import paths

EVERY_S = 1.0
"""Seconds between two writes of it, at least (`amygdala_tui.keeper.Keeper`)."""
MAX_BYTES = 1 << 20


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer saw, and how it was arranged. Whoever takes it up passes over what is there no more."""

    version: Literal[1] = 1
    view: str = ""
    """The id of the view; empty: the first one."""
    story: str | None = None
    """The selected story's path, and the selected concept."""
    concept: str | None = None
    grouping: str = ""
    """How stories are grouped, and by what rows are sorted, in words of the widgets that do it; empty: as usual."""
    sort: str = ""
    theme: str = ""
    unfolded: tuple[str, ...] = ()
    """Parts of lists that are open, by name."""


def file_of(corpus: Path) -> Path:
    """Where a corpus's place is kept (not created)."""
    return paths.of_corpus(corpus, "places", "json")


def load(corpus: Path) -> Place:
    """The place that was kept; the first one where there is no file, or one that is damaged or of a later version."""
    try:
        with file_of(corpus).open("rb") as stream:
            return msgspec.json.decode(stream.read(MAX_BYTES), type=Place)
    except (OSError, ValueError, msgspec.MsgspecError):
        return Place()


def save(corpus: Path, place: Place) -> None:
    """Keep a place, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    file = file_of(corpus)
    paths.make_folder(file.parent)
    paths.write_whole(file, msgspec.json.encode(place), prefix=".place-")
