"""What an entry is by its name: every one is read, or named with what to do; only editors' own stay silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.corpus import Corpus, Layout, Problem, Scanner, scan
from engine.corpus.entries import alike, originals

COPIES_OF_SYNCHRONISERS = [
    "joy.sync-conflict-20260105-101530-ABCDEFG.txt", "joy.sync-conflict-20260105-101530.txt",
    "joy (conflicted copy 2026-01-05 101530).txt", "joy (Ann's conflicted copy 2026-01-05).txt",
    "joy (Ann's conflicted copy).txt", "joy (ann-laptop's conflicted copy 2026-01-05) (1).txt",
    "joy (In Konflikt stehende Kopie von Ann 2026-01-05).txt", "joy (Copie en conflit de Ann 2026-01-05).txt",
    "joy (Copia en conflicto de Ann 2026-01-05).txt", "joy (Ann 的冲突副本 2026-01-05).txt",
    "joy（Annの競合コピー）.txt", "joy_conflict-20260105-101530.txt", "joy.conflict1.txt", "joy-DESKTOP-AB12CD3.txt",
    "joy (SFConflict ann@example.org 2026-01-05-10-15-30).txt", "joy_REMOTE_4711.txt",
]  # fmt: skip
COPIES_OF_FILE_MANAGERS = [
    "joy (1).txt", "joy(2).txt", "joy - Copy.txt", "joy - Copy (2).txt", "joy copy.txt", "joy copy 2.txt",
    "Copy of joy.txt", "Copy (2) of joy.txt", "joy (copy).txt", "joy (another copy).txt", "joy (3rd copy).txt",
    "joy - Kopie.txt", "joy Kopie 2.txt", "Kopie von joy.txt", "joy (weitere Kopie).txt", "joy (3. Kopie).txt",
    "joy - Copie.txt", "Copie de joy.txt", "joy (autre copie).txt", "joy - copia.txt", "Copia di joy.txt",
    "joy (otra copia).txt", "joy - Kopia (2).txt", "joy - Cópia.txt", "joy - 副本.txt", "joy 的副本.txt",
    "joy(副本).txt",
    "joy - コピー.txt", "joyのコピー.txt", "joy (コピー).txt", "joy_copy.txt", "joy-copy2.txt",
    "joy (1) - Copy.txt", "joy (Conflict).txt",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A corpus with three stories."""
    put(tmp_path, "stories/joy.txt", "She laughed.")
    put(tmp_path, "paired/train/joy.txt", "She danced on the platform.")
    put(tmp_path, "paired/train/baseline.txt", "The train left at nine.")
    return tmp_path


def put(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or f"A text of its own, in {path}.")
    return file


def read(root: Path) -> Corpus:
    return scan(Layout.of(root))


def only_problem(root: Path) -> Problem:
    corpus = read(root)
    assert [story.path for story in corpus.stories] == [
        "paired/train/baseline.txt", "paired/train/joy.txt", "stories/joy.txt",
    ]  # fmt: skip
    (problem,) = corpus.problems
    return problem


# Copies


@pytest.mark.parametrize("name", COPIES_OF_SYNCHRONISERS)
def test_copy_of_a_synchroniser_is_no_concept(root: Path, name: str) -> None:
    put(root, f"stories/{name}")
    problem = only_problem(root)
    assert (problem.path, problem.severity, problem.code) == (f"stories/{name}", "warning", "copy")
    assert "keep the better text in joy.txt" in problem.message


def test_copy_of_a_synchroniser_is_none_without_its_original_either(root: Path) -> None:
    put(root, "paired/train/fear.sync-conflict-20260105-101530-ABCDEFG.txt")
    assert only_problem(root).code == "copy"


@pytest.mark.parametrize("name", COPIES_OF_FILE_MANAGERS)
def test_copy_beside_its_original_is_no_concept(root: Path, name: str) -> None:
    put(root, f"paired/train/{name}")
    problem = only_problem(root)
    assert (problem.path, problem.code) == (f"paired/train/{name}", "copy")
    assert "looks like a copy of joy.txt" in problem.message


@pytest.mark.parametrize("name", COPIES_OF_FILE_MANAGERS)
def test_such_a_name_without_an_original_is_a_concepts(root: Path, name: str) -> None:
    put(root, f"stories/{name}")
    (root / "stories" / "joy.txt").unlink()
    assert name.removesuffix(".txt") in read(root).concepts
    assert not read(root).problems


@pytest.mark.parametrize(
    "name",
    ["photocopy", "conflict", "inner conflict", "joyful", "joy 2", "joyless", "at 9 (am)", "home_base_1", "night-bus"],
)
def test_ordinary_names_are_no_copies(name: str) -> None:
    assert not originals(f"{name}.txt")


def test_copy_of_a_scenario_is_not_read(root: Path) -> None:
    put(root, "paired/train (1)/joy.txt")
    problem = only_problem(root)
    assert (problem.path, problem.code) == ("paired/train (1)/", "copy")


def test_copy_becomes_a_story_once_its_original_is_gone(root: Path) -> None:
    scanner = Scanner(Layout.of(root))
    scanner.scan()
    put(root, "stories/joy (1).txt")
    assert [problem.code for problem in scanner.scan(["stories/joy (1).txt"]).problems] == ["copy"]
    (root / "stories" / "joy.txt").rename(root / "stories" / "fear.txt")
    assert scanner.scan(["stories/joy.txt", "stories/fear.txt"]) == read(root)
    assert read(root).concepts == ["fear", "joy", "joy (1)"]
    (root / "stories" / "fear.txt").rename(root / "stories" / "joy.txt")
    assert scanner.scan(["stories/joy.txt", "stories/fear.txt"]) == read(root)
    assert read(root).concepts == ["joy"]


def test_copy_of_a_scenario_becomes_one_once_its_original_is_gone(root: Path) -> None:
    put(root, "paired/train copy/fear.txt")
    scanner = Scanner(Layout.of(root))
    assert scanner.scan().concepts == ["joy"]
    (root / "paired" / "train").rename(root / "paired" / "tram")
    assert scanner.scan(["paired/train", "paired/tram"]) == read(root)
    assert read(root).concepts == ["fear", "joy"]


# Places


def test_folder_among_the_stories_is_told_where_its_stories_go(root: Path) -> None:
    put(root, "stories/joy/1.txt")
    problem = only_problem(root)
    assert (problem.path, problem.severity, problem.code) == ("stories/joy/", "warning", "misplaced")
    assert "stories/<concept>.txt" in problem.message
    assert "paired/<scenario>/joy.txt" in problem.message


def test_folder_in_a_scenario_is_told_where_its_stories_go(root: Path) -> None:
    put(root, "paired/train/joy/2.txt")
    problem = only_problem(root)
    assert (problem.path, problem.code) == ("paired/train/joy/", "misplaced")
    assert "paired/train/<concept>.txt" in problem.message


@pytest.mark.parametrize("name", ["loose.txt", "README.md"])
def test_file_right_in_paired_is_told_where_it_goes(root: Path, name: str) -> None:
    put(root, f"paired/{name}")
    problem = only_problem(root)
    assert (problem.path, problem.code) == (f"paired/{name}", "misplaced")
    assert "paired/<scenario>/<concept>.txt" in problem.message


def test_folder_named_like_a_story_is_no_story(root: Path) -> None:
    put(root, "stories/folder.txt/inner.txt")
    assert only_problem(root).path == "stories/folder.txt/"


def test_link_to_nowhere_in_paired_is_named(root: Path) -> None:
    (root / "paired" / "gone").symlink_to("nosuch")
    assert only_problem(root).path == "paired/gone"


# Endings


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("fear.TXT", "rename it to fear.txt"), ("FEAR.Txt", "rename it to FEAR.txt"),
        ("FEAR.TXT", "rename it to fear.txt"),
        ("fear.txt ", "rename it to fear.txt"), ("fear.txt.txt", "rename it to fear.txt"),
        ("fear.md", "if it is a story, rename it to fear.txt"), ("fear", "if it is a story, rename it to fear.txt"),
        ("Dr. Fear", "if it is a story, rename it to Dr. Fear.txt"),
        ("fear.docx", "save it as plain text, fear.txt"), ("fear.bak", "if it is no story, keep it elsewhere"),
        ("fear.txt.orig", "if it is no story, keep it elsewhere"), ("Thumbs.db", "keep it elsewhere"),
    ],
)  # fmt: skip
def test_another_ending_is_named_with_what_to_do(root: Path, name: str, advice: str) -> None:
    put(root, f"stories/{name}")
    problem = only_problem(root)
    assert (problem.path, problem.severity, problem.code) == (f"stories/{name}", "warning", "ending")
    assert problem.message.endswith(advice)


# Names


@pytest.mark.parametrize("name", ["Baseline.txt", "BASELINE.txt", " baseline.txt", "baseline .txt"])
def test_baseline_spelt_in_another_way_is_no_concept(root: Path, name: str) -> None:
    (root / "paired" / "train" / "baseline.txt").rename(root / "paired" / "train" / name)
    corpus = read(root)
    assert corpus.concepts == ["joy"]
    assert [(problem.path, problem.code) for problem in corpus.problems] == [(f"paired/train/{name}", "bad-name")]
    assert "baseline.txt: rename it" in corpus.problems[0].message


def test_baseline_outside_a_scenario_is_misplaced_however_it_is_spelt(root: Path) -> None:
    put(root, "stories/Baseline.txt")
    assert only_problem(root).code == "misplaced"


@pytest.mark.parametrize("name", ["lonely .txt", " lonely.txt"])
def test_blank_at_the_end_of_a_name_makes_no_concept(root: Path, name: str) -> None:
    put(root, f"stories/{name}")
    problem = only_problem(root)
    assert problem.code == "bad-name"
    assert problem.message.endswith("rename it to lonely.txt")


def test_name_without_a_concept_is_named(root: Path) -> None:
    put(root, "stories/ .txt")
    assert "<concept>.txt" in only_problem(root).message


@pytest.mark.parametrize("name", ["Joy", "ｊｏｙ", "JOY", "jo\u00ady", "joy\u200d"])
def test_names_that_look_alike_are_told(root: Path, name: str) -> None:
    put(root, f"paired/train/{name}.txt")
    problems = read(root).problems
    assert [problem.code for problem in problems] == ["case", "case"]
    assert all(f"'{name}'" in problem.message and "'joy'" in problem.message for problem in problems)


def test_alike_is_what_a_reader_takes_for_one() -> None:
    assert alike("Stra\u00dfe  am\u00a0See ") == alike("STRASSE am See")
    assert alike("ﬁre") == alike("fire") != alike("fine")


def test_joiner_in_a_name_belongs_to_it(root: Path) -> None:
    put(root, "stories/می\u200cترسد.txt")
    assert not read(root).problems
    assert "می\u200cترسد" in read(root).concepts
