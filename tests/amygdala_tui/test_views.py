"""What each view's own keys do, where Enter, Esc and clicks lead, and what the footer and the help name."""

from __future__ import annotations

from pathlib import Path

from rich.cells import cell_len
from textual.pilot import Pilot

from amygdala_tui.actions import ACTIONS, View
from amygdala_tui.app import Studio
from amygdala_tui.frame import VIEWS, can_be_done
from amygdala_tui.screens.dialogs import Help
from amygdala_tui.widgets.lines import LineList
from tests.amygdala_tui.driving import ODD, ODD_TEXT, STORY, choose, dialog, queue_of, said, screen, shows, studio, text
from tests.engine.service.running import Engine
from tests.waiting import eventually_async

OTHER = "stories/lonely.txt"


async def test_compare_is_left_as_it_was_come_to_and_its_keys_act_there_alone(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("f", "C", "o")  # of Compare: nothing here
        assert screen(app).view == "corpus"
        await pilot.press("c")
        await shows(app, "#compare-head", "joyful")
        pane = screen(app).query_one("#details").query_one("#compare")
        assert screen(app).path == STORY
        await eventually_async(lambda: pane.concept is not None)  # type: ignore[attr-defined]
        first = pane.concept  # type: ignore[attr-defined]
        await pilot.press("C")
        assert pane.concept != first  # type: ignore[attr-defined]
        await pilot.press("c")
        assert (screen(app).view, screen(app).path) == ("corpus", STORY)
        await pilot.press("c", "escape")
        assert (screen(app).view, screen(app).path) == ("corpus", STORY)
        assert app.focused is screen(app).query_one("#tree")


async def test_a_marked_story_is_put_beside_the_lit_one_and_what_both_have_is_folded(
    corpus: Path, engine: Engine
) -> None:
    (corpus / OTHER).write_text((corpus / STORY).read_text() + "\nBut the door stayed shut all evening.\n")
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot, OTHER)
        await pilot.press("space")
        await choose(app, pilot, STORY)
        await pilot.press("c")
        await shows(app, "#compare-head", "beside it: marked")
        await shows(app, "#compare-text", "But the door stayed shut")
        whole = len(text(app, "#compare-text").splitlines())
        await pilot.press("f")
        await shows(app, "#compare-text", lambda shown: len(shown.splitlines()) < whole)
        await shows(app, "#compare-text", "But the door stayed shut")


async def test_on_a_narrow_screen_o_shows_the_other_story(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket, size=(80, 24)) as (app, pilot):
        await choose(app, pilot, OTHER)
        await pilot.press("space")
        await choose(app, pilot, STORY)
        await pilot.press("c")
        await shows(app, "#compare-text", (corpus / STORY).read_text()[:12])
        await pilot.press("o")
        await shows(app, "#compare-text", (corpus / OTHER).read_text()[:12])
        assert screen(app).path == STORY


async def test_m_unfolds_the_maybes_and_in_triage_what_is_as_chance_would_have_it(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await eventually_async(lambda: screen(app).mirror.is_judged)
        await shows(app, "#keys", "m maybes")
        await pilot.press("m")
        await shows(app, "#keys", "m fewer")
        await pilot.press("m", "2")
        await shows(app, "#keys", "m others")
        await pilot.press("m")
        await shows(app, "#keys", "m fewer")
        await pilot.press("3", "m")
        assert "m " not in text(app, "#keys").replace("M move", "")


async def test_s_sorts_triage_and_keeps_the_same_concept_lit(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await pilot.press("2", "j")
        concept = screen(app).concept
        sorts = []
        for _ in range(4):
            await pilot.press("s")
            sorts.append(screen(app).query_one("#lists").triage.sort)  # type: ignore[attr-defined]
            assert screen(app).concept == concept
        assert len(set(sorts)) > 1


async def test_b_groups_the_tree_by_concept_and_the_footer_says_the_way_back(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket, size=(200, 40)) as (app, pilot):
        await choose(app, pilot)
        await shows(app, "#keys", "b by concept")
        await pilot.press("b")
        await shows(app, "#keys", "b by file")
        await shows(app, "#tree", "▾ joyful")
        assert screen(app).path == STORY


async def test_i_shows_the_concept_of_a_story_and_w_the_classic_scores(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("i")
        await shows(app, "#concept-head", "joyful")
        assert screen(app).query_one("#concept").display
        assert screen(app).path == STORY
        await pilot.press("i")
        assert screen(app).query_one("#story").display
        plain = text(app, "#story-head")
        await pilot.press("w")
        await shows(app, "#story-head", lambda shown: len(shown) > len(plain))
        await pilot.press("w")
        await shows(app, "#story-head", plain)


async def test_y_copies_the_path_of_the_lit_story(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("y")
        assert app.clipboard == str(corpus.resolve() / STORY)
        assert said(app, "copied the path of joyful")


async def test_escape_goes_back_through_all_levels_one_at_a_time(corpus: Path, engine: Engine) -> None:
    (corpus / ODD).write_text(ODD_TEXT)
    async with studio(corpus, engine.socket) as (app, pilot):
        await queue_of(app)
        await eventually_async(lambda: screen(app).path == ODD)
        await pilot.press("slash", *"weary", "enter", "enter")
        found = screen(app).path
        assert found is not None
        assert "weary" in found
        await shows(app, "#story-head", "weary")
        await pilot.press("c")
        assert screen(app).view == "compare"
        views = []
        for _ in range(4):
            await pilot.press("escape")
            views.append((screen(app).view, screen(app).path))
        assert views[0][1] == found
        assert views[-1] == ("queue", ODD)
        assert app.focused is screen(app).query_one("#queue-list")


async def click_on(app: Studio, pilot: Pilot[None], selector: str, words: str) -> None:
    """Click on words that a widget shows."""
    widget = screen(app).query_one(selector)
    before, _, _ = text(app, selector).partition(words)
    left = widget.content_region.x - widget.region.x
    await pilot.click(selector, offset=(left + cell_len(before.splitlines()[-1]) + 1, 0))
    await pilot.pause()


async def test_a_click_on_a_tab_shows_its_view_and_one_on_a_key_does_what_it_says(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        for view, label in reversed(VIEWS.items()):
            await click_on(app, pilot, "#status", label)
            assert screen(app).view == view
        await pilot.press("2")
        await click_on(app, pilot, "#keys", "? help")
        assert isinstance(app.screen, Help)
        await pilot.press("escape", "3")
        await click_on(app, pilot, "#keys", "b by concept")
        await shows(app, "#keys", "b by file")


async def test_a_click_on_a_row_selects_it_and_one_on_the_lit_row_goes_in(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        rows = screen(app).query_one("#tree", LineList)
        row = next(y for y in range(rows.size.height) if "lonely" in rows.render_line(y).text)
        await pilot.click("#tree", offset=(5, row))
        assert screen(app).path == OTHER
        await pilot.click("#tree", offset=(5, row))
        assert app.focused is screen(app).query_one("#story")


async def test_footer_and_help_of_each_view_name_what_can_be_done_there_and_nothing_else(
    corpus: Path, engine: Engine
) -> None:
    async with studio(corpus, engine.socket, size=(200, 60)) as (app, pilot):
        await choose(app, pilot)
        for key, view in {"1": "queue", "2": "triage", "4": "concept", "8": "engine"}.items():
            await pilot.press(key)
            await names_what_can_be_done(app, pilot, view)  # type: ignore[arg-type]
        await choose(app, pilot)
        await names_what_can_be_done(app, pilot, "corpus")
        await pilot.press("c")
        await names_what_can_be_done(app, pilot, "compare")


async def names_what_can_be_done(app: Studio, pilot: Pilot[None], view: View) -> None:
    assert screen(app).view == view
    await pilot.pause()
    footer, has_story = text(app, "#keys"), screen(app).path is not None
    for action in ACTIONS:
        named = f" {action.label}" in footer.replace(" accept ", " accept  ") and view in action.in_footer
        assert named <= can_be_done(action, view, has_story)
    if not has_story:
        assert "e edit" not in footer
    await pilot.press("question_mark")
    shown = dialog(app)
    for action in ACTIONS:
        assert (action.help in " ".join(shown.split())) == (view in action.views), (view, action.id)
    await pilot.press("escape")
