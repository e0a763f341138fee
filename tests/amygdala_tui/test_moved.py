"""What a change has made of stories and concepts: the verdict comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from amygdala_tui import moved as moved_words
from amygdala_tui.mirror import Mirror, accepting
from amygdala_tui.sitting import Opened
from engine.corpus import Change
from engine.results import Cost
from engine.wire.snapshot import ConceptMove, Ended, Moved, Renamed, Stages, StoryMove
from tests.amygdala_tui.making import healthy, mirror, misread, story

COST = Cost(texts_run=1, texts_cached=0, seconds_forward=0.1, seconds_statistics=0.1)


JOY = "stories/joy.txt"


def told(moved: Moved, opened: Mapping[str, Opened] | None = None, corpus: Mirror | None = None) -> str:
    return moved_words.result(moved, opened or {}, corpus or Mirror()).plain


def edited(last_save: StoryMove, queue: tuple[int, int] = (5, 5)) -> Moved:
    return Moved(
        revision=4, cause="edited", changes=[Change(path=JOY, kind="edited")], cost=COST, seconds=0.1,
        stages=Stages(scanning=0, waiting=0, forward=0, statistics=0, showing=0), concepts=[], stories=[last_save],
        queue=queue,
    )  # fmt: skip


def test_an_edit_is_told_from_where_the_writer_came_to_the_story() -> None:
    others = [misread(f"stories/{name}.txt", "calm") for name in ("a", "b")]
    opened = {JOY: Opened(revision=1, story=misread(JOY, "fear"), misread=frozenset({JOY, others[0].path}))}
    now = mirror([healthy(JOY), *others], revision=4)
    last_save = StoryMove(path=JOY, misfit=(0.04, 0.02), own_share=(0.96, 0.98), strength=("none", "none"))
    line = told(edited(last_save), opened, now)
    assert line.startswith("cleared: as joy 10 → 98 % · newly misread: b · joy edited")
    assert told(edited(last_save, (6, 5))).startswith("no change: as joy 96 → 98 % · to fix 6 → 5 · joy edited")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ((0.9, 0.1, True), (0.3, 0.7, False), "cleared: as joy 10 → 70 %"),
        ((0.9, 0.1, True), (0.7, 0.3, True), "better: as joy 10 → 30 %, still misread"),
        ((0.7, 0.3, True), (0.9, 0.1, True), "worse: as joy 30 → 10 %, still misread"),
        ((0.1, 0.9, False), (0.6, 0.4, True), "newly misread: as joy 90 → 40 %"),
        ((0.1, 0.9, False), (0.12, 0.88, False), "no change: as joy 90 → 88 %"),
        ((0.1, 0.9, False), (0.9, 0.9, True), "newly misread: as joy 90 %, unlike the others 10 → 90 %"),
        ((None, None, False), (0.2, 0.8, False), "as joy 80 %"),
        ((None, None, False), (0.8, 0.2, True), "misread: as joy 20 %"),
    ],
)
def test_the_verdict_on_an_edit_comes_first(before: Any, now: Any, said: str) -> None:
    told = moved_words.verdict(moved_words.Standing(*before), moved_words.Standing(*now), "joy")
    assert told is not None
    assert told.plain == said


def test_of_a_story_that_was_not_judged_there_is_no_verdict() -> None:
    assert (
        moved_words.verdict(moved_words.Standing(0.9, 0.1, True), moved_words.Standing(None, None, False), "joy")
        is None
    )


def test_a_story_that_was_accepted_after_its_edit_is_called_accepted_not_cleared() -> None:
    opened = {JOY: Opened(revision=1, story=misread(JOY, "fear"), misread=frozenset({JOY}))}
    last_save = StoryMove(path=JOY, misfit=(0.9, 0.9), own_share=(0.1, 0.1), strength=("fair", "fair"))
    now = accepting(mirror([misread(JOY, "fear")], revision=4), JOY, "a dream")
    assert told(edited(last_save), opened, now).startswith("accepted: a dream · joy edited")


def test_what_moved_names_the_story_the_concepts_and_the_buckets() -> None:
    moved = Moved(
        revision=42,
        cause="edited",
        stages=Stages(scanning=0.0, waiting=0.0, forward=0.03, statistics=0.008, showing=0.0),
        changes=[Change(path="paired/night-bus/lonely.txt", kind="edited")],
        cost=COST,
        seconds=0.038,
        concepts=[
            ConceptMove(
                concept="anxious", affected=False, bucket=("mixed", "mixed"),
                first_pc=(0.5, 0.5), nearest=(0.86, 0.61), r_squared=(0.4, 0.4),
            ),
            ConceptMove(
                concept="lonely", affected=True, bucket=("contaminated", "mixed"),
                first_pc=(0.4, 0.5), nearest=(0.86, 0.61), r_squared=(0.4, 0.4),
            ),
        ],
        stories=[
            StoryMove(
                path="paired/night-bus/lonely.txt", misfit=(0.9, 0.2), own_share=(0.1, 0.8), strength=("fair", "none")
            )
        ],
        queue=(17, 16),
    )  # fmt: skip
    assert told(moved) == "cleared: as lonely 10 → 80 % · to fix 17 → 16 · night-bus / lonely edited"
    line = moved_words.revision_words(moved).plain
    assert line.startswith("rev 42 · night-bus / lonely edited, 1 text run, 38 ms · ")
    assert "lonely contaminated → mixed first PC 0.40 → 0.50 nearest 0.86 → 0.61 · anxious nearest" in line
    assert line.endswith("anxious nearest 0.86 → 0.61")


def test_a_move_and_a_rename_are_told_as_one() -> None:
    last_save = StoryMove(path=JOY, misfit=(0.9, 0.02), own_share=(0.81, 0.97), strength=("strong", "none"))
    moved = msgspec.structs.replace(
        edited(last_save), changes=[Change(path=JOY, kind="moved", old="stories/ashamed.txt")]
    )
    assert told(moved).startswith("cleared: as joy 81 → 97 % · ashamed moved to joy")
    elsewhere = Change(path="paired/t/b.txt", kind="moved", old="paired/s/a.txt")
    assert moved_words.change_words(elsewhere) == "s / a moved to t / b"
    renamed = msgspec.structs.replace(moved, renamed=[Renamed(kind="concept", old="ashamed", new="embar\x1brassed")])
    assert "· renamed ashamed → embar␛rassed" in told(renamed)


@pytest.mark.parametrize(
    ("n_deleted", "n_moved", "said"),
    [
        (1, 0, "curious is gone (its only story was deleted)"),
        (0, 1, "curious is gone (its only story was moved)"),
        (3, 0, "curious is gone (its 3 stories were deleted)"),
        (2, 1, "curious is gone (its 3 stories were deleted or moved)"),
    ],
)
def test_a_concept_that_ended_is_gone_and_has_no_numbers(n_deleted: int, n_moved: int, said: str) -> None:
    move = ConceptMove(
        concept="curious", affected=True, bucket=("thin", None), first_pc=(1.0, None), nearest=(0.2, None),
        r_squared=(0.1, None),
    )  # fmt: skip
    last_save = StoryMove(path=JOY, misfit=(None, None), own_share=(None, None), strength=(None, None))
    ended = Ended(concept="curious", n_deleted=n_deleted, n_moved=n_moved)
    moved = msgspec.structs.replace(edited(last_save), concepts=[move], ended=[ended])
    assert told(moved).startswith(f"{said} · joy edited")
    assert f"· {said}" in (line := moved_words.revision_words(moved).plain)
    assert "no vector" not in line


def test_before_anything_changed_the_first_step_is_said() -> None:
    assert moved_words.first_step(Mirror()) == "Write the first story: +"
    assert "not judged yet" in moved_words.first_step(mirror([story(JOY)]))
    assert moved_words.first_step(mirror([healthy(JOY)])) == "Nothing to fix."
    told_once = moved_words.first_step(mirror([misread(JOY, "fear"), healthy("stories/calm.txt")]))
    assert told_once.startswith("1 of 2 stories looks misfiled. n goes to the worst: e edits it")
