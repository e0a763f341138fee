"""Marks: several stories that are fixed or accepted together, with one verdict once all are saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from amygdala_tui.screens.dialogs import Reason
from amygdala_tui.widgets.lines import MARK
from engine.corpus.accepted import FILE
from tests.amygdala_tui.driving import (
    ODD,
    ODD_TEXT,
    STORY,
    asked,
    choose,
    edit,
    queue_of,
    screen,
    shows,
    studio,
    text,
    write_in_editor,
)
from tests.engine.service.running import Engine
from tests.waiting import eventually_async

OTHER = "stories/lonely.txt"


async def test_space_marks_goes_on_and_takes_the_mark_away_again(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("space")
        assert list(screen(app).marked) == [STORY]
        assert screen(app).path == OTHER
        assert f"{MARK}" in text(app, "#tree")
        await shows(app, "#moved", "1 marked: fix together")
        await shows(app, "#keys", "a accept 1 marked")
        await pilot.press("k", "space")
        assert not screen(app).marked
        assert MARK not in text(app, "#tree")


async def test_marks_are_kept_from_view_to_view_and_escape_takes_them_away_last(corpus: Path, engine: Engine) -> None:
    async with studio(corpus, engine.socket) as (app, pilot):
        await choose(app, pilot)
        await pilot.press("space", "4", "enter", "escape")
        assert list(screen(app).marked) == [STORY]
        await pilot.press("escape")
        assert not screen(app).marked


async def test_the_verdict_of_several_comes_once_all_are_saved(
    corpus: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = write_in_editor(
        monkeypatch, "A dog barked twice, and then nothing moved.", "No one came to the door that night."
    )
    async with studio(corpus, engine.socket) as (app, pilot):
        for path in (STORY, OTHER):
            await choose(app, pilot, path)
            await pilot.press("space")
        await shows(app, "#moved", "2 marked: fix together")
        await choose(app, pilot, STORY)
        await edit(app, pilot, edited)
        await shows(app, "#moved", "2 marked: fix together · 1 saved")
        await choose(app, pilot, OTHER)
        await edit(app, pilot, edited)
        await shows(app, "#moved", "2 marked, all saved: misread 0 →")
        assert edited == [STORY, OTHER]


async def test_all_that_is_marked_is_accepted_for_one_reason(corpus: Path, engine: Engine) -> None:
    odd = {ODD: ODD_TEXT, STORY: "9 9 9 9 9 9"}
    for path, content in odd.items():
        (corpus / path).write_text(content)
    async with studio(corpus, engine.socket) as (app, pilot):
        assert await queue_of(app) == list(odd)
        await pilot.press("g", "space", "space")
        assert list(screen(app).marked) == list(odd)
        await pilot.press("a")
        assert "Accept 2 stories as it is" in await asked(app, Reason)
        await pilot.press(*"so", "enter")
        await eventually_async(lambda: [screen(app).mirror.stories[path].accepted for path in odd] == ["so", "so"])
        assert [line.partition("\t")[0] for line in (corpus / FILE).read_text().splitlines()] == sorted(odd)
        await shows(app, "#queue-list", "kept 2")
        await pilot.press("a")
        await eventually_async(lambda: [screen(app).mirror.stories[path].accepted for path in odd] == [None, None])
