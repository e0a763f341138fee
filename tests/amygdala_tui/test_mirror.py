"""The client's copy follows the engine's, and knows when it does not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amygdala_tui.mirror import KEPT_MOVES, Mirror, OutOfStep, follow, from_disk
from engine.corpus import Corpus, Problem, Story
from engine.results import Cost
from engine.service.hosting.views import differing
from engine.wire.protocol import Changed, Progressed
from engine.wire.snapshot import Doing, Moved, Stages, StoryView
from tests.amygdala_tui.making import concept, mirror, misread, snapshot, story


def moved(revision: int) -> Moved:
    work = Cost(texts_run=1, texts_cached=0, seconds_forward=0.1, seconds_statistics=0.1)
    stages = Stages(scanning=0.0, waiting=0.0, forward=0.1, statistics=0.1, showing=0.0)
    return Moved(
        revision=revision, cause="edited", changes=[], cost=work, seconds=0.2, stages=stages, concepts=[], stories=[],
        queue=(0, 0),
    )  # fmt: skip


def changed(base: int, revision: int, **fields: Any) -> Changed:
    empty: dict[str, Any] = {
        "layers": [2],
        "stories": [],
        "removed": [],
        "concepts": None,
        "problems": [],
        "moved": None,
    }
    return Changed(corpus="/c", base=base, revision=revision, **(empty | fields))


def test_before_any_engine_the_stories_on_disk_are_there() -> None:
    corpus = Corpus(
        stories=(Story(path="stories/joy.txt", concept="joy", scenario=None, text="x", text_id="1"),), problems=()
    )
    on_disk = from_disk(corpus)
    assert list(on_disk.stories) == ["stories/joy.txt"]
    assert on_disk.revision == 0
    assert on_disk.doing is None


def test_an_engine_that_has_not_scanned_yet_does_not_empty_the_tree() -> None:
    from_scan = mirror([story("stories/joy.txt")], revision=0)
    unscanned = msgspec.structs.replace(snapshot([], revision=0), doing=Doing(state="scanning"))
    assert follow(from_scan, unscanned).stories == from_scan.stories
    assert follow(from_scan, snapshot([], revision=0)).stories == {}


def test_problems_that_were_mended_while_the_studio_was_away_are_gone() -> None:
    problem = Problem(path="stories/joy.txt", severity="error", code="unreadable", message="no UTF-8")
    before = follow(Mirror(), msgspec.structs.replace(snapshot([]), problems=[problem]))
    assert before.problems == (problem,)
    scanning = msgspec.structs.replace(snapshot([]), doing=Doing(state="scanning"))
    assert follow(before, scanning).problems == (problem,)
    assert follow(before, snapshot([])).problems == ()


def test_a_change_replaces_adds_and_removes() -> None:
    before = mirror([story("stories/joy.txt"), story("stories/fear.txt")], [concept("joy")])
    after = follow(
        before,
        changed(
            1, 2, stories=[misread("stories/joy.txt", "fear")], removed=["stories/fear.txt"], concepts=[concept("x")]
        ),
    )
    assert list(after.stories) == ["stories/joy.txt"]
    assert after.stories["stories/joy.txt"].state == "misread"
    assert list(after.concepts) == ["x"]
    assert after.revision == 2


def test_a_change_of_states_alone_keeps_the_concepts() -> None:
    before = mirror([story("stories/joy.txt")], [concept("joy")])
    after = follow(before, changed(1, 1, stories=[story("stories/joy.txt", state="stale")]))
    assert list(after.concepts) == ["joy"]
    assert after.stories["stories/joy.txt"].state == "stale"


def test_a_missed_revision_is_noticed() -> None:
    with pytest.raises(OutOfStep):
        follow(mirror([]), changed(2, 3))


def test_progress_touches_nothing_else() -> None:
    before = mirror([story("stories/joy.txt")])
    after = follow(before, Progressed(corpus="/c", doing=Doing(state="computing", done=3, total=9)))
    assert after.stories is before.stories
    assert after.doing == Doing(state="computing", done=3, total=9)


def test_moves_are_remembered_newest_first_once_each_and_not_for_ever() -> None:
    state = mirror([], revision=0)
    for revision in range(1, KEPT_MOVES + 10):
        state = follow(state, changed(revision - 1, revision, moved=moved(revision)))
        state = follow(state, changed(revision, revision, moved=moved(revision)))
    assert len(state.moves) == KEPT_MOVES
    assert [move.revision for move in state.moves[:2]] == [KEPT_MOVES + 9, KEPT_MOVES + 8]


def test_the_queue_is_worst_first() -> None:
    state = mirror([misread("stories/b.txt", "x", 1), story("stories/c.txt"), misread("stories/a.txt", "x", 0)])
    assert [view.path for view in state.queue] == ["stories/a.txt", "stories/b.txt"]


def test_a_concepts_stories_come_likeliest_to_be_off_first_and_unjudged_last() -> None:
    state = mirror(
        [
            story("stories/joy.txt", misfit=0.1),
            story("paired/a/joy.txt"),
            story("paired/b/joy.txt", misfit=0.6),
            story("paired/b/fear.txt", misfit=0.9),
        ]
    )
    assert [view.path for view in state.stories_of("joy")] == [
        "paired/b/joy.txt",
        "stories/joy.txt",
        "paired/a/joy.txt",
    ]


states = st.sampled_from(["ok", "stale", "computing", "empty"])
story_sets = st.dictionaries(st.sampled_from([f"stories/{name}.txt" for name in "abcdef"]), states, max_size=6)


@given(st.lists(story_sets, max_size=8))
def test_following_differences_ends_where_a_snapshot_would(history: list[dict[str, str]]) -> None:
    """What the server sends (`views.differing`) and what the client makes of it agree, whatever happened between."""
    views: dict[str, StoryView] = {}
    state = follow(Mirror(), snapshot([], revision=1))
    for revision, states_now in enumerate(history, 2):
        now = {path: story(path, state=state_now) for path, state_now in states_now.items()}
        different, removed = differing(views, now)
        views = now
        state = follow(state, changed(revision - 1, revision, stories=different, removed=removed))
    assert state.stories == views
