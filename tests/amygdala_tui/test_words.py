"""Numbers as words."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from amygdala_tui import words
from amygdala_tui.actions import ACTIONS
from amygdala_tui.mirror import Mirror
from amygdala_tui.screens.studio import StudioScreen
from engine.plain import JOINERS, plain
from engine.results import Cost
from engine.wire.snapshot import Doing, StoryState
from tests.amygdala_tui.making import misread, story

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


def test_one_thing_is_singular() -> None:
    assert [words.counted(count, "story", "stories") for count in (0, 1, 2)] == ["0 stories", "1 story", "2 stories"]


def test_a_long_name_is_cut_in_its_middle() -> None:
    assert words.fit("a-person-waits-for-a-train-s1", 16) == "a-person-w…in-s1"
    assert words.fit("night-bus", 16) == "night-bus"


def test_bars_and_sparklines_stay_in_their_width() -> None:
    assert words.bar(0.5, 10) == words.BAR * 5
    assert words.bar(7.0, 10) == words.BAR * 10
    assert words.sparkline([-1.0, 0.0, 1.0, 2.0]) == "▁▁██"


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
