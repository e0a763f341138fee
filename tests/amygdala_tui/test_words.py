"""Numbers as words."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from amygdala_tui import words
from amygdala_tui.actions import ACTIONS
from amygdala_tui.mirror import Mirror, accepting
from amygdala_tui.screens.studio import StudioScreen
from amygdala_tui.sitting import Opened
from engine.corpus import Change
from engine.plain import JOINERS, plain
from engine.results import Cost
from engine.wire.snapshot import ConceptMove, Doing, Ended, Moved, Renamed, Stages, StoryMove, StoryState
from tests.amygdala_tui.making import healthy, mirror, misread, story

COST = Cost(texts_run=1, texts_cached=0, seconds_forward=0.1, seconds_statistics=0.1)


@given(st.text())
def test_no_control_character_of_a_story_reaches_the_terminal(text: str) -> None:
    assert all(char == "\n" or char.isprintable() or char in JOINERS for char in plain(text))


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0x7E)))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert plain(text) == text


def test_an_escape_sequence_is_shown_not_sent() -> None:
    assert plain("\x1b[31mred") == "␛[31mred"


def test_every_state_has_a_sign_of_its_own_besides_its_colour() -> None:
    assert words.SIGNS.keys() == set(get_args(StoryState))
    signs = [sign for sign, _ in words.SIGNS.values()]
    assert len(set(signs)) == len(signs)


def test_a_misread_story_says_what_it_reads_as() -> None:
    assert words.state_sign(misread("stories/joy.txt", "fear")).plain == "! fear"
    assert words.state_sign(story("stories/joy.txt")).plain == ""


@pytest.mark.parametrize(("seconds", "expected"), [(0.038, "38 ms"), (1.26, "1.3 s"), (42, "42 s"), (61, "1 min 1 s")])
def test_durations(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("stories/joy.txt", "joy"), ("paired/night-bus/joy.txt", "night-bus / joy")]
)
def test_titles(path: str, expected: str) -> None:
    assert words.title(path) == expected


JOY = "stories/joy.txt"


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
    line = words.moved_line(edited(last_save), opened, now).plain
    assert line.startswith("cleared: as joy 10 → 98 % · newly misread: b · rev 4 · joy edited")
    assert words.moved_line(edited(last_save, (6, 5))).plain.startswith(
        "no change: as joy 96 → 98 % · to fix 6 → 5 · rev 4"
    )


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
    told = words.verdict(words.Standing(*before), words.Standing(*now), "joy")
    assert told is not None
    assert told.plain == said


def test_of_a_story_that_was_not_judged_there_is_no_verdict() -> None:
    assert words.verdict(words.Standing(0.9, 0.1, True), words.Standing(None, None, False), "joy") is None


def test_one_thing_is_singular() -> None:
    assert [words.counted(count, "story", "stories") for count in (0, 1, 2)] == ["0 stories", "1 story", "2 stories"]


def test_a_long_name_is_cut_in_its_middle() -> None:
    assert words.fit("a-person-waits-for-a-train-s1", 16) == "a-person-w…in-s1"
    assert words.fit("night-bus", 16) == "night-bus"


def test_bars_and_sparklines_stay_in_their_width() -> None:
    assert words.bar(0.5, 10) == words.BAR * 5
    assert words.bar(7.0, 10) == words.BAR * 10
    assert words.sparkline([-1.0, 0.0, 1.0, 2.0]) == "▁▁██"


def test_a_story_that_was_accepted_after_its_edit_is_called_accepted_not_cleared() -> None:
    opened = {JOY: Opened(revision=1, story=misread(JOY, "fear"), misread=frozenset({JOY}))}
    last_save = StoryMove(path=JOY, misfit=(0.9, 0.9), own_share=(0.1, 0.1), strength=("fair", "fair"))
    now = accepting(mirror([misread(JOY, "fear")], revision=4), JOY, "a dream")
    assert words.moved_line(edited(last_save), opened, now).plain.startswith("accepted: a dream · rev 4")


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
    line = words.moved_line(moved).plain
    assert line.startswith(
        "cleared: as lonely 10 → 80 % · to fix 17 → 16 · rev 42 · night-bus / lonely edited, 1 text run, 38 ms · "
    )
    assert "lonely contaminated → mixed first PC 0.40 → 0.50 nearest 0.86 → 0.61 · anxious nearest" in line
    assert line.endswith("anxious nearest 0.86 → 0.61")


@pytest.mark.parametrize(
    ("mirror", "away", "expected"),
    [
        (Mirror(), "", "○ looking for the engine"),
        (Mirror(), "lost", "○ no engine"),
        (Mirror(doing=Doing(state="ready")), "", "● up to date"),
        (Mirror(doing=Doing(state="failed", detail="x")), "", "x failed (8: why)"),
        (
            Mirror(doing=Doing(state="computing", done=10, total=110, rate=50.0, left=2.0)),
            "",
            "◌ reading 100 stories, 2.0 s left",
        ),
    ],
)
def test_the_engines_state_is_always_a_sign_and_a_word(mirror: Mirror, away: str, expected: str) -> None:
    assert words.engine_state(mirror, away).plain == expected


def test_every_action_can_be_done_and_has_an_id_and_a_key_of_its_own() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    assert len({action.key for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert callable(getattr(StudioScreen, f"action_{action.method.partition('(')[0]}"))


def test_where_a_revisions_time_went_is_told_stage_by_stage() -> None:
    stages = Stages(scanning=0.001, waiting=0.002, forward=0.03, statistics=0.008, showing=1.5)
    moved = Moved(
        revision=2, cause="retrained", changes=[], cost=COST, seconds=1.541, stages=stages, concepts=[], stories=[],
        queue=(0, 0),
    )  # fmt: skip
    assert words.stages(moved) == "looking 1 ms, waiting 2 ms, model 30 ms, statistics 8 ms, showing 1.5 s"
    assert words.cause(moved).startswith("retrained, ")


@pytest.mark.parametrize(
    "name", ["悲しい出来事のあとの静けさ", "very sad indeed, all day", "a悲b出c来d事eあfとgのh", "🎂" * 12]
)
@pytest.mark.parametrize("width", [10, 11, 14, 20])
def test_a_name_is_cut_by_cells_and_keeps_its_end(name: str, width: int) -> None:
    cut = words.fit(name, width)
    assert width - 3 <= cell_len(cut) <= width
    assert cut.endswith(name[-2:])
    assert cut.startswith(name[:2])
    assert "…" in cut


def test_a_move_and_a_rename_are_told_as_one() -> None:
    last_save = StoryMove(path=JOY, misfit=(0.9, 0.02), own_share=(0.81, 0.97), strength=("strong", "none"))
    moved = msgspec.structs.replace(
        edited(last_save), changes=[Change(path=JOY, kind="moved", old="stories/ashamed.txt")]
    )
    assert words.moved_line(moved).plain.startswith("cleared: as joy 81 → 97 % · rev 4 · ashamed moved to joy, ")
    elsewhere = Change(path="paired/t/b.txt", kind="moved", old="paired/s/a.txt")
    assert words.change_words(elsewhere) == "s / a moved to t / b"
    renamed = msgspec.structs.replace(moved, renamed=[Renamed(kind="concept", old="ashamed", new="embar\x1brassed")])
    assert "· renamed ashamed → embar␛rassed, " in words.moved_line(renamed).plain


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
    line = words.moved_line(msgspec.structs.replace(edited(last_save), concepts=[move], ended=[ended])).plain
    assert line.startswith(f"{said} · rev 4")
    assert "no vector" not in line
