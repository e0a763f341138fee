"""What `status` tells of an engine: the open corpora and the models in use."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.wire.snapshot import Doing


class CorpusStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One open corpus."""

    corpus: str
    revision: int
    stories: int
    concepts: int
    clients: int
    model: str
    doing: Doing


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One model worker."""

    model: str
    device: str
    state: Literal["loading", "idle", "computing", "failed"]
    pid: int | None
    bytes: int
    """Memory that its weights take."""
    restarts: int
