"""Every file of a corpus is a story or a problem that names it; nothing stops a scan."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from engine.corpus import Corpus, Layout, scan, text_id
from engine.corpus.scan import MAX_BYTES
from engine.errors import UsageError
from tests.engine.corpus.scanning import Write, paths, problems, read

scan_module = importlib.import_module("engine.corpus.scan")  # the package has a function of this name


# Where stories are


def test_story_knows_its_concept_and_scenario(root: Path, put: Write) -> None:
    put("paired/a rainy day/joyful.txt", "Puddles!")
    put("paired/a rainy day/baseline.txt", "It rained.")
    baseline, joyful, good = read(root).stories
    assert (good.path, good.concept, good.scenario, good.is_baseline) == ("stories/good.txt", "good", None, False)
    assert (joyful.concept, joyful.scenario, joyful.text) == ("joyful", "a rainy day", "Puddles!")
    assert (baseline.concept, baseline.scenario, baseline.is_baseline) == (None, "a rainy day", True)
    assert read(root).concepts == ["good", "joyful"]


@pytest.mark.parametrize("kept", ["stories", "paired"])
def test_either_folder_may_be_missing(tmp_path: Path, kept: str) -> None:
    (tmp_path / kept).mkdir()
    assert read(tmp_path) == Corpus(stories=(), problems=())


def test_folder_that_is_no_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither stories/ nor paired/"):
        Layout.of(tmp_path)
    with pytest.raises(UsageError, match="nosuch: no such folder"):
        Layout.of(tmp_path / "nosuch")


@pytest.mark.parametrize(
    "path",
    [
        "stories/.good.txt.swp", "stories/.hidden.txt", "stories/good.txt~", "stories/#good.txt#", "stories/4913",
        "paired/.git/joyful.txt", "paired/old~/joyful.txt", "stories/.old/joyful.txt", "elsewhere/joyful.txt",
        "joyful.txt",
    ],
)  # fmt: skip
def test_other_files_are_none_of_ours(root: Path, put: Write, path: str) -> None:
    put(path, "Something else.")
    assert paths(read(root)) == ["stories/good.txt"]
    assert not read(root).problems


# What stories say


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xef\xbb\xbfWith a mark.", "With a mark."),
        (b"One.\r\nTwo.\r\n", "One.\nTwo."),
        (b"One.\rTwo.", "One.\nTwo."),
        (b"\n\n  Spaces.  \n\t\n", "Spaces."),
        ("Ünïcode … 🙂".encode(), "Ünïcode … 🙂"),
        (b"Bell \x07 and escape \x1b[31m.", "Bell \x07 and escape \x1b[31m."),
    ],
)
def test_text_is_decoded_and_stripped(root: Path, put: Write, content: bytes, text: str) -> None:
    put("stories/good.txt", content)
    (story,) = read(root).stories
    assert story.text == text
    assert story.text_id == text_id(text)


def test_line_endings_do_not_change_a_text(root: Path, put: Write) -> None:
    put("stories/good.txt", "One.\nTwo.")
    put("paired/s/good.txt", b"\xef\xbb\xbfOne.\r\nTwo.\r\n")
    assert len({story.text_id for story in read(root).stories}) == 1


def test_concept_names_are_normalised(root: Path, put: Write) -> None:
    put("stories/caf\u00e9.txt", "One.")
    put("paired/s/cafe\u0301.txt", "Two.")
    assert read(root).concepts == ["caf\u00e9", "good"]


# What is wrong


@pytest.mark.parametrize("content", [b"", b"  \n\t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_empty_file_is_a_warning(root: Path, put: Write, content: bytes) -> None:
    put("stories/hush.txt", content)
    assert paths(read(root)) == ["stories/good.txt"]
    assert problems(read(root)) == [("stories/hush.txt", "warning", "empty")]


@pytest.mark.parametrize("content", [b"caf\xe9", "kafé".encode("utf-16"), b"\xed\xa0\x80", b"\xff" * 10])
def test_undecodable_file_is_an_error_and_the_rest_goes_on(root: Path, put: Write, content: bytes) -> None:
    put("stories/broken.txt", content)
    assert paths(read(root)) == ["stories/good.txt"]
    assert problems(read(root)) == [("stories/broken.txt", "error", "unreadable")]
    assert "not UTF-8" in read(root).problems[0].message


def test_undecodable_byte_is_named_with_its_place(root: Path, put: Write) -> None:
    put("stories/broken.txt", b"caf\xe9")
    assert "byte 0xe9 at 3" in read(root).problems[0].message


def test_unreadable_file_is_an_error(root: Path, put: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    put("stories/locked.txt", "Secret.")
    opened = os.open

    def denied(path: str, flags: int) -> int:
        if path.endswith("locked.txt"):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags)

    monkeypatch.setattr(os, "open", denied)
    assert paths(read(root)) == ["stories/good.txt"]
    assert problems(read(root)) == [("stories/locked.txt", "error", "unreadable")]


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_file_and_folder_without_permission_are_errors(root: Path, put: Write) -> None:
    put("stories/locked.txt", "Secret.").chmod(0)
    folder = put("paired/s/joyful.txt", "Hidden.").parent
    folder.chmod(0)
    errors = problems(read(root))
    folder.chmod(0o700)
    assert errors == [("paired/s", "error", "unreadable"), ("stories/locked.txt", "error", "unreadable")]


def test_too_big_a_file_is_not_read(root: Path, put: Write) -> None:
    put("stories/big.txt", "x" * (MAX_BYTES + 1))
    put("stories/most.txt", "x" * MAX_BYTES)
    assert paths(read(root)) == ["stories/good.txt", "stories/most.txt"]
    assert problems(read(root)) == [("stories/big.txt", "error", "too-big")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a\x1b[31mred.txt", "stories/a\\x1b[31mred.txt"),
        (b"new\nline.txt", "stories/new\\nline.txt"),
        (b"caf\xe9.txt", "stories/caf\\udce9.txt"),
        ("left\u202eright.txt".encode(), "stories/left\\u202eright.txt"),
    ],
)
def test_name_that_could_not_be_shown_is_an_error_shown_harmlessly(root: Path, name: bytes, shown: str) -> None:
    (root / "stories" / os.fsdecode(name)).write_text("A story.")
    corpus = read(root)
    assert paths(corpus) == ["stories/good.txt"]
    assert problems(corpus) == [(shown, "error", "bad-name")]
    assert all(problem.path.isprintable() and problem.message.isprintable() for problem in corpus.problems)


def test_scenario_name_that_could_not_be_shown_is_an_error(root: Path) -> None:
    folder = root / "paired" / os.fsdecode(b"s\xff")
    folder.mkdir(parents=True)
    (folder / "joyful.txt").write_text("A story.")
    assert problems(read(root)) == [("paired/s\\udcff/joyful.txt", "error", "bad-name")]


def test_link_out_of_the_corpus_is_not_followed(root: Path, put: Write, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("The key is under the mat.")
    (root / "stories" / "leak.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "joyful.txt").write_text("Elsewhere.")
    put("paired/s/calm.txt", "Calm.")
    (root / "paired" / "linked").symlink_to(tmp_path / "outside")
    corpus = read(root)
    assert paths(corpus) == ["paired/s/calm.txt", "stories/good.txt"]
    assert problems(corpus) == [
        ("paired/linked/joyful.txt", "error", "outside"),
        ("stories/leak.txt", "error", "outside"),
    ]


def test_link_within_the_corpus_is_followed(root: Path) -> None:
    (root / "stories" / "linked.txt").symlink_to("good.txt")
    assert "stories/linked.txt" in paths(read(root))


@pytest.mark.parametrize("target", ["nosuch.txt", "loop.txt"])
def test_link_to_nowhere_is_an_error(root: Path, target: str) -> None:
    (root / "stories" / "loop.txt").symlink_to(target)
    assert problems(read(root)) == [("stories/loop.txt", "error", "unreadable")]


@pytest.mark.timeout(20)
def test_fifo_is_an_error_and_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "stories" / "pipe.txt")
    assert problems(read(root)) == [("stories/pipe.txt", "error", "unreadable")]
    assert "not a regular file" in read(root).problems[0].message


def test_file_in_place_of_a_folder_is_an_error(root: Path) -> None:
    (root / "paired").write_text("?")
    assert problems(read(root)) == [("paired", "error", "unreadable")]


def test_baseline_outside_a_scenario_is_a_warning(root: Path, put: Write) -> None:
    put("stories/baseline.txt", "It rained.")
    assert paths(read(root)) == ["stories/good.txt"]
    assert problems(read(root)) == [("stories/baseline.txt", "warning", "misplaced")]


def test_one_text_under_two_concepts_is_an_error_on_each(root: Path, put: Write) -> None:
    put("paired/s/joyful.txt", "A good story.")
    corpus = read(root)
    assert paths(corpus) == ["paired/s/joyful.txt", "stories/good.txt"]
    assert problems(corpus) == [
        ("paired/s/joyful.txt", "error", "duplicate"),
        ("stories/good.txt", "error", "duplicate"),
    ]
    assert "stories/good.txt" in corpus.problems[0].message


def test_baseline_that_equals_a_story_is_an_error(root: Path, put: Write) -> None:
    put("paired/s/baseline.txt", "A good story.")
    assert {code for _, _, code in problems(read(root))} == {"duplicate"}


def test_one_text_twice_in_one_concept_is_fine(root: Path, put: Write) -> None:
    put("paired/s/good.txt", "A good story.")
    assert len(read(root).stories) == 2
    assert not read(root).problems


def test_names_that_differ_by_case_are_a_warning(root: Path, put: Write) -> None:
    put("paired/s/Good.txt", "Better.")
    assert problems(read(root)) == [("paired/s/Good.txt", "warning", "case"), ("stories/good.txt", "warning", "case")]


def test_everything_wrong_at_once_still_leaves_the_good_story(root: Path, put: Write) -> None:
    put("stories/empty.txt", "")
    put("stories/broken.txt", b"\xff")
    put("stories/baseline.txt", "It rained.")
    os.mkfifo(root / "stories" / "pipe.txt")
    (root / "stories" / "loop.txt").symlink_to("loop.txt")
    assert paths(read(root)) == ["stories/good.txt"]
    assert len(read(root).problems) == 5


def test_scan_leaves_the_corpus_as_it_is(corpus: Path) -> None:
    def listing() -> list[tuple[str, int]]:
        return [(str(file), file.stat().st_mtime_ns) for file in sorted(corpus.rglob("*"))]

    before = listing()
    scan(Layout.of(corpus))
    assert listing() == before
