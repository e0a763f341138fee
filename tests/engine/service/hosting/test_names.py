"""A concept or a scenario that was renamed is told as one, and a concept that ended is told to be gone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.corpus import Story, diff, text_id
from engine.service.hosting.names import ended, renamed
from engine.wire.snapshot import Ended, Renamed

Place = tuple[str | None, str | None, str]
"""Scenario, concept, text."""
SHAMES: list[Place] = [("s", "ashamed", "1"), ("t", "ashamed", "2"), (None, "ashamed", "3"), ("s", "sad", "4")]


def stories(places: Sequence[Place]) -> dict[str, Story]:
    made = [
        Story(
            path=f"{'stories' if scenario is None else f'paired/{scenario}'}/{concept or 'baseline'}.txt",
            concept=concept,
            scenario=scenario,
            text=text,
            text_id=text_id(text),
        )
        for scenario, concept, text in places
    ]
    return {story.path: story for story in made}


def told(before: Sequence[Place], after: Sequence[Place]) -> tuple[list[Renamed], list[Ended]]:
    old, new = stories(before), stories(after)
    changes = diff(old.values(), new.values())
    return renamed(changes, old, new), ended(changes, old, new)


def as_concept(places: Sequence[Place], concept: str) -> list[Place]:
    return [(scenario, concept if name == "ashamed" else name, text) for scenario, name, text in places]


def test_a_concept_all_of_whose_stories_have_a_new_name_is_renamed() -> None:
    renamings = told(SHAMES, as_concept(SHAMES, "embarrassed"))
    assert renamings == ([Renamed(kind="concept", old="ashamed", new="embarrassed")], [])


def test_a_scenario_all_of_whose_stories_moved_is_renamed_and_no_concept_is() -> None:
    before: list[Place] = [*SHAMES, ("s", None, "5")]
    after: list[Place] = [("x" if scenario == "s" else scenario, concept, text) for scenario, concept, text in before]
    assert told(before, after) == ([Renamed(kind="scenario", old="s", new="x")], [])


@pytest.mark.parametrize(
    ("after", "n_moved"),
    [
        pytest.param([*as_concept(SHAMES[:2], "embarrassed"), *SHAMES[2:]], None, id="one story keeps the name"),
        pytest.param([*as_concept(SHAMES[:2], "embarrassed"), SHAMES[3]], 2, id="one story is deleted"),
        pytest.param([*as_concept(SHAMES[:1], "x"), *as_concept(SHAMES[1:], "y")], 3, id="it becomes two concepts"),
        pytest.param(
            [(None, "sad", "3"), ("t", "sad", "2"), ("s", "sad", "4"), ("u", "sad", "1")], 3, id="it joins one"
        ),
    ],
)
def test_what_is_less_or_more_than_another_name_is_no_rename(after: list[Place], n_moved: int | None) -> None:
    renames, ends = told(SHAMES, after)
    assert [each for each in renames if each.kind == "concept"] == []
    assert ends == ([] if n_moved is None else [Ended(concept="ashamed", n_deleted=3 - n_moved, n_moved=n_moved)])


def test_two_concepts_that_become_one_are_not_renamed() -> None:
    before: list[Place] = [("s", "a", "1"), ("t", "b", "2")]
    renames, ends = told(before, [("s", "c", "1"), ("t", "c", "2")])
    assert renames == []
    assert [end.concept for end in ends] == ["a", "b"]


def test_a_concept_whose_only_story_was_deleted_is_gone() -> None:
    assert told(SHAMES, SHAMES[:3]) == ([], [Ended(concept="sad", n_deleted=1, n_moved=0)])


def test_an_edit_renames_nothing() -> None:
    assert told(SHAMES, [*SHAMES[:3], ("s", "sad", "anew")]) == ([], [])
