"""Why a job was not carried out, where that is not the fault of what was asked."""

from __future__ import annotations

from engine.errors import AmygdalaError


class WorkerDied(AmygdalaError):
    """The process ended with a job under way."""


class LoadFailed(AmygdalaError):
    """The model cannot be loaded; starting the process again would not help."""


class JobDropped(Exception):
    """The job was not carried out to its end, because a newer one took its place or its corpus was closed."""


class StateLost(Exception):
    """The worker does not hold the corpus's state (any more): apply it first."""
