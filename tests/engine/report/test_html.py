"""The page: one file, no network, nothing that a story holds is markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from engine.report import charts
from engine.report.html import page
from tests.engine.report.making import HELD_OUT, HOSTILE, report

VOID = {"meta", "rect", "line", "circle", "br"}


class Tree(HTMLParser):
    """Checks that tags close in order; collects tags, attributes and text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(document)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "data", "action")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("flagged", [0, 1, 12])
@pytest.mark.parametrize("concepts", [True, False])
def test_page_is_well_formed_and_asks_for_nothing(flagged: int, concepts: bool) -> None:
    document = page(report(flagged=flagged, concepts=concepts))
    tree = Tree(document)
    assert "script" not in tree.tags
    assert all(link.startswith("#") and link[1:] in tree.ids for link in tree.links)
    assert not re.search(r"url\(|@import|https?:", document)
    assert ("svg" in tree.tags) == (concepts or flagged > 0)


def test_what_a_story_holds_is_shown_as_text() -> None:
    document = page(report(HOSTILE))
    tree = Tree(document)
    assert "script" not in tree.tags
    assert "<script>alert('x')</script> & \"quotes\" ```` | *stars*" in tree.text
    assert "\x1b" not in document
    assert "\u202e" not in document


def test_what_is_wrong_comes_before_all_else() -> None:
    text = Tree(page(report())).text
    places = [text.index(words) for words in ("1 of 12 stories", "To look at", "Concepts", "in full", "How to read")]
    assert places == sorted(places)


def test_held_out_stories_have_a_section_only_where_there_is_a_folder() -> None:
    document = page(report(held_out=HELD_OUT))
    tree = Tree(document)
    assert "Held-out stories" in tree.text
    assert "<b> 1, proud 1" in tree.text
    assert document.count("<svg") == page(report()).count("<svg") + 1
    assert "Held-out stories" in Tree(page(report(held_out={}))).text
    assert "Held-out" not in page(report())


def test_bars_are_as_long_as_shares_and_names_are_text() -> None:
    drawn = charts.shares([("<b>", 0.75), ("calm", 0.25)], "calm")
    widths = [float(width) for width in re.findall(r'<rect class="\w+" x="\d+" y="\d+" width="([\d.]+)"', drawn)]
    assert widths == [0.75 * charts.PLOT, 0.25 * charts.PLOT]
    assert re.findall(r'class="(\w+)"', drawn) == ["other", "own"]
    assert "&lt;b&gt;" in drawn


def test_intervals_stay_within_the_plot() -> None:
    drawn = charts.intervals([("calm", 0.9, (0.8, 1.0)), ("sad", 0.4, (0.2, 0.6))])
    ends = [float(x) for x in re.findall(r'x[12]="([\d.]+)"', drawn)]
    assert min(ends) == charts.LABELS
    assert max(ends) == charts.LABELS + charts.PLOT
