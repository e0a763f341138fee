"""`docs/numbers.md` names every field that it promises to define."""

from __future__ import annotations

import msgspec
import pytest

from engine.evidence import Evidence
from engine.export.verify import Manifest
from engine.results import (
    CopyOf,
    Difference,
    Draft,
    HeadQuality,
    LayerQuality,
    LinearCombination,
    OtherNarrator,
    Prose,
    SentenceEffect,
    StoryFit,
)
from engine.triage import Bucket, Thresholds, Verdict
from tests.places import ROOT

PAGE = (ROOT / "docs" / "numbers.md").read_text("utf-8")
SUBJECTS = {"text_id", "concept", "concepts", "truncated"}
"""Fields that say what the others are of."""


@pytest.mark.parametrize(
    "kind",
    [
        Manifest,
        LayerQuality,
        LinearCombination,
        HeadQuality,
        StoryFit,
        Evidence,
        Draft,
        SentenceEffect,
        Prose,
        Difference,
        OtherNarrator,
        CopyOf,
        Verdict,
        Thresholds,
    ],
)
def test_every_field_is_named(kind: type[msgspec.Struct]) -> None:
    names = {field.name for field in msgspec.structs.fields(kind)} - SUBJECTS
    assert sorted(name for name in names if f"`{name}`" not in PAGE) == []


@pytest.mark.parametrize("bucket", Bucket)
def test_every_bucket_has_a_row(bucket: Bucket) -> None:
    assert f"| {bucket.value} |" in PAGE


@pytest.mark.parametrize("threshold", msgspec.structs.fields(Thresholds), ids=lambda field: field.name)
def test_threshold_stands_with_its_default(threshold: msgspec.structs.FieldInfo) -> None:
    rows = [line for line in PAGE.splitlines() if f"`{threshold.name}`" in line]
    assert any(f" {threshold.default:g}" in row for row in rows)
