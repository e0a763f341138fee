"""Turns results into what clients see of each concept, and says what differs. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import TypeVar

import msgspec

from engine.corpus import BASELINE
from engine.errors import AmygdalaError
from engine.evidence import ConceptEvidence
from engine.plain import can_be_shown
from engine.results import Draft, Results
from engine.settings import Settings
from engine.triage import Verdict, judge
from engine.verdicts import ConceptVerdict, concept_verdicts
from engine.wire.snapshot import ConceptView

DIGITS = 4
"""Scores are rounded so that a view changes only when a person could see it."""


def concept_of(path: str) -> str:
    """The concept of a story, by its path; there need not be a file.

    Raises:
        AmygdalaError: it is no place for a concept's story below a corpus.
    """
    parts = PurePosixPath(path).parts
    places = {2: "stories", 3: "paired"}
    is_place = len(parts) in places and parts[0] == places[len(parts)] and "/".join(parts) == path
    if not is_place or ".." in parts or not path.endswith(".txt") or not can_be_shown(path):
        raise AmygdalaError(
            f"{path!r} is no place for a story: that is stories/<concept>.txt or paired/<scenario>/<concept>.txt"
        )
    concept = unicodedata.normalize("NFC", parts[-1].removesuffix(".txt"))
    if concept == BASELINE:
        raise AmygdalaError(f"{path} is a baseline's place: it stands under no concept to read it by")
    return concept


def concept_views(
    results: Results | None, settings: Settings, relatives: Collection[tuple[str, str]] = ()
) -> list[ConceptView]:
    """Every concept with its verdict, sorted by name."""
    if results is None:
        return []
    evidence = {each.concept: each for each in results.concept_evidence}
    judged = concept_verdicts(results, settings.thresholds.redundant_r2, relatives)
    with_vector = [
        ConceptView(
            name=quality.concept,
            quality=quality,
            verdict=judge(quality, results.middle, settings.thresholds),
            evidence=_shown(evidence.get(quality.concept), judged.get(quality.concept)),
            evidence_verdict=judged.get(quality.concept),
        )
        for quality in results.concepts
    ]
    without = [
        ConceptView(name=name, quality=None, verdict=None, reason=reason)
        for name, reason in results.without_vector.items()
    ]
    return sorted(with_vector + without, key=lambda view: view.name)


def _shown(evidence: ConceptEvidence | None, verdict: ConceptVerdict | None) -> ConceptEvidence | None:
    """Evidence as it is sent with every revision: without the stories of camps that are no more than chance."""
    if evidence is None or verdict is None or verdict.has_camps:
        return evidence
    return msgspec.structs.replace(evidence, camps=None)


def verdicts(draft: Draft, settings: Settings, middle: int) -> tuple[Verdict | None, Verdict | None]:
    """The verdicts on a draft's concept as it is, and as it would become."""
    before, after = (
        None if quality is None else judge(quality, middle, settings.thresholds)
        for quality in (draft.before, draft.after)
    )
    return before, after


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


V = TypeVar("V")


def differing(before: Mapping[str, V], after: Mapping[str, V]) -> tuple[list[V], list[str]]:
    """Values that are new or different, and keys that are gone."""
    missing = object()
    different = [
        value for key, value in after.items() if (old := before.get(key, missing)) is not value and old != value
    ]
    return different, sorted(before.keys() - after.keys())
