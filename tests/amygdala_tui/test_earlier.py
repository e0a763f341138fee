"""A text that is not kept any more comes from the engine's history, and the undo goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from amygdala_tui.earlier import earlier_text
from amygdala_tui.undo import Journal
from engine.corpus import Layout, scan, text_id
from engine.corpus.mending.carrying_out import TextForgotten
from engine.corpus.mending.kept import Kept
from engine.wire import protocol
from tests.amygdala_tui.driving import STORY
from tests.engine.service.running import Engine, Talk, write


async def test_an_undo_goes_on_with_the_text_of_the_history(corpus: Path, engine: Engine, tmp_path: Path) -> None:
    talk = await Talk.to(engine.socket, corpus)
    await talk.ready()
    journal = Journal(corpus, Kept(tmp_path / "kept"))
    journal.follow(scan(Layout.of(corpus)))
    before = (corpus / STORY).read_text()
    write(corpus / STORY, "Theirs.")
    await talk.revision(2)
    write(corpus / "stories" / "lonely.txt", "Another.")
    await talk.revision(3)
    journal.saw([STORY])
    journal.kept._contents.clear()
    with pytest.raises(TextForgotten) as forgotten:
        journal.undo(STORY)
    text = await earlier_text(talk.ask, forgotten.value.path, forgotten.value.content_id)
    assert text == before.strip()
    journal.kept.remember(text.encode())
    assert journal.undo(STORY).task is not None
    assert (corpus / STORY).read_text() == text
    assert await earlier_text(talk.ask, STORY, text_id("Never.")) is None
    await talk.ask(protocol.Close)
    await talk.close()
