"""The story pane asks why a flagged story reads as it does, and shows the answer to what is on the screen alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.widgets.story import StoryPane
from engine.evidence import Evidence
from engine.results import Draft, Prose, Reading, SentenceEffect
from tests.amygdala_tui.making import mirror, story
from tests.waiting import eventually_async

FLAGGED, OTHER, HEALTHY = "stories/sad.txt", "stories/ashamed.txt", "stories/calm.txt"
TEXT = "It rained all day. She laughed."


def answer(text: str) -> Draft:
    evidence = Evidence(
        text_id="", concept="sad", scenario=None, strange=0, misfiled=1, strength="strong", reads_as="glad", shares=[]
    )
    end = text.index(".") + 1
    return Draft(
        concepts=[], tokens=[], sentences=[Reading(0, end, []), Reading(end + 1, len(text), [])], truncated=False,
        alignment=None, own=None, rival=None, rival_score=None, margin=None, evidence=evidence,
        effects=[SentenceEffect(1.0, 0.0, is_reread=True), SentenceEffect(0.0, 1.0, is_reread=True)],
        prose=Prose(n_others=4, differences=[], narrator=None, copies=[], giveaways=[]), before=None, after=None,
    )  # fmt: skip


class Pane(App[None]):
    """A story pane, and an engine that answers when it is told to."""

    def __init__(self, corpus: Path) -> None:
        super().__init__()
        self.corpus = corpus
        self.asked: list[tuple[str, str]] = []
        self.answers: list[asyncio.Future[Draft | None]] = []

    def compose(self) -> ComposeResult:
        yield StoryPane(self.explain, id="story")

    async def explain(self, path: str, text: str) -> Draft | None:
        self.asked.append((path, text))
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def show(self, path: str, state: Mirror) -> None:
        self.query_one(StoryPane).show(self.corpus, state, path, "")

    def shown(self, selector: str = "#story-text") -> str:
        return str(self.query_one(selector, Static).render())


def corpus_of(folder: Path) -> Path:
    (folder / "stories").mkdir()
    for path in (FLAGGED, OTHER, HEALTHY):
        (folder / path).write_text(f"{Path(path).stem}. {TEXT}" if path != FLAGGED else TEXT)
    return folder


def state(revision: int = 1) -> Mirror:
    shares = [("sad", 0.1), ("glad", 0.9)]
    flagged = [story(path, strength="strong", reads_as="glad", shares=shares) for path in (FLAGGED, OTHER)]
    return mirror([*flagged, story(HEALTHY, strength="none")], revision=revision)


async def test_a_flagged_story_is_asked_about_once_a_revision(tmp_path: Path) -> None:
    app = Pane(corpus_of(tmp_path))
    async with app.run_test(size=(80, 24)):
        app.show(FLAGGED, state())
        await eventually_async(lambda: app.asked == [(FLAGGED, TEXT)])
        await eventually_async(lambda: TEXT in app.shown())
        app.answers[0].set_result(answer(TEXT))
        await eventually_async(lambda: "▸ She laughed." in app.shown())
        assert "as those of the other 4 sad stories" in app.shown("#story-why")
        app.show(HEALTHY, state())
        await eventually_async(lambda: "calm." in app.shown())
        assert not app.query_one("#story-why").display
        app.show(FLAGGED, state())
        await eventually_async(lambda: "▸ She laughed." in app.shown())
        assert len(app.asked) == 1
        app.show(FLAGGED, state(revision=2))
        await eventually_async(lambda: len(app.asked) == 2)
        assert "▸ She laughed." in app.shown()  # what was told stays until there is more


async def test_a_late_answer_about_another_story_or_text_is_not_shown(tmp_path: Path) -> None:
    app = Pane(corpus_of(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        app.show(FLAGGED, state())
        await eventually_async(lambda: len(app.asked) == 1)
        app.show(HEALTHY, state())
        await eventually_async(lambda: "calm." in app.shown())
        app.answers[0].set_result(answer(TEXT))
        await pilot.pause()
        assert "▸" not in app.shown()
        (tmp_path / FLAGGED).write_text("Another text. It is new.")
        app.show(FLAGGED, state())
        await eventually_async(lambda: len(app.asked) == 2)
        await eventually_async(lambda: app.shown() == "Another text. It is new.")


async def test_a_question_is_given_up_for_that_about_the_next_flagged_story(tmp_path: Path) -> None:
    app = Pane(corpus_of(tmp_path))
    async with app.run_test(size=(80, 24)):
        app.show(FLAGGED, state())
        await eventually_async(lambda: len(app.asked) == 1)
        app.show(OTHER, state())
        await eventually_async(lambda: len(app.asked) == 2)
        assert app.answers[0].cancelled()


async def test_a_healthy_story_is_not_asked_about_and_without_an_answer_nothing_is_shown(tmp_path: Path) -> None:
    app = Pane(corpus_of(tmp_path))
    async with app.run_test(size=(80, 24)):
        app.show(HEALTHY, state())
        await eventually_async(lambda: "calm." in app.shown())
        assert app.asked == []
        app.show(FLAGGED, state())
        await eventually_async(lambda: len(app.asked) == 1)
        app.answers[0].set_result(None)
        await eventually_async(lambda: app.shown() == TEXT)
        assert not app.query_one("#story-why").display
