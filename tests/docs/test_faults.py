"""Every row of the fault table names tests, and these exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.places import ROOT

PAGE = ROOT / "docs" / "faults.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    """The rows of all tables, without headings."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    return [line for line in lines if not line.startswith(("| fault |", "| --- |"))]


@cache
def functions(file: str) -> set[str]:
    """The functions that a file of this repository defines, methods too; none where it does not exist."""
    path = ROOT / file
    if not path.is_file():
        return set()
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_rows() -> None:
    assert len(rows()) > 40


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.split("|")[1].strip())
def test_row_names_tests_that_exist(row: str) -> None:
    named = TEST.findall(row)
    assert named
    assert [f"{file}::{name}" for file, name in named if name not in functions(file)] == []
