"""The texts of a corpus, held to be searched: read again only where a file changed, and no more than there is room for.

Reads as the engine does (`engine.corpus`): what the engine refuses is not shown here either.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from amygdala_tui.folding import Folded, fold
from amygdala_tui.words import counted
from engine.corpus.contents import text_of
from engine.corpus.reading import OutsideError, read
from engine.corpus.scan import MAX_BYTES

HELD_BYTES = 64 << 20
"""Of memory that texts and their folded forms take together: some thirty thousand stories of two pages."""
NO_ROOM = "there is room for no more"
UNREADABLE = "cannot be read"

Signature = tuple[int, int]
"""A file's size in bytes and its time of writing in nanoseconds."""


class HeldText(NamedTuple):
    """One story's text."""

    signature: Signature
    """Of its file, when it was read."""
    text: str
    folded: Folded

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        return sum(map(sys.getsizeof, (self.text, *self.folded)))


@dataclass(frozen=True)
class HeldTexts:
    """The texts that are held, and why others are not."""

    texts: Mapping[str, HeldText] = field(default_factory=lambda: MappingProxyType({}))
    """By path."""
    missing: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Why a text is not held, by path: `UNREADABLE` or `NO_ROOM`."""

    def told(self) -> str:
        """Which texts are not searched, in words; empty if all are."""
        reasons = sorted(Counter(self.missing.values()).items())
        return "; ".join(f"{counted(n, 'text is', 'texts are')} not searched: {why}" for why, n in reasons)


def read_texts(corpus: Path, paths: Iterable[str], held: HeldTexts, most_bytes: int = HELD_BYTES) -> HeldTexts:
    """The texts at these paths as they are on disk now. Takes a thread: 10,000 files take a second or two.

    Args:
        corpus: its folder.
        paths: below it. Where room is short, the first ones are held.
        held: what was held before; of a file with the same size and time of writing, the text is taken from there.
        most_bytes: what may be held.
    """
    root = os.path.realpath(corpus)
    texts: dict[str, HeldText] = {}
    missing: dict[str, str] = {}
    room = most_bytes
    for path in paths:
        text = _text_at(root, path, held.texts.get(path))
        if text is None:
            missing[path] = UNREADABLE
        elif text.n_bytes > room:
            missing[path] = NO_ROOM
        else:
            room -= text.n_bytes
            texts[path] = text
    return HeldTexts(texts, missing)


def _text_at(root: str, path: str, before: HeldText | None) -> HeldText | None:
    """The text of a file, an empty one for an empty file; None if it cannot be read."""
    try:
        file = os.path.realpath(os.path.join(root, path))  # noqa: PTH118 (pathlib takes four times as long)
        info = os.stat(file)  # noqa: PTH116 (likewise)
        signature = info.st_size, info.st_mtime_ns
        if before is not None and before.signature == signature:
            return before
        if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_BYTES:
            return None
        text = text_of(read(file, [root], MAX_BYTES + 1))
    except (OSError, OutsideError, ValueError):  # the last for a name that no file can have
        return None
    if isinstance(text, str):
        return HeldText(signature, text, fold(text))
    return HeldText(signature, "", fold("")) if text.code == "empty" else None
