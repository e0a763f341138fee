"""A story that the model cannot take is named and left out by the engine; everyone else's saves go on."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Layout, scan
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire import protocol
from engine.wire.jobs import Placement
from engine.wire.protocol import Changed, Progressed, Retrain, Score, Scored, Snapshot
from tests.engine.compute.live.comparing import assert_same
from tests.engine.compute.model.altered import PANIC, UNKNOWN
from tests.engine.service.exactness import NOISE
from tests.engine.service.running import Engine, Talk, alive, revisions, states, worker_of, write

PLACE = "paired/first-day/joyful.txt"
SPOILT = f"{UNKNOWN} She laughed until the neighbours knocked."
OTHER = "stories/lonely.txt"


@pytest.fixture
def chosen(unknowing_folder: Path) -> Settings:
    return Settings(model=str(unknowing_folder), device="cpu", target_layers="1,2,4")


@pytest.fixture
async def talk(engine: Engine, corpus: Path, chosen: Settings) -> AsyncIterator[Talk]:
    """A client that has a corpus open of which one story cannot be taken."""
    write(corpus / PLACE, SPOILT)
    talk = await Talk.to(engine.socket, corpus, chosen)
    assert (await talk.ready()).revision == 1
    yield talk
    await talk.ask(protocol.Close)
    await talk.close()


def named(event: Snapshot | Changed) -> list[str]:
    """The paths of the stories that are left out."""
    return [problem.path for problem in event.problems if problem.code == "left-out"]


async def snapshot(talk: Talk) -> Snapshot:
    await talk.ask(protocol.Open)
    return await talk.event(Snapshot)


async def saved(talk: Talk, path: str, text: str) -> Changed:
    """The revision that follows a save."""
    write(talk.corpus / path, text)
    changed = await talk.revision()
    assert changed.moved is not None
    assert [change.path for change in changed.moved.changes] == [path]
    return changed


async def test_it_is_named_and_other_saves_go_on_until_it_is_mended(talk: Talk) -> None:
    opened = await snapshot(talk)
    assert opened.doing.state != "failed"
    assert named(opened) == [PLACE]
    view = next(view for view in opened.stories if view.path == PLACE)
    assert (view.state, view.own) == ("left-out", None)
    assert view.reason.startswith("left out, since the model cannot take it: its tokenizer makes token")
    assert view.reason.endswith("change it or remove it")

    edited = await saved(talk, OTHER, "Nobody had rung since March.")
    assert edited.moved is not None
    assert (edited.moved.cost.texts_run, named(edited)) == (1, [PLACE])

    mended = await saved(talk, PLACE, "She laughed until the neighbours knocked.")
    assert mended.moved is not None
    assert (mended.moved.cost.texts_run, named(mended)) == (1, [])
    assert states(mended)[PLACE] in ("ok", "misread")

    spoilt = await saved(talk, PLACE, PANIC)
    assert (states(spoilt)[PLACE], named(spoilt)) == ("left-out", [PLACE])
    view = next(view for view in spoilt.stories if view.path == PLACE)
    assert "its tokenizer fails on it (TokenizerPanic: " in view.reason


async def test_an_edited_one_is_stale_until_it_is_tried(talk: Talk) -> None:
    await talk.ask(protocol.SetLive, live=False)
    write(talk.corpus / PLACE, "She laughed.")
    changed = await talk.event(Changed, lambda event: states(event).get(PLACE) == "stale")
    assert named(changed) == []


async def test_numbers_are_those_of_a_corpus_without_it(
    talk: Talk, chosen: Settings, tmp_path: Path, unknowing_llama: LoadedModel
) -> None:
    await saved(talk, OTHER, "Nobody had rung since March.")
    exported = await talk.ask(
        protocol.Export, settings=chosen, stories=None, paired=None, root=str(talk.corpus)
    )  # fmt: skip
    assert isinstance(exported, protocol.Exported)
    assert exported.digest == scan(Layout.of(talk.corpus)).digest
    Path(exported.vectors).unlink()
    (talk.corpus / PLACE).unlink()
    stories = scan(Layout.of(talk.corpus)).stories
    live = LiveCorpus(unknowing_llama, chosen, Store(tmp_path / "apart"))
    expected = live.apply(
        [Placement(story.text_id, story.concept, story.scenario) for story in stories],
        {story.text_id: story.text for story in stories},
    )
    assert len(exported.results.left_out) == 1
    assert_same(msgspec.structs.replace(exported.results, left_out={}), expected, NOISE)


async def test_one_text_under_two_concepts_is_named_in_both_places(talk: Talk) -> None:
    other = "paired/first-day/anxious.txt"
    changed = await saved(talk, other, SPOILT)
    assert named(changed) == sorted([PLACE, other])
    assert changed.moved is not None
    assert changed.moved.cost.texts_run == 0
    shown = {view.path: view.state for view in (await snapshot(talk)).stories}
    assert (shown[PLACE], shown[other]) == ("left-out", "left-out")


async def test_it_is_tried_again_on_request(talk: Talk) -> None:
    await talk.ask(Retrain, paths=[PLACE])
    changed = await talk.revision()
    assert named(changed) == [PLACE]
    assert [(told.cause, told.texts_run) for told in (await revisions(talk))[:1]] == [("retrained", 0)]


async def test_a_retrain_of_all_comes_to_its_end(talk: Talk) -> None:
    await talk.ask(Retrain)
    changed = await talk.revision()
    assert changed.moved is not None
    assert (changed.moved.cause, named(changed)) == ("retrained", [PLACE])
    await talk.event(Progressed, lambda event: event.doing.state == "ready")
    assert changed.moved.cost.texts_run == len((await snapshot(talk)).stories) - 1


async def test_a_draft_alone_is_refused_and_the_next_one_is_read(talk: Talk, chosen: Settings) -> None:
    pid = await worker_of(talk, chosen.model)
    for text in (SPOILT, PANIC):
        with pytest.raises(AmygdalaError, match="the model cannot take the story"):
            await talk.ask(Score, path=OTHER, text=text)
    for path in (OTHER, PLACE):
        assert isinstance(await talk.ask(Score, path=path, text="She laughed."), Scored)
    assert (await snapshot(talk)).doing.state == "ready"
    assert await worker_of(talk, chosen.model) == pid


async def test_another_process_of_the_model_leaves_it_out_too(talk: Talk, chosen: Settings) -> None:
    pid = await worker_of(talk, chosen.model)
    os.kill(pid, signal.SIGKILL)
    edited = await saved(talk, OTHER, "Nobody had rung since May.")
    assert named(edited) == [PLACE]
    assert not alive(pid)


async def test_nothing_but_such_stories_is_a_failure_in_words_until_one_is_mended(
    engine: Engine, tmp_path: Path, chosen: Settings
) -> None:
    corpus = tmp_path / "small"
    for name, text in (("calm", SPOILT), ("sad", PANIC), ("wild", "The horses got out.")):
        write(corpus / "stories" / f"{name}.txt", text)
    talk = await Talk.to(engine.socket, corpus, chosen)
    assert named(await talk.ready()) == ["stories/calm.txt", "stories/sad.txt"]
    (corpus / "stories" / "wild.txt").unlink()
    failed = await talk.event(Progressed, lambda event: event.doing.state == "failed")
    assert "cannot take any of 2 stories, so the fault is its own or its tokenizer's" in failed.doing.detail
    write(corpus / "stories" / "sad.txt", "It rained.")
    assert named(await talk.revision()) == ["stories/calm.txt"]
    await talk.ask(protocol.Close)
    await talk.close()
