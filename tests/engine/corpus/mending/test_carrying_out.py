"""A task is carried out whole or not at all, and no other file is overwritten."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.corpus import Accepted, accepted, text_id
from engine.corpus.mending import operations, writing
from engine.corpus.mending.carrying_out import TextForgotten, carry_out
from engine.corpus.mending.kept import Kept
from engine.corpus.mending.tasks import Marked, Relocated, Step, Wrote
from engine.errors import AmygdalaError
from tests.engine.corpus.mending.making import STORIES, tree


def failing_at(nth: int, call: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """The call, which fails once."""
    calls = 0

    def fail(old: Path, new: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise OSError(errno.ENOSPC, "No space left on device", str(new))
        call(old, new)

    return fail


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_rename_that_fails_halfway_is_rolled_back_and_said(
    small: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    before = tree(small)
    monkeypatch.setattr(writing, "rename", failing_at(nth, writing.rename))
    with pytest.raises(AmygdalaError, match=r"embarrassed\.txt: No space left on device; nothing was changed$"):
        operations.rename_concept(small, kept, "ashamed", "embarrassed")
    assert tree(small) == before


def test_marks_that_cannot_be_written_take_the_rename_with_them(small: Path, kept: Kept) -> None:
    path = "stories/ashamed.txt"
    operations.accept(small, kept, path, Accepted(text_id=text_id(STORIES[path]), reason=""))
    before = tree(small)
    moved = Relocated(old=path, new="stories/sad.txt", contents={"": text_id(STORIES[path])})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accepted, "write_all", lambda *_: (_ for _ in ()).throw(OSError(errno.EACCES, "no")))
        with pytest.raises(AmygdalaError, match="nothing was changed"):
            carry_out(small, [moved, Marked(path="stories/x.txt", before=None, after=None)], kept)
    assert tree(small) == before


def test_what_cannot_be_taken_back_is_named(small: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = writing.rename

    def rename_one(old: Path, new: Path) -> None:
        if list(small.rglob("sad.txt")):
            raise OSError(errno.EIO, "Input/output error", str(new))
        rename(old, new)

    monkeypatch.setattr(writing, "rename", rename_one)
    with pytest.raises(
        AmygdalaError, match=r"taken back: stories/ashamed\.txt is stories/sad\.txt now \(Input/output error\)$"
    ):
        operations.rename_concept(small, kept, "ashamed", "sad")
    assert {text.decode() for text in tree(small).values()} == set(STORIES.values())


def test_another_text_or_a_taken_place_is_told_and_nothing_is_done(small: Path, kept: Kept) -> None:
    (small / "stories/curious.txt").write_text("Theirs.")
    before = tree(small)
    steps: list[Step] = [
        Wrote(path="stories/new.txt", before=None, after=kept.remember(b"New.")),
        Wrote(path="stories/curious.txt", before=text_id("Mine."), after=None),
        Relocated(old="stories/ashamed.txt", new="stories/curious.txt", contents={"": text_id("She looked away.")}),
        Marked(path="stories/ashamed.txt", before=Accepted(text_id="0" * 32, reason=""), after=None),
    ]
    assert carry_out(small, steps, kept) == [
        Wrote(path="stories/curious.txt", before=text_id("Mine."), after=text_id("Theirs.")),
        Wrote(path="stories/curious.txt", before=None, after=text_id("Theirs.")),
        Marked(path="stories/ashamed.txt", before=Accepted(text_id="0" * 32, reason=""), after=None),
    ]
    assert tree(small) == before


def test_a_text_that_is_not_kept_any_more_is_asked_for(small: Path, kept: Kept) -> None:
    before = tree(small)
    steps = [
        Wrote(path="stories/curious.txt", before=text_id(STORIES["stories/curious.txt"]), after=None),
        Wrote(path="stories/sad.txt", before=None, after=text_id("Long ago.")),
    ]
    with pytest.raises(TextForgotten, match="look for it in the history") as forgotten:
        carry_out(small, steps, kept)
    assert (forgotten.value.path, forgotten.value.content_id) == ("stories/sad.txt", text_id("Long ago."))
    assert tree(small) == before
    kept.remember(b"Long ago.")
    assert carry_out(small, steps, kept) == []


def test_what_a_save_puts_there_at_the_last_moment_is_not_removed(small: Path) -> None:
    with pytest.raises(FileExistsError):
        writing.remove(small / "stories/curious.txt", text_id("Something else."))
    assert (small / "stories/curious.txt").read_text() == STORIES["stories/curious.txt"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_is_renamed_to_a_free_place_alone(small: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(FileExistsError):
        writing.rename(small / "stories/curious.txt", small / "stories/ashamed.txt")
    writing.rename(small / "stories/curious.txt", small / "stories/sad.txt")
    assert (small / "stories/sad.txt").read_text() == STORIES["stories/curious.txt"]
    assert (small / "stories/ashamed.txt").read_text() == STORIES["stories/ashamed.txt"]
    assert not (small / "stories/curious.txt").exists()


def test_two_names_of_one_file_are_two_files(small: Path) -> None:
    one, other = small / "stories/curious.txt", small / "stories/sad.txt"
    other.hardlink_to(one)
    with pytest.raises(FileExistsError):
        writing.rename(one, other)
    assert one.exists()


def test_who_may_read_a_file_stays(small: Path, kept: Kept) -> None:
    file = small / "stories/curious.txt"
    file.chmod(0o640)
    operations.save(small, kept, "stories/curious.txt", "Anew.", text_id(STORIES["stories/curious.txt"]))
    assert file.stat().st_mode & 0o777 == 0o640
    file.parent.chmod(0o770)
    operations.new_story(small, kept, concept="sad", scenario=None)
    assert (small / "stories/sad.txt").stat().st_mode & 0o777 == 0o660
