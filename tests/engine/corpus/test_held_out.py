"""The folder `held-out/`: no scan of the corpus sees it; read by itself, every file of it is a story or is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.corpus import Corpus, Layout, Scanner, held_out, scan
from tests.engine.corpus.scanning import Write, paths, problems, read


def kept(root: Path) -> Corpus | None:
    layout = Layout.of(root)
    return held_out(layout, scan(layout))


def test_the_corpus_is_as_without_it_and_no_change_of_it_is_one(root: Path, put: Write) -> None:
    scanner = Scanner(Layout.of(root))
    before = scanner.scan()
    put("held-out/stories/calm.txt", "The lake lay still.")
    put("held-out/paired/night-bus/calm.md", "Not read.")
    assert scanner.scan() is before
    assert scanner.scan({"held-out", "held-out/stories/calm.txt", "held-out/paired/night-bus"}) is before
    assert read(root) == before
    assert before.problems == ()


def test_its_stories_are_those_of_the_same_layout_under_their_paths(root: Path, put: Write) -> None:
    put("held-out/stories/calm.txt", "The lake lay still.")
    put("held-out/paired/night-bus/calm.txt", "Nobody spoke, and nobody minded.")
    put("held-out/paired/night-bus/baseline.txt", "The bus came at nine.")
    corpus = kept(root)
    assert corpus is not None
    assert [(story.path, story.concept, story.scenario) for story in corpus.stories] == [
        ("held-out/paired/night-bus/baseline.txt", None, "night-bus"),
        ("held-out/paired/night-bus/calm.txt", "calm", "night-bus"),
        ("held-out/stories/calm.txt", "calm", None),
    ]
    assert corpus.problems == ()


def test_a_text_of_the_corpus_is_left_out_and_named_with_its_place_there(root: Path, put: Write) -> None:
    put("held-out/stories/calm.txt", "A good story.\n")
    corpus = kept(root)
    assert corpus is not None
    assert corpus.stories == ()
    assert problems(corpus) == [("held-out/stories/calm.txt", "warning", "duplicate")]
    assert "which is also stories/good.txt" in corpus.problems[0].message


def test_files_that_are_not_read_are_named_with_their_paths(root: Path, put: Write) -> None:
    put("held-out/stories/calm.md", "Perhaps a story.")
    put("held-out/stories/sad.txt", "  ")
    put("held-out/paired/loose.txt", "Where does it belong?")
    put("held-out/paired/one/calm.txt", "The same.")
    put("held-out/paired/one/sad.txt", "The same.")
    (root.parent / "elsewhere.txt").write_text("Not of this corpus.")
    (root / "held-out/stories/link.txt").symlink_to(root.parent / "elsewhere.txt")
    corpus = kept(root)
    assert corpus is not None
    assert paths(corpus) == ["held-out/paired/one/calm.txt", "held-out/paired/one/sad.txt"]
    assert problems(corpus) == [
        ("held-out/paired/loose.txt", "warning", "misplaced"),
        ("held-out/paired/one/calm.txt", "error", "duplicate"),
        ("held-out/paired/one/sad.txt", "error", "duplicate"),
        ("held-out/stories/calm.md", "warning", "ending"),
        ("held-out/stories/link.txt", "error", "outside"),
        ("held-out/stories/sad.txt", "warning", "empty"),
    ]
    assert "counts for both" in corpus.problems[1].message


def test_a_folder_that_leads_out_of_the_corpus_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "stories").mkdir(parents=True)
    (tmp_path / "elsewhere" / "stories" / "calm.txt").write_text("Not of this corpus.")
    (root / "held-out").symlink_to(tmp_path / "elsewhere")
    corpus = kept(root)
    assert corpus is not None
    assert corpus.stories == ()
    assert problems(corpus) == [("held-out/stories/calm.txt", "error", "outside")]


@pytest.mark.parametrize(("path", "named"), [("held-out/calm.txt", "held-out/"), ("held-out", "held-out")])
def test_one_without_the_layout_is_named(root: Path, put: Write, path: str, named: str) -> None:
    put(path, "A story in a place where none is read.")
    corpus = kept(root)
    assert corpus is not None
    assert corpus.stories == ()
    assert [problem.path for problem in corpus.problems] == [named]


def test_where_there_is_none_there_is_nothing_to_tell(root: Path) -> None:
    assert kept(root) is None
    apart = Layout(stories=root / "stories", paired=None)
    assert held_out(apart, scan(apart)) is None
