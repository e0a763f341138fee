"""Drafts of stories that were not saved: kept on disk, so that a crash or a lost link takes nothing."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from engine import paths

EVERY_S = 1.0
"""Seconds between two writes of a draft, at least (`amygdala_tui.keeper.Keeper`)."""
MAX_BYTES = 4 << 20


class KeptDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One story's draft."""

    path: str
    """The story's."""
    text: str
    over: str | None
    """The content id of the text that the writer began with (`engine.corpus.mending.writing.content_id`)."""


def file_of(corpus: Path, path: str) -> Path:
    """Where the draft of a story is kept (not created)."""
    name = hashlib.sha256(path.encode()).hexdigest()[:16]
    return paths.of_corpus(corpus, "drafts", "d") / f"{name}.json"


def load(corpus: Path, path: str) -> KeptDraft | None:
    """The draft that was kept of a story; None where there is none, or one that cannot be read."""
    try:
        with file_of(corpus, path).open("rb") as stream:
            draft = msgspec.json.decode(stream.read(MAX_BYTES), type=KeptDraft)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return draft if draft.path == path else None


def keep(corpus: Path, draft: KeptDraft) -> None:
    """Keep a draft, whole or not at all, in place of an earlier one.

    Raises:
        OSError: it cannot be written.
    """
    file = file_of(corpus, draft.path)
    paths.make_folder(file.parent)
    paths.write_whole(file, msgspec.json.encode(draft), prefix=".draft-")


def drop(corpus: Path, path: str) -> None:
    """Forget the draft of a story.

    Raises:
        OSError: it cannot be removed.
    """
    with suppress(FileNotFoundError):
        file_of(corpus, path).unlink()
