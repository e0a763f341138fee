"""Whatever a writer and an engine do, in any order: what is lit is what every action acts on."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from amygdala_tui.messages import EngineSaid
from amygdala_tui.mirror import Mirror, accepting
from engine.wire.snapshot import Doing
from tests.amygdala_tui.making import misread, story
from tests.amygdala_tui.studying import (
    CONCEPTS,
    SCENARIOS,
    assert_the_light_is_the_selection,
    corpus_of,
    studied,
    with_moved,
    with_story,
    without_story,
)

BURSTS = ["/joy\r\r", "/bus\r", "/nowhere\r", "/w\rj", "jj", "3j", "2j\r", "4jj", "/calm\ri", "3jc", "4\rc", "jic"]
KEYS = [*"jjkkgG1234bsnNhlmiw8ccfCoi", "enter", "escape", "tab", "pagedown", "space", "space"]


def changed(corpus: Mirror, chance: random.Random) -> Mirror:
    """What an engine tells after somebody has done something to a story, a concept or a scenario."""
    stories = corpus.stories
    path = chance.choice([*stories, *corpus_of().stories])
    match chance.choice(["judged", "healed", "gone", "accepted", "filed", "concept", "scenario"]):
        case "judged":
            return with_story(corpus, misread(path, "calm", chance.randrange(9)))
        case "healed":
            return with_story(corpus, story(path))
        case "accepted":
            return accepting(corpus, path, chance.choice(["so", None]))
        case "filed" if path in stories:
            new = str(PurePosixPath(path).with_name(f"{chance.choice([*CONCEPTS, 'glad'])}.txt"))
            return corpus if new in stories else with_moved(corpus, {path: new})
        case "concept":
            old, new = chance.sample([*CONCEPTS, "glad"], 2)
            files = {each: each.replace(f"/{old}.txt", f"/{new}.txt") for each in stories if f"/{old}.txt" in each}
            return corpus if not files or set(files.values()) & stories.keys() else with_moved(corpus, files)
        case "scenario":
            old, new = chance.sample([*SCENARIOS, "ferry"], 2)
            files = {each: each.replace(f"/{old}/", f"/{new}/") for each in stories if f"/{old}/" in each}
            return corpus if not files or set(files.values()) & stories.keys() else with_moved(corpus, files)
        case _:
            return without_story(corpus, path)


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_whatever_came_before_the_lit_row_is_what_every_action_acts_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, size: tuple[int, int]
) -> None:
    chance = random.Random(seed)
    corpus = corpus_of()
    async with studied(tmp_path, monkeypatch, corpus, size) as (app, pilot):
        for _ in range(60):
            match chance.randrange(4):
                case 0:
                    app.burst(*chance.choice(BURSTS))
                case 1:
                    corpus = changed(corpus, chance)
                    app.post_message(EngineSaid(corpus))
                case _:
                    await pilot.press(chance.choice(KEYS))
            await pilot.pause()
            assert_the_light_is_the_selection(app)


async def test_the_selection_and_the_marks_follow_a_renamed_concept_and_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of()
    async with studied(tmp_path, monkeypatch, corpus) as (app, pilot):
        await pilot.press("space")
        assert list(app.studio.marked) == ["paired/bus/calm.txt"]
        assert app.studio.path == "paired/bus/joyful.txt"
        files = {path: path.replace("/joyful.", "/glad.") for path in corpus.stories if "/joyful." in path}
        corpus = with_moved(corpus, files)
        app.post_message(EngineSaid(corpus))
        await pilot.pause()
        assert app.studio.path == "paired/bus/glad.txt"
        files = {path: path.replace("/bus/", "/ferry/") for path in corpus.stories if "/bus/" in path}
        app.post_message(EngineSaid(with_moved(corpus, files)))
        await pilot.pause()
        assert app.studio.path == "paired/ferry/glad.txt"
        assert list(app.studio.marked) == ["paired/ferry/calm.txt"]
        assert_the_light_is_the_selection(app)


async def test_a_story_that_may_have_moved_stays_the_selection_until_the_engine_has_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine shows the new file before it tells, with the next revision, that it is the old one's text."""
    old, new = "paired/bus/joyful.txt", "paired/bus/glad.txt"
    corpus = corpus_of()
    async with studied(tmp_path, monkeypatch, corpus) as (app, pilot):
        await pilot.press("space")
        moved = with_moved(corpus, {old: new})
        half = replace(moved, revision=corpus.revision, moves=(), doing=Doing(state="computing"))
        app.post_message(EngineSaid(half))
        await pilot.pause()
        assert app.studio.path == old
        assert_the_light_is_the_selection(app)
        app.post_message(EngineSaid(replace(moved, doing=Doing(state="computing"))))
        await pilot.pause()
        assert app.studio.path == new
        assert old not in app.studio.mirror.stories
        assert not app._notifications
