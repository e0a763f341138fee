"""What the pages name is there: links, files, tests, and the glossary's names in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.places import ROOT

PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = ("engine", "amygdala_tui")
SOURCES = [path for folder in (*PACKAGES, "tests", "benchmarks", "docs") for path in ROOT.glob(f"{folder}/**/*.py")]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
FILE = re.compile(r"[\w/-]*\w\.py\b")
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
NAME = re.compile(r"`(\w+(?:\.\w+)*)`")


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_files_that_are_named_are_there(page: Path) -> None:
    """A page may leave out the first folders of a path."""
    places = [f"/{path.relative_to(ROOT)}" for path in SOURCES]
    names = set(FILE.findall(page.read_text("utf-8")))
    assert sorted(name for name in names if not any(place.endswith(f"/{name}") for place in places)) == []


def test_tests_that_are_named_are_there(page: Path) -> None:
    named = TEST.findall(page.read_text("utf-8"))
    assert [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []


def test_names_that_the_glossary_gives_stand_in_the_code() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines()
    columns = [line.split(" | ")[-1] for line in lines if line.startswith("| ")]
    code = "\n".join(path.read_text("utf-8") for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES)
    words = set(re.findall(r"\w+", code))
    names = {part for column in columns for name in NAME.findall(column) for part in name.split(".")}
    assert sorted(names - words) == []
