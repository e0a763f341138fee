"""A story written on in place: read as it is typed, kept until it is saved, and never over another's text unasked."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import TextArea

from amygdala_tui import drafts
from amygdala_tui.app import Studio
from amygdala_tui.drafts import KeptDraft
from amygdala_tui.screens.structure import Conflict
from tests.amygdala_tui.driving import STORY, choose, screen, shows, studio
from tests.engine.service.running import Engine
from tests.waiting import eventually_async


def area(app: Studio) -> TextArea:
    return screen(app).query_one(TextArea)


async def open_draft(app: Studio, pilot: Pilot[None], path: str = STORY) -> TextArea:
    await choose(app, pilot, path)
    await pilot.press("d")
    await eventually_async(lambda: not area(app).read_only)
    return area(app)


async def test_keys_are_letters_there_and_what_it_would_read_as_is_said(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await eventually_async(lambda: screen(app).mirror.is_judged)
        before = (corpus / STORY).read_text()
        field = await open_draft(app, pilot)
        await pilot.press(*"quen")
        assert field.text.startswith("quen")
        await shows(app, "#draft-reads", "if you save it: ")
        await shows(app, "#keys", "^s save")
        assert (corpus / STORY).read_text() == before


async def test_saving_writes_the_file_drops_the_draft_and_can_be_taken_back(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        before = (corpus / STORY).read_text()
        await open_draft(app, pilot)
        await pilot.press(*"Once. ", "ctrl+s")
        await eventually_async(lambda: screen(app).view == "corpus")
        assert (corpus / STORY).read_text() == f"Once. {before.strip()}\n"
        await eventually_async(lambda: drafts.load(corpus, STORY) is None)
        await eventually_async(lambda: screen(app).mirror.revision == 2)
        await pilot.press("u")
        await eventually_async(lambda: (corpus / STORY).read_text().strip() == before.strip())


async def test_a_draft_that_was_left_is_there_again_in_the_next_sitting(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await open_draft(app, pilot)
        await pilot.press(*"Perhaps ", "escape")
        await eventually_async(lambda: drafts.load(corpus, STORY) is not None)
    async with studio(corpus, engine.socket) as (app, pilot):
        field = await open_draft(app, pilot)
        assert field.text.startswith("Perhaps ")
        await shows(app, "#draft-head", "your draft of before; ^r")
        await pilot.press("ctrl+r")
        await eventually_async(lambda: field.text.strip() == (corpus / STORY).read_text().strip())
        assert drafts.load(corpus, STORY) is None


async def test_a_file_that_changed_underneath_is_a_conflict_and_either_text_can_be_had(
    corpus: Path, engine: Engine
) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        for answer, stands in (("m", "Mine. "), ("t", "Theirs.")):
            field = await open_draft(app, pilot)
            field.load_text("Mine. And more.")
            (corpus / STORY).write_text("Theirs.\n")
            await pilot.press("ctrl+s")
            await eventually_async(lambda: isinstance(app.screen, Conflict))
            await pilot.press(answer)
            await eventually_async(lambda: app.screen is screen(app))
            await eventually_async(lambda text=stands: (corpus / STORY).read_text().startswith(text))  # type: ignore[misc]
            await pilot.press("escape")
            await asyncio.sleep(0)


def test_a_draft_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    drafts.keep(tmp_path, KeptDraft(path=STORY, text="Once", over=None))
    assert drafts.load(tmp_path, STORY) == KeptDraft(path=STORY, text="Once", over=None)
    assert drafts.file_of(tmp_path, STORY).stat().st_mode & 0o777 == 0o600
    drafts.file_of(tmp_path, STORY).write_bytes(b"{")
    assert drafts.load(tmp_path, STORY) is None
    drafts.drop(tmp_path, STORY)
    drafts.drop(tmp_path, STORY)
    assert not drafts.file_of(tmp_path, STORY).exists()
