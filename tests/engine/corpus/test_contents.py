"""Bytes that are no story are named for what they are, and are not read as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.corpus import Layout, scan
from engine.corpus.contents import text_of
from engine.corpus.entries import Refusal

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 412\n"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ("She laughed.".encode("utf-16-le"), "unreadable", "UTF-16"),
        ("She laughed.".encode("utf-16-be"), "unreadable", "UTF-16"),
        ("She laughed.".encode("utf-16"), "unreadable", "UTF-16"),
        ("Élan, été.".encode("utf-16-le"), "unreadable", "UTF-16"),
        (bytes(700), "not-text", "nothing but zeros"),
        (b"She laughed." + bytes(500), "not-text", "zero bytes"),
        (b"She laughed.\0", "not-text", "zero bytes"),
        (LFS, "not-text", "git lfs pull"),
        (LFS.replace(b"\n", b"\r\n"), "not-text", "git lfs pull"),
        (b"/annex/objects/SHA256E-s30--ab.txt\n", "not-text", "git annex get"),
        (b"{\\rtf1\\ansi{\\fonttbl\\f0 Helvetica;}She sat.}", "not-text", "RTF"),
        (b"%PDF-1.7\n%\xe2\xe3", "not-text", "PDF"),
        (b"PK\x03\x04\x14\0\x06\0", "not-text", "zip"),
        (b"\x89PNG\r\n\x1a\n", "not-text", "image"),
        (b"<!DOCTYPE html>\n<p>She sat.", "not-text", "web page"),
        (b"\n <html><body>She sat.", "not-text", "web page"),
        (b"<?xml version='1.0'?><html/>", "not-text", "web page"),
        (b"<<<<<<< HEAD\nHe stayed.\n=======\nHe left.\n>>>>>>> draft-2\n", "not-text", "merge"),
        (b"He rose.\r\n<<<<<<< ours\r\nHe stayed.\r\n||||||| base\r\n", "not-text", "merge"),
        (b"He stayed.\n=======\nHe left.\n>>>>>>> draft-2\nAnd so on.", "not-text", "merge"),
        (b"caf\xe9", "unreadable", "byte 0xe9 at 3"),
        (b"\xef\xbb\xbfcaf\xe9", "unreadable", "byte 0xe9 at 6"),
        (b"\xef\xbb\xbf\xe2\x80\x8b\n", "empty", "empty"),
    ],
)
def test_what_is_no_story_is_named_for_what_it_is(content: bytes, code: str, words: str) -> None:
    refusal = text_of(content)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert words in refusal.message
    assert refusal.severity == ("warning" if code == "empty" else "error")


@pytest.mark.parametrize(
    "text",
    [
        "A chapter\n=======\nIt began.", ">>>>>>> deep in a thread of mail", "<b>She</b> was an <html> person.",
        "1 < 2", "They met at version https://git-lfs.github.com/spec/v1.", "Pdf: %PDF-1.4", "<3", "…", "🙂", "{\\r}",
        "Bell \x07 and escape \x1b[31m.", "un\u00adhappy می\u200cخواهم 👩\u200d👧",
    ],
)  # fmt: skip
def test_stories_that_resemble_such_files_are_stories(text: str) -> None:
    assert text_of(text.encode()) == text


def test_file_that_holds_no_story_is_a_problem_and_no_concept(tmp_path: Path) -> None:
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories" / "joy.txt").write_text("She laughed.")
    (tmp_path / "stories" / "lfs.txt").write_bytes(LFS)
    corpus = scan(Layout.of(tmp_path))
    assert corpus.concepts == ["joy"]
    assert [(problem.path, problem.severity, problem.code) for problem in corpus.problems] == [
        ("stories/lfs.txt", "error", "not-text")
    ]
