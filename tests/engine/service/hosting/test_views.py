"""What a client is shown of stories and concepts, and what is said to have moved."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import pytest

from engine.corpus import Accepted, Change, Corpus, Problem, Story, text_id
from engine.errors import AmygdalaError
from engine.evidence import Camps, Evidence
from engine.results import ConceptQuality, Cost, Results, StoryFit
from engine.service.hosting.moves import State, moved
from engine.service.hosting.story_views import problems, story_views
from engine.service.hosting.views import concept_of, concept_views, differing
from engine.settings import Settings
from engine.wire.snapshot import Moved, Renamed, Stages
from tests.numbers import concept_evidence, concept_quality

CALM = Story(path="stories/calm.txt", concept="calm", scenario=None, text="Calm.", text_id=text_id("Calm."))
EDITED = Story(path="stories/calm.txt", concept="calm", scenario=None, text="Wild.", text_id=text_id("Wild."))
SAD = "stories/sad.txt"
MOVE = Change(path=SAD, kind="moved", old=CALM.path)
NEUTRAL = Story(path="paired/s/baseline.txt", concept=None, scenario="s", text="It.", text_id=text_id("It."))


def results(*concepts: ConceptQuality, own: float | None = 0.123456, without: dict[str, str] | None = None) -> Results:
    fit = StoryFit(
        text_id=CALM.text_id, concept="calm", alignment=0.5, own=own, rival="sad", rival_score=0.98765
    )  # fmt: skip
    return Results(
        layers=[2], hidden_size=1, concepts=list(concepts), fits=[fit], without_vector=without or {},
        truncated=[], max_tokens=512,
    )  # fmt: skip


def judged(misfiled: float) -> Results:
    """Results that judge the story."""
    evidence = Evidence(
        text_id=CALM.text_id, concept="calm", scenario=None, strange=0.0, misfiled=misfiled,
        strength="fair" if misfiled > 0.5 else "none", reads_as="sad", shares=[("sad", misfiled)],
    )  # fmt: skip
    return msgspec.structs.replace(results(concept_quality("calm", first_pc=0.5)), evidence=[evidence])


def corpus(*stories: Story, problems: tuple[Problem, ...] = ()) -> Corpus:
    return Corpus(stories=stories, problems=problems)


def accepting(reason: str, accepted: Story, on_disk: Story | None = None) -> Corpus:
    """A corpus of one story, where the text of one is accepted."""
    entry = Accepted(text_id=accepted.text_id, reason=reason)
    return Corpus(stories=(on_disk or accepted,), problems=(), accepted={accepted.path: entry})


def applied(*stories: Story) -> dict[str, Story]:
    return {story.path: story for story in stories}


def test_story_shows_its_scores_rounded() -> None:
    view = story_views(corpus(CALM), applied(CALM), results(concept_quality("calm", first_pc=0.5)), ())[CALM.path]
    assert (view.state, view.own, view.rival, view.rival_score) == ("ok", 0.1235, "sad", 0.9877)


def test_misread_story_has_its_place_and_reason() -> None:
    view = story_views(corpus(CALM), applied(CALM), judged(0.87654321), ())[CALM.path]
    assert (view.state, view.misread, view.rank, view.misfit) == ("misread", True, 0.123457, 0.8765)
    assert view.shares == [("calm", 0.1235), ("sad", 0.8765)]
    assert view.reason == "reads as sad (88%), not as calm (12%)"


def test_story_that_may_be_off_is_in_the_queue_and_ok() -> None:
    view = story_views(corpus(CALM), applied(CALM), judged(0.3), ())[CALM.path]
    assert (view.state, view.misread, view.rank) == ("ok", False, 1.7)
    assert view.reason.startswith("maybe")


@pytest.mark.parametrize("misfiled", [0.9, 0.3])
def test_accepted_story_is_not_misread_and_has_no_place_and_its_numbers_stay(misfiled: float) -> None:
    before = story_views(corpus(CALM), applied(CALM), judged(misfiled), ())[CALM.path]
    view = story_views(accepting("a dream", CALM), applied(CALM), judged(misfiled), ())[CALM.path]
    assert (view.state, view.misread, view.rank, view.accepted) == ("ok", False, None, "a dream")
    assert view.reason == "accepted: a dream"
    for name in ("misfit", "strength", "shares", "reads_as", "own", "rival_score"):
        assert getattr(view, name) == getattr(before, name)
    without_reason = story_views(accepting("", CALM), applied(CALM), judged(misfiled), ())[CALM.path]
    assert (without_reason.accepted, without_reason.reason) == ("", "accepted as it is")


def test_acceptance_ends_with_the_text_and_holds_for_a_new_one_before_there_are_numbers() -> None:
    edited = story_views(accepting("so", CALM, EDITED), applied(CALM), judged(0.9), ())[CALM.path]
    assert (edited.state, edited.misread, edited.rank, edited.accepted) == ("stale", True, 0.1, None)
    ahead = story_views(accepting("so", EDITED, EDITED), applied(CALM), judged(0.9), ())[CALM.path]
    assert (ahead.state, ahead.misread, ahead.rank, ahead.accepted) == ("stale", False, None, "so")
    assert ahead.reason == "accepted: so; changed since the numbers were computed"


def test_nothing_is_misread_before_stories_are_judged() -> None:
    view = story_views(corpus(CALM), applied(CALM), results(concept_quality("calm", first_pc=0.5), own=-0.9), ())[
        CALM.path
    ]
    assert (view.state, view.misread, view.rank, view.strength) == ("ok", False, None, None)


def test_baseline_has_no_scores() -> None:
    view = story_views(corpus(CALM, NEUTRAL), applied(CALM, NEUTRAL), results(), ())[NEUTRAL.path]
    assert (view.state, view.concept, view.own, view.rank) == ("ok", None, None, None)


def test_edited_story_is_stale_and_says_why() -> None:
    view = story_views(corpus(EDITED), applied(CALM), results(concept_quality("calm", first_pc=0.5)), ())[CALM.path]
    assert view.state == "stale"
    assert "changed since" in view.reason


def test_story_at_work_is_computing() -> None:
    views = story_views(corpus(CALM, NEUTRAL), applied(), None, {CALM.path})
    assert {path: view.state for path, view in views.items()} == {CALM.path: "computing", NEUTRAL.path: "stale"}


def test_story_gone_from_disk_is_gone_from_view() -> None:
    assert story_views(corpus(), applied(CALM), results(concept_quality("calm", first_pc=0.5)), ()) == {}


def test_problem_shows_on_its_story_or_on_a_view_of_its_own() -> None:
    found = (
        Problem(path=CALM.path, severity="error", code="duplicate", message="twice"),
        Problem(path="paired/s/hush.txt", severity="warning", code="empty", message="empty"),
        Problem(path="paired/s/baseline.txt", severity="error", code="unreadable", message="not UTF-8"),
        Problem(path="paired/locked", severity="error", code="unreadable", message="cannot be read"),
    )
    views = story_views(corpus(CALM, problems=found), applied(CALM), results(concept_quality("calm", first_pc=0.5)), ())
    assert {path: (view.state, view.concept, view.scenario) for path, view in views.items()} == {
        CALM.path: ("duplicate", "calm", None),
        "paired/s/hush.txt": ("empty", "hush", "s"),
        "paired/s/baseline.txt": ("error", None, "s"),
    }
    assert views[CALM.path].own == 0.1235
    assert "twice" in views[CALM.path].reason


def test_story_that_is_left_out_is_named_and_shown_for_as_long_as_its_text_stays() -> None:
    refused = msgspec.structs.replace(results(), fits=[], left_out={CALM.text_id: "no token of it"})
    twice = Problem(path=CALM.path, severity="error", code="duplicate", message="twice")
    first = Problem(path="paired/s/hush.txt", severity="warning", code="empty", message="empty")
    disk = corpus(NEUTRAL, CALM, problems=(first, twice))
    view = story_views(disk, applied(CALM, NEUTRAL), refused, ())[CALM.path]
    assert view.state == "left-out"
    assert view.reason == "left out, since the model cannot take it: no token of it; change it or remove it"
    told = problems(disk, applied(CALM, NEUTRAL), refused)
    assert [(problem.path, problem.code) for problem in told] == [
        ("paired/s/hush.txt", "empty"),
        (CALM.path, "left-out"),
        (CALM.path, "duplicate"),
    ]
    assert problems(corpus(EDITED), applied(CALM), refused) == ()
    assert story_views(corpus(EDITED), applied(CALM), refused, ())[CALM.path].state == "stale"
    assert problems(corpus(CALM), {}, refused) == problems(corpus(CALM), applied(CALM), None) == ()


def test_warning_about_case_leaves_the_state() -> None:
    problem = Problem(path=CALM.path, severity="warning", code="case", message="two concepts")
    views = story_views(
        corpus(CALM, problems=(problem,)), applied(CALM), results(concept_quality("calm", first_pc=0.5)), ()
    )
    assert views[CALM.path].state == "ok"
    assert "two concepts" in views[CALM.path].reason


def test_concept_without_vector_says_why_among_the_others() -> None:
    views = concept_views(results(concept_quality("sad", first_pc=0.5), without={"calm": "too few"}), Settings())
    assert [(view.name, view.verdict is None, view.reason) for view in views] == [
        ("calm", True, "too few"),
        ("sad", False, ""),
    ]
    assert concept_views(None, Settings()) == []


@pytest.mark.parametrize("p_value", [0.001, 0.5])
def test_camps_are_sent_only_where_the_verdict_tells_of_them(p_value: float) -> None:
    named = [concept_evidence(name, camps=Camps(p_value=p_value, smaller=[("t1", None)])) for name in "abc"]
    told = msgspec.structs.replace(results(*(concept_quality(name) for name in "abc")), concept_evidence=named)
    views = concept_views(told, Settings())
    assert [view.evidence.camps is not None for view in views if view.evidence] == [p_value < 0.01] * 3


def state(*concepts: ConceptQuality) -> State:
    return State({}, concept_views(results(*concepts), Settings()), 2)


STAGES = Stages(scanning=0.01, waiting=0.02, forward=0.03, statistics=0.04, showing=0.05)


def told(before: State, after: State, affected: Collection[str], changes: Sequence[Change] = ()) -> Moved:
    return moved(
        before, after, cause="edited", changes=list(changes), affected=affected, cost=Cost(texts_run=1), stages=STAGES
    )


def moves(before: State, after: State, *affected: str) -> list[tuple[str, bool]]:
    told_moves = told(before, after, affected)
    return [(move.concept, move.affected) for move in told_moves.concepts]


def test_concepts_that_moved_visibly_are_listed_affected_ones_first() -> None:
    before = state(
        concept_quality("calm", first_pc=0.5),
        concept_quality("proud", first_pc=0.5),
        concept_quality("sad", first_pc=0.5),
        concept_quality("wild", first_pc=0.5),
    )
    after = state(
        concept_quality("calm", first_pc=0.51),
        concept_quality("proud", first_pc=0.5),
        concept_quality("sad", first_pc=0.51),
        concept_quality("wild", first_pc=0.5041),
    )
    assert moves(before, after, "sad", "proud") == [("sad", True), ("calm", False)]


def test_concept_that_changes_its_bucket_is_listed_however_little_it_moved() -> None:
    assert moves(state(concept_quality("calm", first_pc=0.4001)), state(concept_quality("calm", first_pc=0.3999))) == [
        ("calm", False)
    ]


def test_concept_that_comes_or_goes_is_listed() -> None:
    assert moves(state(), state(concept_quality("calm", first_pc=0.5)), "calm") == [("calm", True)]
    assert moves(state(concept_quality("calm", first_pc=0.5)), state(), "calm") == [("calm", True)]


def test_move_tells_numbers_before_and_after() -> None:
    before, after = (
        state(concept_quality("calm", first_pc=0.5, r_squared=0.1)),
        state(concept_quality("calm", first_pc=0.3, r_squared=0.95)),
    )
    (move,) = told(before, after, {"calm"}).concepts
    assert move.bucket == ("mixed", "fragmented · redundant")
    assert (move.first_pc, move.nearest, move.r_squared) == ((0.5, 0.3), (0.3, 0.3), (0.1, 0.95))


def test_changed_story_tells_how_it_read_before_and_after() -> None:
    before, after = (
        State(story_views(corpus(CALM), applied(CALM), each, ()), [], 2) for each in (judged(0.9), judged(0.2))
    )
    told_moves = told(before, after, {"calm"}, [Change(path=CALM.path, kind="edited")])
    (story,) = told_moves.stories
    assert (story.misfit, story.own_share, story.strength) == ((0.9, 0.2), (0.1, 0.8), ("fair", "none"))
    assert told_moves.queue == (1, 0)


def test_moved_story_tells_the_share_that_its_new_concept_had_and_has() -> None:
    before = State(story_views(corpus(CALM), applied(CALM), judged(0.9), ()), [], 2)
    view = before.stories[CALM.path]
    sad = msgspec.structs.replace(view, path=SAD, concept="sad", misfit=0.02, strength="none", shares=[("sad", 0.98)])
    (story,) = told(before, State({SAD: sad}, [], 2), (), [MOVE]).stories
    assert (story.path, story.misfit, story.own_share) == (SAD, (0.9, 0.02), (0.9, 0.98))


def test_renamed_concept_keeps_its_numbers_and_its_stories_theirs() -> None:
    before = State(
        story_views(corpus(CALM), applied(CALM), judged(0.2), ()),
        concept_views(results(concept_quality("calm", first_pc=0.5)), Settings()),
        2,
    )
    sad = msgspec.structs.replace(before.stories[CALM.path], path=SAD, concept="sad", shares=[("sad", 0.8)])
    for first_pc, moved_names in ((0.5, []), (0.4, ["sad"])):
        concepts = concept_views(results(concept_quality("sad", first_pc=first_pc)), Settings())
        telling = moved(
            before, State({SAD: sad}, concepts, 2), cause="edited", changes=[MOVE], affected={"sad"}, cost=Cost(),
            stages=STAGES, renamed=[Renamed(kind="concept", old="calm", new="sad")],
        )  # fmt: skip
        assert [move.concept for move in telling.concepts] == moved_names
        assert telling.stories[0].own_share == (0.8, 0.8)


def test_seconds_are_those_of_the_stages() -> None:
    assert told(state(), state(), ()).seconds == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("path", "concept"),
    [("stories/calm.txt", "calm"), ("paired/a night/calm.txt", "calm"), ("stories/cafe\u0301.txt", "caf\u00e9")],
)
def test_concept_follows_from_a_storys_place(path: str, concept: str) -> None:
    assert concept_of(path) == concept


@pytest.mark.parametrize(
    "path",
    [
        "", "calm.txt", "/etc/calm.txt", "../stories/calm.txt", "stories/../calm.txt", "stories/calm",
        "paired/calm.txt", "stories/a/calm.txt",
        "paired/../calm.txt", "paired/a/../calm.txt", "stories//calm.txt", "stories/calm\n.txt",
        "paired/a/baseline.txt", "./stories/calm.txt",
    ],
)  # fmt: skip
def test_what_is_no_place_for_a_concepts_story_is_refused(path: str) -> None:
    with pytest.raises(AmygdalaError, match=r"no place for a story|baseline"):
        concept_of(path)


def test_difference_names_what_is_new_and_what_is_gone() -> None:
    assert differing({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5}) == ([4, 5], ["a"])
