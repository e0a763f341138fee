"""A scan that is told what changed finds what a scan from nothing finds, and looks at nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.corpus import Layout, Scanner, scan

FILES = [
    "stories/joy.txt", "stories/Joy.txt", "stories/baseline.txt", "stories/b\x1b.txt",
    "stories/notes", "stories/.h.txt", "paired/a/joy.txt", "paired/a/fear.txt", "paired/a/baseline.txt",
    "paired/a b/joy.txt", "paired/a b/fear.txt",
    "paired/c.txt/joy.txt", "paired/a/deep/joy.txt", "paired/loose.txt", "elsewhere/joy.txt", "joy.txt",
    "stories/joy (1).txt", "stories/joy (1) - Copy.txt", "stories/Baseline.txt", "stories/fear.TXT",
    "stories/joy .txt", "paired/a (1)/fear.txt", "paired/a/fear (1).txt",
]  # fmt: skip
FOLDERS = [
    "stories", "paired", "paired/a", "paired/a b", "paired/c.txt", "paired/.h", "elsewhere", "stories/joy.txt",
    "paired/a (1)", "stories/fear",
]  # fmt: skip
CONTENTS = [b"Bells.", b"Rain..", b"Bells. ", b"", b"\n", b"\xff", b"\xef\xbb\xbfBells."]

PATHS = st.sampled_from(FILES + FOLDERS)
ACTS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(FILES), st.sampled_from(CONTENTS)),
    st.tuples(st.just("replace"), st.sampled_from(FILES), st.sampled_from(CONTENTS)),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("away"), PATHS, st.none()),
    st.tuples(st.just("back"), PATHS, st.none()),
    st.tuples(st.just("delete"), PATHS, st.none()),
    st.tuples(st.just("folder"), st.sampled_from(FOLDERS), st.none()),
    st.tuples(st.just("symlink"), PATHS, PATHS),
    st.tuples(st.just("outlink"), PATHS, st.none()),
    st.tuples(st.just("hardlink"), st.sampled_from(FILES), st.sampled_from(FILES)),
    st.tuples(st.just("fifo"), st.sampled_from(FILES), st.none()),
    st.tuples(st.just("chmod"), PATHS, st.sampled_from([0o000, 0o111, 0o444, 0o755])),
)


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    try:
        yield made
    finally:
        for parent, names, _ in os.walk(made):
            for name in names:
                (Path(parent) / name).chmod(0o755)
        shutil.rmtree(made)


def real_path(root: Path, path: str) -> str:
    """The path as the system names it in an event: the folder's links followed, not the file's own."""
    file = root / path
    with suppress(ValueError, RuntimeError):
        return str(file.parent.resolve().relative_to(root) / file.name)
    return path


def do(root: Path, outside: Path, act: str, path: str, other: object) -> set[str]:
    """Do something to a tree; the paths that it touched, which may not have been possible at all."""
    file = root / path
    told = {path, real_path(root, path)}
    match act:
        case "write":
            file.parent.mkdir(parents=True, exist_ok=True)
            told |= {str(parent) for parent in Path(path).parents} - {"."}
            if not file.is_fifo():
                file.write_bytes(bytes(other))  # type: ignore[call-overload]
            told.add(str(file.resolve().relative_to(root)))
        case "replace":
            (outside / "new").write_bytes(bytes(other))  # type: ignore[call-overload]
            (outside / "new").replace(file)
        case "move":
            told |= {str(other), real_path(root, str(other))}
            file.rename(root / str(other))
        case "away":
            file.rename(outside / "away")
        case "back":
            (outside / "away").rename(file)
        case "delete" if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        case "delete":
            file.unlink()
        case "folder":
            file.mkdir()
        case "symlink":
            told |= {str(other), real_path(root, str(other))}
            (root / str(other)).symlink_to(file)
        case "outlink":
            file.symlink_to(outside / "away")
        case "hardlink":
            told |= {str(other), real_path(root, str(other))} - {path}
            os.link(file, root / str(other), follow_symlinks=False)
        case "fifo":
            os.mkfifo(file)
        case "chmod" if not file.is_symlink():
            file.chmod(int(str(other)))
    return told


@settings(max_examples=150)
@given(st.lists(st.lists(ACTS, min_size=1, max_size=4), max_size=12))
def test_told_what_changed_it_finds_what_a_scan_from_nothing_finds(rounds: list[list[tuple[str, str, object]]]) -> None:
    with folder() as top:
        root, outside = top / "corpus", top / "outside"
        for made in ("stories", "paired/a", "paired/a b", "elsewhere"):
            (root / made).mkdir(parents=True)
        outside.mkdir()
        (root / "stories" / "joy.txt").write_text("Bells.")
        (root / "paired" / "a" / "fear.txt").write_text("Steps.")
        layout = Layout.of(root)
        scanner = Scanner(layout)
        scanner.scan()
        for acts in rounds:
            told: set[str] = set()
            for act, path, other in acts:
                with suppress(OSError, ValueError, RuntimeError):
                    told.add(path)
                    told |= {other} if isinstance(other, str) else set()
                    told |= do(root, outside, act, path, other)
            assert scanner.scan(told) == scan(layout)
            assert scanner.scan() == scan(layout)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are looked at, as they are."""
    names: list[str] = []
    lstat = os.lstat

    def counted(path: str) -> os.stat_result:
        names.append(Path(path).name)
        return lstat(path)

    monkeypatch.setattr(os, "lstat", counted)
    return names


def test_only_what_is_named_is_looked_at(corpus: Path, looks: list[str]) -> None:
    scanner = Scanner(Layout.of(corpus))
    before = scanner.scan()
    looks.clear()
    (corpus / "stories" / "new.txt").write_text("Something new.")
    after = scanner.scan(["stories/new.txt"])
    assert looks == ["new.txt"]
    assert len(after.stories) == len(before.stories) + 1
    assert scanner.scan([]) is after


def test_edit_that_keeps_size_and_times_is_seen_while_the_file_is_young(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = corpus / "stories" / "joyful.txt"
    file.write_text("One.")
    scanner = Scanner(Layout.of(corpus))
    scanner.scan()
    signature = os.lstat(file)
    file.write_text("Two.")
    monkeypatch.setattr(os, "lstat", lambda _: signature)
    assert "Two." in [story.text for story in scanner.scan(["stories/joyful.txt"]).stories]


# Files with more than one name


def test_write_through_another_name_is_seen(corpus: Path) -> None:
    layout = Layout.of(corpus)
    scanner = Scanner(layout)
    scanner.scan()
    os.link(corpus / "stories" / "joyful.txt", corpus / "stories" / "glad.txt")
    assert scanner.scan(["stories/glad.txt"]) == scan(layout)
    (corpus / "stories" / "glad.txt").write_text("Written through one of two names.")
    assert scanner.scan(["stories/glad.txt"]) == scan(layout)


@pytest.mark.parametrize("told", ["elsewhere/joyful.txt", "paired/one/joyful.txt", "paired/two/joyful.txt"])
def test_write_in_a_folder_with_several_names_is_seen(corpus: Path, told: str) -> None:
    (corpus / "elsewhere").mkdir()
    (corpus / "elsewhere" / "joyful.txt").write_text("Here.")
    layout = Layout.of(corpus)
    scanner = Scanner(layout)
    scanner.scan()
    for name in ("one", "two"):
        (corpus / "paired" / name).symlink_to("../elsewhere")
        assert scanner.scan([f"paired/{name}"]) == scan(layout)
    (corpus / "elsewhere" / "joyful.txt").write_text("There.")
    assert scanner.scan([told]) == scan(layout)


def test_folder_that_a_link_to_its_new_place_stands_for_is_outside(corpus: Path, tmp_path: Path) -> None:
    (corpus / "paired" / "new").mkdir()
    (corpus / "paired" / "new" / "joyful.txt").write_text("Here.")
    layout = Layout.of(corpus)
    scanner = Scanner(layout)
    scanner.scan()
    (corpus / "paired" / "new").rename(tmp_path / "moved")
    (corpus / "paired" / "new").symlink_to(tmp_path / "moved")
    assert scanner.scan(["paired/new"]) == scan(layout)


# Problems


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444])
@pytest.mark.parametrize("path", ["stories", "paired", "paired/new"])
def test_folder_without_permission_is_a_problem_until_it_has_it(corpus: Path, path: str, mode: int) -> None:
    (corpus / "paired" / "new").mkdir()
    (corpus / "paired" / "new" / "joyful.txt").write_text("Here.")
    layout = Layout.of(corpus)
    scanner = Scanner(layout)
    whole = scanner.scan()
    for told in (path, f"{path}/joyful.txt"):
        (corpus / path).chmod(mode)
        assert scanner.scan([path]) == scan(layout) != whole
        (corpus / path).chmod(0o755)
        assert scanner.scan([path]) == whole
        assert scanner.scan([told]) == whole


def test_problem_of_a_folder_goes_with_the_folder_above_it(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = corpus / "paired" / "new"
    folder.mkdir()
    listing = os.listdir

    def refused(path: str) -> object:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied")
        return listing(path)

    monkeypatch.setattr(os, "listdir", refused)
    scanner = Scanner(Layout.of(corpus))
    assert [problem.path for problem in scanner.scan().problems] == ["paired/new"]
    monkeypatch.undo()
    shutil.rmtree(corpus / "paired")
    assert not scanner.scan(["paired"]).problems


def test_problems_of_stories_seen_together_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "stories").mkdir()
    joy, fear, other = (tmp_path / "stories" / name for name in ("joy.txt", "fear.txt", "Joy.txt"))
    joy.write_text("Bells.")
    scanner = Scanner(Layout.of(tmp_path))
    assert not scanner.scan().problems
    fear.write_text("Bells.")
    other.write_text("Rain.")
    problems = scanner.scan(["stories/fear.txt", "stories/Joy.txt"]).problems
    assert [(problem.path, problem.code) for problem in problems] == [
        ("stories/Joy.txt", "case"), ("stories/fear.txt", "duplicate"), ("stories/joy.txt", "case"),
        ("stories/joy.txt", "duplicate"),
    ]  # fmt: skip
    fear.unlink()
    other.unlink()
    assert not scanner.scan(["stories/fear.txt", "stories/Joy.txt"]).problems
