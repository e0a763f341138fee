"""A worker is told where each story stands, and only what differs."""

from __future__ import annotations

from engine.corpus import Story, text_id
from engine.service.process.told import Told
from engine.settings import Settings
from engine.wire import jobs
from engine.wire.jobs import Placement


def story(scenario: str | None, concept: str | None, text: str) -> Story:
    name = concept or "baseline"
    path = f"stories/{name}.txt" if scenario is None else f"paired/{scenario}/{name}.txt"
    return Story(path=path, concept=concept, scenario=scenario, text=text, text_id=text_id(text))


STORIES = [story(None, "calm", "u"), story("bus", "calm", "v"), story("bus", None, "w")]


def apply(told: Told, number: int, stories: list[Story]) -> jobs.Apply:
    return told.apply("c", number, stories, (), jobs.Urgency.EDIT, ())


def test_each_story_is_told_with_its_concept_and_its_scenario() -> None:
    expected = {
        "stories/calm.txt": Placement(text_id("u"), "calm", None),
        "paired/bus/calm.txt": Placement(text_id("v"), "calm", "bus"),
        "paired/bus/baseline.txt": Placement(text_id("w"), None, "bus"),
    }
    assert apply(Told(Settings(model="m")), 1, STORIES).placements == expected
    swept = Told(Settings(model="m", target_layers="auto")).prepare("c", 1, STORIES, [], (), ())
    assert swept.placements == list(expected.values())


def test_story_that_moves_to_another_scenario_is_told_without_its_text() -> None:
    told = Told(Settings(model="m"))
    apply(told, 1, STORIES)
    job = apply(told, 2, [*STORIES[:1], story("rain", "calm", "v"), *STORIES[2:]])
    assert job.placements == {"paired/rain/calm.txt": Placement(text_id("v"), "calm", "rain")}
    assert job.gone == ["paired/bus/calm.txt"]
    assert (job.texts, job.dropped) == ({}, [])
