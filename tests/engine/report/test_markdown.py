"""The Markdown: tables are tables, and what a story holds stays in its block."""

from __future__ import annotations

import re

import pytest

from engine.report.markdown import document
from tests.engine.report.making import HELD_OUT, HOSTILE, report


@pytest.mark.parametrize("concepts", [True, False])
def test_rows_have_as_many_cells_as_their_heads(concepts: bool) -> None:
    said = document(report(concepts=concepts))
    tables = [re.split(r"(?<!\\)\|", line) for line in said.splitlines() if line.startswith("|")]
    heads = [i for i, cells in enumerate(tables) if "---" in cells[1]]
    assert len(heads) == 2
    for start, end in zip(heads, [*heads[1:], len(tables) + 1], strict=True):
        assert {len(cells) for cells in tables[start - 1 : end - 1]} == {len(tables[start])}
    assert ("pairs read right" in said) == concepts


def test_a_story_cannot_leave_its_block() -> None:
    said = document(report(HOSTILE))
    [fence] = re.findall(r"^(`{3,})text$", said, re.MULTILINE)
    block = said.split(f"{fence}text\n")[1].split(f"\n{fence}\n")[0]
    assert block.startswith("<script>alert('x')</script>")
    assert "<script>" not in said.replace(block, "")
    assert "\x1b" not in said


def test_names_are_text() -> None:
    said = document(report())
    assert said.startswith("# \\<my\\> corpus: how its stories read")
    assert "model: m \\& m" in said


def test_held_out_stories_have_a_table_of_their_own() -> None:
    said = document(report(held_out=HELD_OUT))
    assert "| calm | 3 | 90 of 100 (70 to 96) | calm 2, sad 1 |" in said
    assert "| proud | 2 | 60 of 100 (30 to 80) | \\<b\\> 1, proud 1 |" in said
    assert "Held-out" not in document(report())
