"""Stories on disk: what they are, how they are found, and how two scans differ. No torch here."""

from engine.corpus.held_out import held_out
from engine.corpus.layout import Layout
from engine.corpus.model import (
    BASELINE,
    Accepted,
    Change,
    Corpus,
    Problem,
    Severity,
    Story,
    changed_paths,
    diff,
    left_out,
    text_id,
)
from engine.corpus.scan import Scanner, scan

__all__ = [
    "BASELINE",
    "Accepted",
    "Change",
    "Corpus",
    "Layout",
    "Problem",
    "Scanner",
    "Severity",
    "Story",
    "changed_paths",
    "diff",
    "held_out",
    "left_out",
    "scan",
    "text_id",
]
