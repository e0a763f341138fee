"""The Compare pane: two stories, read from disk, with what an engine says of their sentences."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.side_by_side import Partner, default_partner
from amygdala_tui.widgets.compare import ComparePane, _same_place
from engine.prose.sentences import sentences
from engine.results import Draft, Reading
from engine.wire import protocol
from engine.wire.protocol import Scored
from tests.amygdala_tui.driving import screen, studio
from tests.amygdala_tui.making import healthy, mirror, misread, story
from tests.engine.service.running import Engine
from tests.waiting import eventually_async

ONE, OTHER, THIRD = "stories/ashamed.txt", "paired/bus/ashamed.txt", "paired/bus/proud.txt"
SAME = "He took out the trash."
PARTNER = Partner(OTHER, "the best ashamed story")


def state(revision: int = 1) -> Mirror:
    return mirror([misread(ONE, "furious"), healthy(OTHER), story(THIRD)], revision=revision)


def answer(text: str, concepts: tuple[str, ...]) -> Draft:
    told = [Reading(*span, [1.0] * len(concepts)) for span in sentences(text)]
    return Draft(
        concepts=list(concepts), tokens=[], sentences=told, truncated=False, alignment=None, own=None, rival=None,
        rival_score=None, margin=None, before=None, after=None,
    )  # fmt: skip


class Host(App[None]):
    """A pane, its stories' texts, and an engine that answers when it is told to, or at once."""

    def __init__(self, *, answers_at_once: bool = True) -> None:
        super().__init__()
        self.texts: dict[str, str | Text] = {
            ONE: f"{SAME} It rained on him.",
            OTHER: f"She nodded. {SAME}",
            THIRD: "[b]Proud[/b].",
        }
        self.answers_at_once = answers_at_once
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self.answers: list[asyncio.Future[Draft | None]] = []

    def compose(self) -> ComposeResult:
        yield ComparePane(self.text_of, self.read_by, id="compare")

    async def text_of(self, path: str) -> str | Text:
        return self.texts[path]

    async def read_by(self, path: str, text: str, concepts: tuple[str, ...]) -> Draft | None:
        self.asked.append((path, text, concepts))
        if self.answers_at_once:
            return answer(text, concepts)
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    @property
    def pane(self) -> ComparePane:
        return self.query_one(ComparePane)

    @property
    def scroll(self) -> VerticalScroll:
        return self.query_one(VerticalScroll)

    def show(self, mirror: Mirror | None = None, partner: Partner = PARTNER) -> None:
        self.pane.show(mirror or state(), ONE, partner)

    def shown(self, part: str = "text") -> str:
        return str(self.query_one(f"#compare-{part}", Static).render())


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 20)])
async def test_both_stories_are_shown_with_bars_and_what_they_have_in_common(size: tuple[int, int]) -> None:
    app = Host()
    async with app.run_test(size=size) as pilot:
        app.show()
        await eventually_async(lambda: "▇" in app.shown())
        assert f"= {SAME}" in app.shown()
        head = app.shown("head")
        assert "ashamed · stories" in head
        assert "beside it: the best ashamed story · in common: 1 " in head
        assert ("She nodded." in app.shown()) == (size[0] == 120)
        app.pane.switch_story()
        await pilot.pause()
        assert "She nodded." in app.shown()
        assert app.query_one("#compare-head").size.height == 4


async def test_the_concept_of_the_bars_goes_round_and_the_engine_is_asked_of_all_at_once() -> None:
    app = Host()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show()
        await eventually_async(lambda: len(app.asked) == 2)
        assert app.asked == [(path, str(app.texts[path]), ("ashamed", "furious")) for path in (ONE, OTHER)]
        concepts = []
        for _ in range(3):
            concepts.append(app.shown("head").split()[-1])
            app.pane.switch_concept()
            await pilot.pause()
        assert concepts == ["ashamed", "furious", "ashamed"]
        assert len(app.asked) == 2


async def test_the_engine_is_asked_of_one_story_after_the_other_once_a_revision_and_text() -> None:
    app = Host(answers_at_once=False)
    async with app.run_test(size=(120, 40)) as pilot:
        app.show()
        await eventually_async(lambda: len(app.asked) == 1)
        await pilot.pause()
        assert len(app.asked) == 1
        assert "the engine has not said yet" in app.shown("head")
        app.answers[0].set_result(answer(str(app.texts[ONE]), ("ashamed", "furious")))
        await eventually_async(lambda: len(app.asked) == 2)
        app.answers[1].set_result(None)
        await eventually_async(lambda: app.shown().count("▇") == 22)
        app.show()
        await eventually_async(lambda: len(app.asked) == 3)
        assert app.asked[2][0] == OTHER  # the one that nobody answered
        app.show(state(revision=2))
        await eventually_async(lambda: len(app.asked) == 4)
        assert app.answers[2].cancelled()
        assert app.asked[3][0] == ONE
        assert "▇" in app.shown()  # what was told stays until there is more


async def test_a_text_that_changed_is_compared_anew_and_loses_the_bars_of_the_one_before() -> None:
    app = Host()
    async with app.run_test(size=(120, 40)):
        app.show()
        await eventually_async(lambda: app.shown().count("▇") == 44)
        app.answers_at_once = False
        app.texts[ONE] = "He wept."
        app.show(state(revision=2))
        await eventually_async(lambda: "He wept." in app.shown())
        await eventually_async(lambda: "no sentence or passage in common" in app.shown("head"))
        assert app.shown().count("▇") == 22


async def test_another_pair_begins_at_its_top_and_late_answers_are_not_of_it() -> None:
    app = Host(answers_at_once=False)
    app.texts[OTHER] = "It snowed on her. " * 200
    async with app.run_test(size=(120, 40)) as pilot:
        app.show()
        await eventually_async(lambda: len(app.asked) == 1)
        app.scroll.scroll_to(y=50, animate=False)
        await pilot.pause()
        app.pane.switch_concept()
        app.show(partner=Partner(THIRD, "marked"))
        await eventually_async(lambda: "[b]Proud[/b]." in app.shown())
        assert app.answers[0].cancelled()
        assert app.scroll.scroll_offset.y == 0
        assert app.pane.concept == "ashamed"


async def test_without_a_partner_or_a_text_the_pane_says_why() -> None:
    app = Host()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show(partner=Partner(None, "it is the only ashamed story"))
        await pilot.pause()
        assert "it is the only ashamed story" in app.shown("head")
        assert app.pane.paths == ()
        app.texts[OTHER] = Text("(cannot be read: gone)")
        app.show()
        await eventually_async(lambda: "bus / ashamed: (cannot be read: gone)" in app.shown("head"))
        assert SAME in app.shown()
        app.pane.show(state(), None, default_partner(state(), ""))
        await pilot.pause()
        assert app.shown("head") == "choose a story first"


async def test_the_sentences_at_the_top_stay_there_when_others_are_folded() -> None:
    app = Host()
    shared = [f"He waited {n} hours. He left at {n}. He came back at {n}." for n in range(30)]
    app.texts[ONE] = " ".join(f"The first alone says {n}. {said}" for n, said in enumerate(shared))
    app.texts[OTHER] = " ".join(shared)
    async with app.run_test(size=(120, 20)) as pilot:
        app.show()
        await eventually_async(lambda: "▇" in app.shown())
        app.scroll.scroll_to(y=40, animate=False)
        await pilot.pause()
        top = app.shown().splitlines()[40]
        assert "The first alone says 10." in top
        app.pane.toggle_same()
        app.pane.toggle_same()  # in one burst, before the screen is refreshed
        await pilot.pause()
        assert app.shown().splitlines()[app.scroll.scroll_offset.y] == top
        app.pane.toggle_same()
        await pilot.pause()
        assert "… 3 sentences are the same …" in app.shown()
        assert app.shown().splitlines()[app.scroll.scroll_offset.y] == top


def test_a_place_within_a_block_is_kept_in_proportion() -> None:
    assert _same_place([0, 10, 20], [0, 20, 22], 5) == 10
    assert _same_place([0, 10, 20], [0, 20, 22], 15) == 21
    assert _same_place([0, 10, 20], [0, 0, 4], 25) == 4
    assert _same_place([], [0, 5], 3) == 3
    assert _same_place([0, 0, 9], [0, 4, 9], 0) == 0


async def test_what_did_not_change_is_not_drawn_again() -> None:
    app = Host()
    async with app.run_test(size=(120, 40)) as pilot:
        app.show()
        await eventually_async(lambda: app.shown().count("▇") == 44)
        drawn = app.query_one("#compare-text", Static).content
        app.show()
        await pilot.pause()
        assert app.query_one("#compare-text", Static).content is drawn


async def test_a_real_engine_reads_both_stories_by_the_same_concepts(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):

        async def text_of(path: str) -> str:
            return (corpus / path).read_text("utf-8").strip()

        async def read_by(path: str, text: str, concepts: tuple[str, ...]) -> Draft | None:
            reply = await app._link.request(protocol.Score, path=path, text=text, concepts=list(concepts))
            return reply.draft if isinstance(reply, Scored) else None

        await eventually_async(lambda: screen(app).mirror.is_judged)
        state = screen(app).mirror
        path = next(view.path for view in state.stories.values() if default_partner(state, view.path).path)
        pane = ComparePane(text_of, read_by, id="compare")
        await screen(app).mount(pane)
        pane.styles.height = 20
        await pilot.pause()
        pane.show(state, path, default_partner(state, path))
        assert pane._sides is not None
        await eventually_async(lambda: all(side.draft for side in pane._sides or ()))
        assert all(side.values(pane.concept) for side in pane._sides)
        assert "▇" in str(pane.query_one("#compare-text", Static).render())
