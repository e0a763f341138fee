"""`relatives.tsv`: which concepts a writer calls relatives, read and written so that no line is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.corpus import Layout, scan
from engine.corpus.relatives import FILE, read, rewritten, understood, write
from engine.corpus.scan import Scanner
from engine.errors import AmygdalaError


def test_a_pair_is_written_in_order_and_taken_back_and_other_lines_stay(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("bored\tcalm\nno line of ours\nsad\tweary\n")
    write(tmp_path, "joy", "calm", related=True)
    assert (tmp_path / FILE).read_text() == "bored\tcalm\nno line of ours\ncalm\tjoy\nsad\tweary\n"
    write(tmp_path, "calm", "joy", related=True)
    assert (tmp_path / FILE).read_text().count("joy") == 1
    write(tmp_path, "calm", "joy", related=False)
    assert (tmp_path / FILE).read_text() == "bored\tcalm\nno line of ours\nsad\tweary\n"


def test_lines_mean_pairs_whichever_is_named_first_and_others_are_named() -> None:
    told = understood("weary\tsad\n<<<<<<< ours\njoy\tjoy\n\nan esc\x1b\tx\n")
    assert told.pairs == {("sad", "weary")}
    assert [problem.message[:6] for problem in told.problems] == ["line 2", "line 3", "line 5"]


def test_what_is_removed_is_removed_however_it_was_written() -> None:
    assert rewritten("weary\tsad\n", ("sad", "weary"), related=False) == ""


def test_a_link_out_of_the_corpus_is_neither_read_nor_written(tmp_path: Path) -> None:
    (corpus := tmp_path / "corpus").mkdir()
    (tmp_path / "elsewhere").write_text("a\tb\n")
    (corpus / FILE).symlink_to(tmp_path / "elsewhere")
    told = read(str(corpus), [str(corpus)])
    assert (told.pairs, told.problems[0].severity) == (frozenset(), "error")
    with pytest.raises(AmygdalaError, match="link"):
        write(corpus, "c", "d", related=True)


def test_a_scan_has_them_and_follows_them(corpus: Path) -> None:
    assert scan(Layout.of(corpus)).relatives == frozenset()
    scanner = Scanner(Layout.of(corpus))
    scanner.scan()
    write(corpus, "sad", "calm", related=True)
    assert scanner.scan([FILE]).relatives == {("calm", "sad")}
    assert scan(Layout.of(corpus)).relatives == {("calm", "sad")}
