"""Revisions of a corpus as plain values: what the history keeps of each, and how two of them differ."""

from __future__ import annotations

import msgspec

from engine.corpus import Change


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one concept at one revision, at the middle target layer."""

    bucket: str | None
    """As triage labels it."""
    n_stories: int
    first_pc: float | None
    nearest: str | None
    """The concept whose direction is closest."""
    nearest_cosine: float | None
    r_squared: float | None


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a corpus that was computed."""

    number: int
    when: float
    """Unix seconds."""
    cause: str
    """Why it was computed: opened, edited, retrained, ..."""
    settings: str
    """JSON."""
    changes: list[Change]
    """Files that changed since the revision before."""
    texts_run: int
    """Texts that went through the model."""
    seconds: float
    """Time that the computation took."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How two revisions differ."""

    before: int
    after: int
    changes: list[Change]
    metrics: dict[str, tuple[Metrics | None, Metrics | None]]
    """By concept, its numbers at either revision; only concepts whose numbers differ."""
