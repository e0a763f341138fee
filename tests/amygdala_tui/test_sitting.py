"""The way through the queue leads to the worst first, to each story once, and back the same way."""

from __future__ import annotations

from amygdala_tui.sitting import Sitting
from tests.amygdala_tui.making import misread, story

LOOSE = story("stories/loose.txt", rank=0)
WORST, SECOND = misread("stories/worst.txt", "calm", 1), misread("stories/second.txt", "calm", 2)
QUEUE = [LOOSE, WORST, SECOND]
ALL = {view.path for view in QUEUE} | {"stories/start.txt"}


def test_misread_stories_come_first_and_each_comes_once() -> None:
    sitting, path = Sitting(), None
    visited = []
    while (path := sitting.next(QUEUE, (), path)) is not None:
        visited.append(path)
    assert visited == [WORST.path, SECOND.path, LOOSE.path]
    assert sitting.next([], (), None) is None


def test_the_way_back_is_the_way_that_led_here_from_the_start() -> None:
    sitting = Sitting()
    assert sitting.next(QUEUE, (), "stories/start.txt") == WORST.path
    assert sitting.next(QUEUE, (), WORST.path) == SECOND.path
    assert sitting.back(ALL, SECOND.path) == WORST.path
    assert sitting.back(ALL, WORST.path) == "stories/start.txt"
    assert sitting.back(ALL, "stories/start.txt") is None


def test_a_story_that_is_gone_is_passed_over_on_the_way_back() -> None:
    sitting = Sitting()
    sitting.next(QUEUE, (), "stories/start.txt")
    sitting.next(QUEUE, (), WORST.path)
    assert sitting.back(ALL - {WORST.path}, SECOND.path) == "stories/start.txt"


def test_a_story_that_the_writer_chose_by_hand_counts_as_visited() -> None:
    sitting = Sitting()
    assert sitting.next(QUEUE, (), WORST.path) == SECOND.path
