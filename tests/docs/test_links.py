"""What the pages point to is there: relative links, and files of this repository that are named in code spans."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.places import ROOT

PAGES = [page for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md") if page.exists()]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"^[a-z]+:|^#")
"""Another site, or a place on the same page."""
FOLDERS = ("amygdala_tui", "benchmarks", "docs", "engine", "tests", ".ci", ".github")
PLAIN = re.compile(r"[\w./-]+")
"""A path without placeholders such as `<concept>` or `*`."""


def links(text: str) -> list[str]:
    """The targets of relative links, without what comes after `#`."""
    targets = LINK.findall(SPAN.sub("", text))
    return [target.split("#")[0] for target in targets if not ELSEWHERE.match(target)]


def files(text: str) -> list[str]:
    """Paths below the repository's folders that code spans name, without a test's `::name`."""
    paths = [span.split("::")[0] for span in SPAN.findall(text)]
    return [path for path in paths if PLAIN.fullmatch(path) and "/" in path and path.split("/")[0] in FOLDERS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_exists(page: Path) -> None:
    text = FENCED.sub("", page.read_text("utf-8"))
    missing = [target for target in links(text) if not (page.parent / target).exists()]
    missing += [file for file in files(text) if not (ROOT / file).exists()]
    assert missing == []


def test_both_kinds_of_pointer_are_seen() -> None:
    text = "See [a `page`](docs/a.md#b), [it](https://x.org), `engine/a.py::name`, `a/b`, `engine/<x>`, `quality.json`."
    assert links(text) == ["docs/a.md"]
    assert files(text) == ["engine/a.py"]
