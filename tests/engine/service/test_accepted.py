"""A real engine follows `accepted.tsv` as it follows stories."""

from __future__ import annotations

from pathlib import Path

from engine.corpus import Accepted, accepted, text_id
from engine.wire.protocol import Changed
from engine.wire.snapshot import StoryView
from tests.engine.service.running import Engine, Talk, write

ODD = "stories/joyful.txt"
ODD_TEXT = "9 9 9 9 9 9"
"""Unlike all other stories, whatever the model."""


def view_of(changed: Changed, path: str) -> StoryView | None:
    return next((view for view in changed.stories if view.path == path), None)


async def test_an_acceptance_shows_at_the_same_revision_and_is_no_merit_of_the_next_edit(
    engine: Engine, corpus: Path
) -> None:
    write(corpus / ODD, ODD_TEXT)
    talk = await Talk.to(engine.socket, corpus)
    ready = await talk.ready()
    if not any(view.misread for view in ready.stories):
        await talk.event(Changed, lambda event: (view := view_of(event, ODD)) is not None and view.misread)

    accepted.write(corpus, ODD, Accepted(text_id=text_id(ODD_TEXT), reason="so"))
    changed = await talk.event(Changed, lambda event: view_of(event, ODD))
    assert (changed.base, changed.revision, changed.concepts) == (1, 1, None)
    view = view_of(changed, ODD)
    assert view is not None
    assert (view.accepted, view.misread, view.rank, view.reason) == ("so", False, None, "accepted: so")

    write(corpus / "stories" / "lonely.txt", "The kettle sang, and she sat by the window and counted the carriages.")
    moved = (await talk.revision(2)).moved
    assert moved is not None
    assert moved.queue[0] == 0

    accepted.write(corpus, ODD, None)
    changed = await talk.event(Changed, lambda event: (view := view_of(event, ODD)) is not None and view.misread)
    assert changed.revision == 2
    (corpus / accepted.FILE).write_text("no line of ours\n")
    changed = await talk.event(Changed, lambda event: event.problems)
    assert [(problem.path, problem.severity) for problem in changed.problems] == [(accepted.FILE, "warning")]
    await talk.close()
