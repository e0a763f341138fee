"""New stories, moves, renames, deletions: whole, recoverable, refused with words where they cannot be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import paths
from engine.corpus import Accepted, Layout, scan, text_id
from engine.corpus.accepted import FILE, read, write
from engine.corpus.mending import operations, writing
from engine.corpus.mending.carrying_out import carry_out
from engine.corpus.mending.kept import Kept
from engine.corpus.mending.tasks import Task, Wrote
from engine.errors import AmygdalaError
from tests.engine.corpus.mending.making import STORIES, tree, written

BILL = STORIES["paired/power-cut/ashamed.txt"]


def accepted(corpus: Path) -> dict[str, Accepted]:
    return dict(read(str(corpus), [os.path.realpath(corpus)]).accepted)


def concepts(corpus: Path) -> list[str]:
    return scan(Layout.of(corpus)).concepts


def test_a_move_files_a_story_under_another_concept_in_its_scenario(small: Path, kept: Kept) -> None:
    task = operations.move(small, kept, ["paired/power-cut/jealous.txt"], "disgusted")
    assert task.moves == {"paired/power-cut/jealous.txt": "paired/power-cut/disgusted.txt"}
    assert (small / "paired/power-cut/disgusted.txt").read_text() == "The fish had gone bad."
    assert not (small / "paired/power-cut/jealous.txt").exists()
    assert task.words == "moved power-cut/jealous.txt to power-cut/disgusted.txt"


def test_a_move_is_refused_where_something_stands(small: Path, kept: Kept) -> None:
    before = tree(small)
    with pytest.raises(AmygdalaError, match=r"stories: ashamed\.txt stands there already"):
        operations.move(small, kept, ["stories/curious.txt", "paired/power-cut/jealous.txt"], "ashamed")
    with pytest.raises(AmygdalaError, match="filed as ashamed already"):
        operations.move(small, kept, ["stories/ashamed.txt"], "ashamed")
    with pytest.raises(AmygdalaError, match=r"two of these would become power-cut/calm\.txt"):
        operations.move(small, kept, ["paired/power-cut/jealous.txt", "paired/power-cut/ashamed.txt"], "calm")
    with pytest.raises(AmygdalaError, match="is not there any more"):
        operations.move(small, kept, ["stories/gone.txt"], "calm")
    assert tree(small) == before


def test_renaming_a_concept_renames_all_its_files(small: Path, kept: Kept) -> None:
    (small / "paired/late-train/ashamed.txt").write_bytes(b"\xff\xfe of another kind")
    task = operations.rename_concept(small, kept, "ashamed", " embarrassed")
    assert len(task.moves) == 3
    assert not [path for path in tree(small) if "ashamed" in path]
    assert (small / "paired/late-train/embarrassed.txt").read_bytes() == b"\xff\xfe of another kind"
    assert task.words == "renamed ashamed → embarrassed"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ashamed", "jealous", "there is a concept “jealous” already"),
        ("ashamed", "Jealous", "looks like the concept “jealous” already"),
        ("ashamed", "ashamed", "called ashamed already"),
        ("ashamed", "baseline", "neutral telling"),
        ("nobody", "somebody", "no concept “nobody”"),
    ],
)
def test_a_concept_cannot_be_renamed_to_what_is_another_or_none(
    small: Path, kept: Kept, old: str, new: str, words: str
) -> None:
    before = tree(small)
    with pytest.raises(AmygdalaError, match=words):
        operations.rename_concept(small, kept, old, new)
    assert tree(small) == before


def test_a_concept_may_be_renamed_to_another_spelling_of_itself(small: Path, kept: Kept) -> None:
    operations.rename_concept(small, kept, "ashamed", "Ashamed")
    assert concepts(small) == ["Ashamed", "curious", "jealous"]


def test_renaming_a_scenario_takes_along_all_that_is_in_its_folder(small: Path, kept: Kept) -> None:
    (small / "paired/power-cut/notes.md").write_text("An idea.")
    task = operations.rename_scenario(small, kept, "power-cut", "black-out")
    assert (small / "paired/black-out/notes.md").read_text() == "An idea."
    assert not (small / "paired/power-cut").exists()
    assert task.moves["paired/power-cut/ashamed.txt"] == "paired/black-out/ashamed.txt"
    for taken in ("late-train", "Late-Train"):
        with pytest.raises(AmygdalaError, match="there is a scenario “late-train” already"):
            operations.rename_scenario(small, kept, "black-out", taken)


def test_an_acceptance_goes_with_the_very_text_that_was_accepted(small: Path, kept: Kept) -> None:
    so, stale = Accepted(text_id=text_id(BILL), reason="so"), Accepted(text_id=text_id("Before."), reason="old")
    write(small, "paired/power-cut/ashamed.txt", so)
    write(small, "stories/ashamed.txt", stale)
    task = operations.rename_concept(small, kept, "ashamed", "embarrassed")
    assert accepted(small) == {"paired/power-cut/embarrassed.txt": so, "stories/ashamed.txt": stale}
    assert carry_out(small, task.inverse.steps, kept) == []
    assert accepted(small) == {"paired/power-cut/ashamed.txt": so, "stories/ashamed.txt": stale}
    task = operations.rename_scenario(small, kept, "power-cut", "black-out")
    assert accepted(small)["paired/black-out/ashamed.txt"] == so
    deletion, _ = operations.delete(small, kept, ["paired/black-out/ashamed.txt"])
    assert accepted(small) == {"stories/ashamed.txt": stale}
    carry_out(small, deletion.inverse.steps, kept)
    assert accepted(small)["paired/black-out/ashamed.txt"] == so


def test_a_new_story_is_empty_or_begins_with_the_baseline(small: Path, kept: Kept) -> None:
    operations.new_story(small, kept, concept="calm", scenario="power-cut", from_baseline=True)
    assert (small / "paired/power-cut/calm.txt").read_text() == STORIES["paired/power-cut/baseline.txt"]
    operations.new_story(small, kept, concept="calm", scenario=None)
    assert (small / "stories/calm.txt").read_bytes() == b""
    operations.new_story(small, kept, concept="calm", scenario="a new one")
    operations.new_story(small, kept, concept="baseline", scenario="late-train")
    with pytest.raises(AmygdalaError, match="stands there already"):
        operations.new_story(small, kept, concept="calm", scenario="power-cut")
    with pytest.raises(AmygdalaError, match=r"a new one/baseline\.txt is not there"):
        operations.new_story(small, kept, concept="sad", scenario="a new one", from_baseline=True)
    with pytest.raises(AmygdalaError, match="neutral telling"):
        operations.new_story(small, kept, concept="baseline", scenario=None)


def test_a_new_concept_is_refused_where_it_is_one_already(small: Path, kept: Kept) -> None:
    with pytest.raises(AmygdalaError, match="looks like the concept “curious” already"):
        operations.new_story(small, kept, concept="Curious", scenario="power-cut", is_new=True)
    operations.new_story(small, kept, concept="calm", scenario="power-cut", is_new=True)


def test_deleted_files_lie_outside_of_the_corpus_for_this_user_alone(small: Path, kept: Kept) -> None:
    task, folder = operations.delete(small, kept, ["stories/curious.txt", "paired/late-train/ashamed.txt"])
    assert tree(folder) == {
        path: STORIES[path].encode() for path in ("stories/curious.txt", "paired/late-train/ashamed.txt")
    }
    assert folder.is_relative_to(paths.trash_dir(small))
    assert [file.stat().st_mode & 0o077 for file in (folder, *folder.rglob("*"))] == [0] * 6
    assert concepts(small) == ["ashamed", "jealous"]
    assert not (small / "paired/late-train").exists()
    assert carry_out(small, task.inverse.steps, kept) == []
    assert tree(small) == {path: text.encode() for path, text in STORIES.items()}


def test_the_same_file_deleted_twice_at_once_lies_there_twice(small: Path, kept: Kept) -> None:
    task, one = operations.delete(small, kept, ["stories/curious.txt"])
    carry_out(small, task.inverse.steps, kept)
    _, other = operations.delete(small, kept, ["stories/curious.txt"])
    assert one != other
    assert tree(one) == tree(other)


def test_nothing_is_deleted_where_the_trash_cannot_be_written(
    small: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "trash_dir", lambda corpus: tmp_path / "file" / corpus.name)
    before = tree(small)
    with pytest.raises(AmygdalaError, match="nothing was deleted"):
        operations.delete(small, kept, ["stories/curious.txt"])
    assert tree(small) == before


@pytest.mark.parametrize(
    "path", ["stories/../../x.txt", "/etc/passwd", "stories", "a/b.txt", "paired/a/b/c.txt", "stories//a"]
)
def test_a_path_stays_inside_the_corpus(small: Path, kept: Kept, path: str) -> None:
    with pytest.raises(AmygdalaError, match="is not a place for a story"):
        operations.delete(small, kept, [path])


def test_nothing_is_written_through_a_link(small: Path, kept: Kept, tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", {"calm.txt": "Outside."})
    (small / "paired/linked").symlink_to(outside)
    (small / "stories/calm.txt").symlink_to(outside / "calm.txt")
    for attempt in (
        lambda: operations.move(small, kept, ["paired/linked/calm.txt"], "sad"),
        lambda: operations.new_story(small, kept, concept="sad", scenario="linked"),
        lambda: operations.delete(small, kept, ["stories/calm.txt"]),
        lambda: operations.move(small, kept, ["stories/calm.txt"], "sad"),
        lambda: operations.rename_scenario(small, kept, "linked", "other"),
        lambda: operations.rename_concept(small, kept, "calm", "sad"),
    ):
        with pytest.raises(AmygdalaError, match="is a link"):
            attempt()
    assert tree(outside) == {"calm.txt": b"Outside."}


def test_a_file_under_a_name_that_is_not_read_can_be_renamed(small: Path, kept: Kept) -> None:
    written(small, {"paired/late-train/Baseline.txt": "It came late.", "stories/joy.md": "Joy."})
    operations.rename_story(small, kept, "paired/late-train/Baseline.txt", "baseline")
    operations.rename_story(small, kept, "stories/joy.md", "joy")
    assert scan(Layout.of(small)).problems == ()


def test_a_save_over_another_text_is_a_clash_and_writes_nothing(small: Path, kept: Kept) -> None:
    path = "stories/curious.txt"
    began_with = writing.content_id((small / path).read_bytes())
    task = operations.save(small, kept, path, "Mine.", began_with)
    assert isinstance(task, Task)
    (small / path).write_text("Theirs.")
    clash = operations.save(small, kept, path, "Mine again.", text_id("Mine."))
    assert clash == Wrote(path=path, before=text_id("Mine."), after=text_id("Theirs."))
    assert (small / path).read_text() == "Theirs."
    assert kept.get(text_id("Theirs.")) == b"Theirs."


def test_accepting_is_a_task_too(small: Path, kept: Kept) -> None:
    path = "paired/power-cut/ashamed.txt"
    task = operations.accept(small, kept, path, Accepted(text_id=text_id(BILL), reason="so"))
    assert accepted(small)[path].reason == "so"
    carry_out(small, task.inverse.steps, kept)
    assert accepted(small) == {}
    assert (small / FILE).read_bytes() == b""


OPERATIONS: dict[str, Callable[[Path, Kept], Task]] = {
    "new": lambda corpus, kept: operations.new_story(corpus, kept, concept="calm", scenario="new"),
    "move": lambda corpus, kept: operations.move(corpus, kept, ["paired/late-train/ashamed.txt"], "sad"),
    "rename concept": lambda corpus, kept: operations.rename_concept(corpus, kept, "ashamed", "sad"),
    "rename scenario": lambda corpus, kept: operations.rename_scenario(corpus, kept, "late-train", "x"),
    "delete": lambda corpus, kept: operations.delete(corpus, kept, ["stories/curious.txt", "stories/ashamed.txt"])[0],
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_task_taken_back_leaves_the_corpus_as_it_was(
    small: Path, kept: Kept, operation: Callable[[Path, Kept], Task]
) -> None:
    before = tree(small), sorted(small.rglob("*"))
    task = operation(small, kept)
    after = tree(small), sorted(small.rglob("*"))
    assert after != before
    for _ in range(2):
        assert carry_out(small, task.inverse.steps, kept) == []
        assert (tree(small), sorted(small.rglob("*"))) == before
        assert carry_out(small, task.steps, kept) == []
        assert (tree(small), sorted(small.rglob("*"))) == after
