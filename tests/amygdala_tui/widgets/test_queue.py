"""The Queue's list: what is to fix, in the order and of the kind that the writer asks for; then what is broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from textual.app import App, ComposeResult

from amygdala_tui.mirror import Mirror
from amygdala_tui.sitting import Tally
from amygdala_tui.widgets.queue import QueueList
from engine.corpus import Problem
from tests.amygdala_tui.making import healthy, mirror, misread, story

CORPUS = mirror(
    [
        misread("paired/bus/weary.txt", "calm", 0),
        misread("stories/joyful.txt", "calm", 1),
        misread("paired/bus/calm.txt", "weary", 2),
        healthy("paired/cake/calm.txt", rank=3),
        story("paired/cake/weary.txt", state="empty"),
    ]
)


class Host(App[None]):
    def __init__(self, corpus: Mirror) -> None:
        super().__init__()
        self.rows = QueueList(id="queue-list")
        self.corpus = corpus

    def compose(self) -> ComposeResult:
        yield self.rows

    def on_mount(self) -> None:
        self.rows.show_mirror(self.corpus, Tally())


@contextmanager
def drawn(rows: QueueList) -> Iterator[list[str]]:
    yield [line.draw(60).plain.rstrip() for line in rows._lines]


def keys(rows: QueueList) -> list[str]:
    return [line.key for line in rows._lines if not line.is_heading]


async def test_what_is_to_fix_stands_first_then_broken_files_and_maybes_are_folded() -> None:
    async with (app := Host(CORPUS)).run_test():
        assert keys(app.rows) == [
            "paired/bus/weary.txt",
            "stories/joyful.txt",
            "paired/bus/calm.txt",
            "paired/cake/weary.txt",
        ]
        app.rows.toggle_maybes()
        assert keys(app.rows)[-1] == "paired/cake/calm.txt"
        with drawn(app.rows) as lines:
            assert lines[0].startswith(" TO FIX  3")
            assert " BROKEN FILES  1" in lines
            assert any(line.startswith(" MAYBE  1") for line in lines)


async def test_stories_to_fix_are_ordered_by_strength_concept_or_scenario() -> None:
    async with (app := Host(CORPUS)).run_test():
        orders = []
        for _ in range(4):
            orders.append([key.split("/")[-1].removesuffix(".txt") for key in keys(app.rows)[:3]])
            app.rows.sort_next()
        by_strength, by_concept, by_scenario, again = orders
        assert by_strength == again == ["weary", "joyful", "calm"]
        assert by_concept == ["calm", "joyful", "weary"]
        assert by_scenario == ["joyful", "weary", "calm"]


async def test_only_the_stories_of_one_concept_or_scenario_are_shown_and_counted_as_before() -> None:
    async with (app := Host(CORPUS)).run_test():
        app.rows.narrow("calm")
        assert keys(app.rows) == ["paired/bus/calm.txt"]
        app.rows.narrow("cake")
        assert keys(app.rows) == ["paired/cake/weary.txt"]
        with drawn(app.rows) as lines:
            assert lines[0].startswith(" TO FIX  3")
            assert "only cake, F: all" in lines[1]
        app.rows.narrow("")
        assert len(keys(app.rows)) == 4


async def test_a_file_that_is_no_story_has_a_row_that_says_why() -> None:
    problem = Problem(path="stories/joy.md", severity="warning", code="ending", message="rename it to joy.txt")
    corpus = mirror([story("stories/joy.txt")])
    async with (app := Host(Mirror(stories=corpus.stories, problems=(problem,)))).run_test():
        assert keys(app.rows) == ["problem:stories/joy.md"]
        with drawn(app.rows) as lines:
            assert any("stories/joy.md" in line and "rename it to joy.txt" in line for line in lines)


async def test_an_empty_corpus_and_a_clean_one_say_so() -> None:
    async with (app := Host(Mirror())).run_test():
        with drawn(app.rows) as lines:
            assert "No story yet: +" in lines[1]
    async with (app := Host(mirror([healthy("stories/joy.txt")]))).run_test():
        with drawn(app.rows) as lines:
            assert "Nothing left to fix." in lines[1]
