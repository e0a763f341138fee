"""A name that a writer may give is one under which the story is read; every other is refused with what to do."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.corpus import Layout, scan
from engine.corpus.mending.names import (
    tidied,
    trouble_with_concept,
    trouble_with_neighbours,
    trouble_with_scenario,
)
from tests.engine.corpus.mending.making import written

NAMES = st.one_of(
    st.text(max_size=6),
    st.text("aZ é.-#~0/\t \N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT OVERRIDE}()1_", max_size=8),
    st.sampled_from(
        ["baseline", "Baseline", "joy.txt", "4913", "#a#", "a~", ".a", "e\u0301", "a" * 300, "joy (1)", "joy copy",
         "joy (conflicted copy 2026-01-05)", "joy-DESKTOP-ABC1234", "a\x00", "\udcff"]
    ),
)  # fmt: skip


@given(name=NAMES)
def test_a_name_without_trouble_is_read_as_that_concept_in_that_scenario(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name = tidied(name)
    if trouble_with_concept(name) == "":
        root = written(tmp_path_factory.mktemp("names"), {f"stories/{name}.txt": "It was so."})
        assert [(story.concept, story.path) for story in scan(Layout.of(root)).stories] == [
            (name, f"stories/{name}.txt")
        ]
    if trouble_with_scenario(name) == "":
        root = written(tmp_path_factory.mktemp("names"), {f"paired/{name}/joy.txt": "It was so."})
        assert [story.scenario for story in scan(Layout.of(root)).stories] == [name]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("", "type a name"),
        ("a/b", "leave “/” away"),
        ("a\tb", "control characters"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "control characters"),
        (".hidden", "choose another one"),
        ("..", "choose another one"),
        ("a~", "choose another one"),
        ("baseline", "choose another name"),
        ("BaseLine", "choose another name"),
        ("joy.TXT", "leave “.txt” away"),
        ("joy-DESKTOP-ABC1234", "choose another name"),
        ("é" * 130, "260 bytes, and a file's name has room for 251"),
    ],
)
def test_a_name_that_would_not_be_read_is_refused_with_what_to_do(name: str, advice: str) -> None:
    assert advice in trouble_with_concept(name)


def test_a_scenario_may_be_called_what_a_concept_may_not() -> None:
    assert trouble_with_scenario("baseline") == ""
    assert "no slash" in trouble_with_scenario("a/b")


def test_a_typed_name_is_tidied_to_the_form_in_which_concepts_are_compared() -> None:
    assert tidied("  e\u0301 ") == "\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_the_longest_name_fits_a_file_and_one_more_byte_does_not(tmp_path: Path) -> None:
    (tmp_path / ("a" * 251 + ".txt")).touch()
    assert trouble_with_concept("a" * 251) == ""
    assert "252 bytes" in trouble_with_concept("a" * 252)


def test_neighbours_that_would_hide_one_another_are_refused() -> None:
    assert trouble_with_neighbours("joy.txt", ["sad.txt"]) == ""
    assert "stands there already" in trouble_with_neighbours("joy.txt", ["joy.txt"])
    composed = "\N{LATIN SMALL LETTER E WITH ACUTE}.txt"
    assert "stands there already" in trouble_with_neighbours(composed, [unicodedata.normalize("NFD", composed)])
    assert "copy of joy.txt" in trouble_with_neighbours("joy (1).txt", ["joy.txt"])
    assert "rename it first" in trouble_with_neighbours("joy.txt", ["joy (1).txt"])
