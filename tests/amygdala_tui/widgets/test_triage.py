"""The Triage pane: what is worth a look leads, and what matters most is never cut."""

from __future__ import annotations

import msgspec
import pytest
from rich.cells import cell_len
from rich.text import Text

from amygdala_tui.mirror import Mirror
from amygdala_tui.styles import DIM
from amygdala_tui.widgets.concept_table import COLUMNS, ConceptTable
from engine.triage import Bucket, Verdict
from engine.verdicts import ConceptVerdict, Finding
from engine.wire.snapshot import ConceptView
from tests.amygdala_tui import making
from tests.numbers import concept_evidence


def concept(name: str, finding: Finding, rival: str | None = None) -> ConceptView:
    evidence = msgspec.structs.replace(concept_evidence(name), rival="contemptuous")
    return msgspec.structs.replace(
        making.concept(name),
        evidence=msgspec.structs.replace(evidence, rival_auroc=evidence.auroc),
        evidence_verdict=ConceptVerdict(finding=finding, rival=rival, reasons=[]),
        verdict=Verdict(bucket=Bucket.CONTAMINATED, redundant=True, thin=False, reasons=[]),
    )


def drawn(corpus: Mirror, width: int) -> list[Text]:
    views = list(corpus.concepts.values())
    table = ConceptTable(views, corpus, with_classic=True)
    return [table.draw_heading(width), *(table.line(view).draw(width) for view in views)]


CORPUS = making.mirror(
    [making.misread("stories/disappointed.txt", "calm"), making.story("stories/calm.txt")],
    [concept("disappointed", Finding.ALIKE, "contemptuous"), concept("calm", Finding.HEALTHY)],
)


@pytest.mark.parametrize("width", [78, 83, 118, 160])
def test_verdict_and_bucket_are_whole_at_every_usual_width(width: int) -> None:
    heading, off, sound = drawn(CORPUS, width)
    for row in (off, sound):
        assert "contaminated · redundant" in row.plain
        assert row.cell_len <= width
    assert "told like contemptuous" in off.plain
    shown = [heading.plain.index(column) for column in COLUMNS if column in heading.plain]
    assert shown == sorted(shown)
    assert ("R²" in heading.plain) == (width > 130)


def test_a_concept_as_chance_would_have_it_is_dim_and_counts_what_is_to_fix() -> None:
    heading, off, sound = (row.plain for row in drawn(CORPUS, 160))
    end = heading.index("to fix") + len("to fix")
    assert (off[end - 1], sound[end - 1]) == ("1", " ")
    assert [row.style for row in drawn(CORPUS, 160)] == [DIM, "", DIM]


def test_a_concept_without_a_vector_says_why() -> None:
    gone = ConceptView(name="gone", quality=None, verdict=None, reason="only 1 story")
    assert "gone" in (row := drawn(making.mirror([], [gone]), 40)[1].plain)
    assert "only 1 story" in row


def test_names_of_wide_characters_leave_every_column_in_its_place() -> None:
    concepts = [making.concept(name) for name in ("calm", "悲しい", "とても長い名前のとても悲しい気持ち")]
    heading, *rows = (row.plain for row in drawn(making.mirror([], concepts), 118))
    place = cell_len(heading[: heading.index("bucket")])
    assert {cell_len(row[: row.index("mixed")]) for row in rows} == {place}
