"""What a writer or a colleague did is taken back and done again, and no text gets lost on the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from amygdala_tui.undo import Disagreement, Journal
from engine.corpus import Accepted, Layout, scan, text_id
from engine.corpus.accepted import read
from engine.corpus.mending import operations, writing
from engine.corpus.mending.carrying_out import TextForgotten
from engine.corpus.mending.kept import Kept
from engine.corpus.mending.tasks import Wrote
from engine.errors import AmygdalaError
from tests.engine.corpus.mending.making import STORIES, tree, written

CURIOUS, ASHAMED, JEALOUS = "stories/curious.txt", "stories/ashamed.txt", "paired/power-cut/jealous.txt"
DISGUSTED = "paired/power-cut/disgusted.txt"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return written(tmp_path / "small")


@pytest.fixture
def journal(small: Path, tmp_path: Path) -> Journal:
    journal = Journal(small, Kept(tmp_path / "kept"))
    journal.follow(scan(Layout.of(small)))
    return journal


def edit(journal: Journal, corpus: Path, path: str, text: str) -> None:
    """What `e` does."""
    journal.opened(path)
    (corpus / path).write_text(text)
    journal.closed(path)


def text(corpus: Path, path: str) -> str | None:
    return (corpus / path).read_text().strip() if (corpus / path).exists() else None


def test_the_last_task_of_a_story_is_taken_back_then_those_before_and_done_again(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "One.")
    edit(journal, small, CURIOUS, "Two.")
    edit(journal, small, ASHAMED, "Another.")
    for before in ("One.", STORIES[CURIOUS]):
        outcome = journal.undo(CURIOUS)
        assert outcome.task is not None
        assert text(small, CURIOUS) == before
    assert journal.undo(CURIOUS).is_nothing
    assert text(small, ASHAMED) == "Another."
    for after in ("One.", "Two."):
        journal.redo(CURIOUS)
        assert text(small, CURIOUS) == after
    assert journal.redo(CURIOUS).is_nothing


def test_without_a_story_the_last_task_of_all_is_taken_back(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "One.")
    journal.record(operations.delete(small, journal.kept, [ASHAMED, JEALOUS])[0])
    journal.undo()
    assert text(small, JEALOUS) == STORIES[JEALOUS]
    journal.undo()
    assert tree(small) == {path: story.encode() for path, story in STORIES.items()}
    assert journal.undo().is_nothing


def test_an_edit_before_a_move_is_taken_back_after_it_and_the_selection_goes_along(
    small: Path, journal: Journal
) -> None:
    edit(journal, small, JEALOUS, "The fish stank.")
    journal.record(operations.move(small, journal.kept, [JEALOUS], "disgusted"))
    edit(journal, small, DISGUSTED, "It stank.")
    journal.undo(DISGUSTED)
    outcome = journal.undo(DISGUSTED)
    assert outcome.moved == {DISGUSTED: JEALOUS}
    assert text(small, JEALOUS) == "The fish stank."
    journal.undo(JEALOUS)
    assert text(small, JEALOUS) == STORIES[JEALOUS]
    assert journal.redo(JEALOUS).moved == {}
    assert journal.redo(JEALOUS).moved == {JEALOUS: DISGUSTED}
    journal.redo(DISGUSTED)
    assert tree(small)[DISGUSTED] == b"It stank."


def test_a_save_elsewhere_that_the_studio_saw_is_taken_back(small: Path, journal: Journal) -> None:
    (small / CURIOUS).write_text("Theirs.")
    assert [task.words for task in journal.saw([CURIOUS, ASHAMED])] == [f"{CURIOUS} was saved elsewhere"]
    assert journal.saw([CURIOUS]) == []
    (small / ASHAMED).unlink()
    journal.saw([ASHAMED])
    journal.undo()
    journal.undo()
    assert scan(Layout.of(small)).digest == scan(Layout.of(written(small.parent / "same"))).digest


def test_saves_of_an_editor_are_the_session_s_and_the_text_before_is_kept_on_disk(
    small: Path, journal: Journal, tmp_path: Path
) -> None:
    key = journal.opened(CURIOUS)
    (small / CURIOUS).write_text("Half of it.")
    assert journal.saw([CURIOUS]) == []
    (small / CURIOUS).write_text("All of it.")
    task = journal.closed(CURIOUS)
    assert task is not None
    assert task.words == f"edited {CURIOUS}"
    assert Kept(tmp_path / "kept").get(key or "") == STORIES[CURIOUS].encode()
    journal.undo(CURIOUS)
    assert text(small, CURIOUS) == STORIES[CURIOUS]


def test_what_the_studio_did_is_not_taken_for_another_s(small: Path, journal: Journal) -> None:
    journal.record(operations.rename_concept(small, journal.kept, "ashamed", "sad"))
    journal.undo()
    journal.redo()
    assert journal.saw([*STORIES, "stories/sad.txt", "paired/power-cut/sad.txt"]) == []


def test_a_text_saved_since_is_a_conflict_and_nothing_is_written(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "Mine.")
    (small / CURIOUS).write_text("Theirs.")
    before = tree(small)
    outcome = journal.undo(CURIOUS)
    assert outcome.task is None
    assert outcome.clashes == [Wrote(path=CURIOUS, before=text_id("Mine."), after=text_id("Theirs."))]
    assert journal.disagreements(outcome) == [Disagreement(CURIOUS, STORIES[CURIOUS], "Theirs.")]
    assert tree(small) == before


def test_writing_mine_over_theirs_can_be_taken_back_too(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "Mine.")
    (small / CURIOUS).write_text("Theirs.")
    assert journal.undo(CURIOUS, insist=True).task is not None
    assert text(small, CURIOUS) == STORIES[CURIOUS]
    journal.redo(CURIOUS)
    assert text(small, CURIOUS) == "Mine."
    journal.redo(CURIOUS)
    assert text(small, CURIOUS) == "Theirs."


def test_keeping_theirs_makes_it_the_next_thing_to_take_back(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "Mine.")
    (small / CURIOUS).write_text("Theirs.")
    journal.keep_theirs(journal.undo(CURIOUS).clashes)
    assert text(small, CURIOUS) == "Theirs."
    for before in ("Mine.", STORIES[CURIOUS]):
        journal.undo(CURIOUS)
        assert text(small, CURIOUS) == before


def test_a_place_that_was_taken_since_is_a_conflict(small: Path, journal: Journal) -> None:
    journal.record(operations.move(small, journal.kept, [JEALOUS], "disgusted"))
    (small / JEALOUS).write_text("A new one.")
    outcome = journal.undo(DISGUSTED)
    assert outcome.clashes == [Wrote(path=JEALOUS, before=None, after=text_id("A new one."))]
    journal.undo(DISGUSTED, insist=True)
    assert (text(small, JEALOUS), text(small, DISGUSTED)) == (STORIES[JEALOUS], None)
    journal.redo(JEALOUS)
    journal.redo(JEALOUS)
    assert (text(small, JEALOUS), text(small, DISGUSTED)) == ("A new one.", STORIES[JEALOUS])


def test_a_moved_story_that_was_saved_since_is_a_conflict_of_its_two_texts(small: Path, journal: Journal) -> None:
    journal.record(operations.move(small, journal.kept, [JEALOUS], "disgusted"))
    (small / DISGUSTED).write_text("It stank.")
    before = tree(small)
    outcome = journal.undo(DISGUSTED)
    assert journal.disagreements(outcome) == [Disagreement(DISGUSTED, STORIES[JEALOUS], "It stank.")]
    assert tree(small) == before
    journal.undo(DISGUSTED, insist=True)
    assert (text(small, JEALOUS), text(small, DISGUSTED)) == (STORIES[JEALOUS], None)
    journal.redo(JEALOUS)
    journal.redo(DISGUSTED)
    assert text(small, DISGUSTED) == "It stank."


def test_doing_again_over_theirs_loses_neither(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "Mine.")
    journal.undo(CURIOUS)
    (small / CURIOUS).write_text("Theirs.")
    assert journal.redo(CURIOUS).clashes
    journal.redo(CURIOUS, insist=True)
    assert text(small, CURIOUS) == "Mine."
    texts = []
    while not journal.undo(CURIOUS).is_nothing:
        texts.append(text(small, CURIOUS))
    assert "Theirs." in texts
    assert texts[-1] == STORIES[CURIOUS]


def test_what_was_done_together_waits_for_what_came_later_on_one_of_it(small: Path, journal: Journal) -> None:
    journal.record(operations.rename_concept(small, journal.kept, "ashamed", "sad"))
    edit(journal, small, "stories/sad.txt", "Sad.")
    before = tree(small)
    outcome = journal.undo("paired/power-cut/sad.txt")
    assert [task.words for task in outcome.later] == ["edited stories/sad.txt"]
    assert tree(small) == before
    journal.undo("paired/power-cut/sad.txt", insist=True)
    assert tree(small) == {path: story.encode() for path, story in STORIES.items()}


def test_a_new_task_after_an_undo_leaves_what_was_undone_within_reach(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "One.")
    journal.undo(CURIOUS)
    edit(journal, small, CURIOUS, "Two.")
    texts = []
    while not journal.undo(CURIOUS).is_nothing:
        texts.append(text(small, CURIOUS))
    assert texts == [STORIES[CURIOUS], "One.", STORIES[CURIOUS]]


def test_a_new_task_leaves_other_stories_redo_alone(small: Path, journal: Journal) -> None:
    edit(journal, small, CURIOUS, "One.")
    journal.undo(CURIOUS)
    edit(journal, small, ASHAMED, "Two.")
    journal.redo(CURIOUS)
    assert text(small, CURIOUS) == "One."


def test_an_acceptance_is_taken_back_and_a_colleague_s_other_one_is_a_conflict(small: Path, journal: Journal) -> None:
    mine = Accepted(text_id=text_id(STORIES[CURIOUS]), reason="so")
    journal.record(operations.accept(small, journal.kept, CURIOUS, mine))
    journal.undo(CURIOUS)
    journal.redo(CURIOUS)
    theirs = Accepted(text_id=mine.text_id, reason="because")
    operations.accept(small, journal.kept, CURIOUS, theirs)
    outcome = journal.undo(CURIOUS)
    assert journal.disagreements(outcome) == [Disagreement(CURIOUS, "not accepted", "accepted: because")]
    journal.undo(CURIOUS, insist=True)
    assert read(str(small), [os.path.realpath(small)]).accepted == {}


def test_a_colleague_s_acceptance_that_was_taken_away_comes_back_on_the_way(small: Path, journal: Journal) -> None:
    entries = [Accepted(text_id=text_id(STORIES[CURIOUS]), reason=reason) for reason in ("mine", "theirs")]
    journal.record(operations.accept(small, journal.kept, CURIOUS, entries[0]))
    operations.accept(small, journal.kept, CURIOUS, entries[1])
    journal.record(operations.accept(small, journal.kept, CURIOUS, None))
    reasons = []
    while journal.undo(CURIOUS).task is not None:
        reasons.append([each.reason for each in read(str(small), [os.path.realpath(small)]).accepted.values()])
    assert reasons == [["theirs"], ["mine"], []]


def test_a_scenario_renamed_back_takes_along_what_came_into_it(small: Path, journal: Journal) -> None:
    journal.record(operations.rename_scenario(small, journal.kept, "power-cut", "black-out"))
    journal.record(operations.new_story(small, journal.kept, concept="calm", scenario="black-out"))
    assert [task.kind for task in journal.undo("paired/black-out/jealous.txt").later] == ["new"]
    (small / "paired/black-out/notes.md").write_text("An idea.")
    journal.undo()
    journal.undo()
    assert sorted(path.name for path in (small / "paired/power-cut").iterdir()) == [
        "ashamed.txt", "baseline.txt", "jealous.txt", "notes.md",
    ]  # fmt: skip


def test_a_text_that_is_forgotten_is_asked_for(small: Path, tmp_path: Path) -> None:
    journal = Journal(small, Kept(tmp_path / "kept"))
    corpus = scan(Layout.of(small))
    journal.follow(corpus)
    journal.kept._contents.clear()
    (small / CURIOUS).write_text("Theirs.")
    journal.saw([CURIOUS])
    with pytest.raises(TextForgotten) as forgotten:
        journal.undo(CURIOUS)
    assert forgotten.value.content_id == text_id(STORIES[CURIOUS])
    journal.kept.remember(STORIES[CURIOUS].encode())  # as the engine's history tells it
    journal.undo(CURIOUS)
    assert text(small, CURIOUS) == STORIES[CURIOUS]


def test_an_undo_that_fails_is_said_and_can_be_tried_again(small: Path, journal: Journal) -> None:
    journal.record(operations.move(small, journal.kept, [JEALOUS], "disgusted"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "rename", refuse)
        with pytest.raises(AmygdalaError, match="Read-only file system; nothing was changed"):
            journal.undo(DISGUSTED)
    journal.undo(DISGUSTED)
    assert text(small, JEALOUS) == STORIES[JEALOUS]


def refuse(_: Path, new: Path) -> None:
    raise OSError(errno.EROFS, "Read-only file system", str(new))
