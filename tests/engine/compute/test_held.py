"""However server and worker come to differ about a corpus, the worker notices, and the whole makes them one again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.compute.held import HeldCorpora, Task
from engine.compute.statistics.steps import run
from engine.corpus import Story, text_id
from engine.service.process.told import Told
from engine.settings import Settings
from engine.wire import jobs

SETTINGS = Settings(model="m", target_layers="1")
TREES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("uvwxyz"), min_size=1)


def stories(tree: dict[str, str]) -> list[Story]:
    return [
        Story(path=f"stories/{name}.txt", concept=name, scenario=None, text=text, text_id=text_id(text))
        for name, text in tree.items()
    ]


def task(job: jobs.Apply) -> Task:
    return Task(job.urgency, job.job, job)


@given(st.lists(st.tuples(TREES, st.sampled_from(["arrives", "is lost", "the worker begins anew"])), min_size=1))
def test_a_change_is_taken_in_as_told_or_not_at_all(changes: list[tuple[dict[str, str], str]]) -> None:
    told, held = Told(SETTINGS), HeldCorpora()
    number = 0
    for tree, fate in changes:
        number += 1
        job = told.apply("c", number, stories(tree), (), jobs.Urgency.EDIT, ())
        if fate == "is lost":
            continue
        if fate == "the worker begins anew":
            held = HeldCorpora()
        taken = task(job)
        if not held.take_in(job, taken):
            number += 1
            told = Told(SETTINGS)
            job = told.apply("c", number, stories(tree), (), jobs.Urgency.EDIT, ())
            taken = task(job)
            assert held.take_in(job, taken)
        assert {place.concept: taken.texts[place.text_id] for place in taken.placements} == tree


def test_the_whole_again_leaves_the_state_of_a_corpus() -> None:
    held = HeldCorpora()
    job = Told(SETTINGS).apply("c", 1, stories({"a": "u"}), (), jobs.Urgency.EDIT, ())
    assert held.take_in(job, task(job))
    held["c"].applied = 1
    again = Told(SETTINGS).apply("c", 2, stories({"a": "v"}), (), jobs.Urgency.EDIT, ())
    assert held.take_in(again, task(again))
    assert held["c"].applied == 1
    assert [place.text_id for place in held["c"].stories.values()] == [text_id("v")]
    other = Told(Settings(model="m", target_layers="2")).apply("c", 3, [], (), jobs.Urgency.EDIT, ())
    assert held.take_in(other, task(other))
    assert held["c"].applied == 0


def test_the_wording_is_made_once_for_the_same_stories() -> None:
    held, told = HeldCorpora(), Told(SETTINGS)

    def change(number: int, tree: dict[str, str]) -> None:
        job = told.apply("c", number, stories(tree), (), jobs.Urgency.EDIT, ())
        assert held.take_in(job, task(job))

    change(1, {"a": "u v w"})
    first = run(held["c"].wording())
    change(2, {"a": "u v w"})
    assert run(held["c"].wording()) is first
    change(3, {"a": "u v w", "b": "x"})
    building = held["c"].wording()
    next(building)
    change(4, {"a": "z"})
    of_before = run(building)
    assert of_before is not first
    assert run(held["c"].wording()) is not of_before
