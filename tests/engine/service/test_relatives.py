"""A real engine follows `relatives.tsv` as it follows stories."""

from __future__ import annotations

from pathlib import Path

from engine.corpus import relatives
from engine.wire.protocol import Changed
from tests.engine.service.running import Engine, Talk


async def test_relatives_have_concepts_judged_anew_at_the_same_revision(engine: Engine, corpus: Path) -> None:
    talk = await Talk.to(engine.socket, corpus)
    first, second, *_ = sorted(view.name for view in (await talk.ready()).concepts)
    relatives.write(corpus, second, first, related=True)
    changed = await talk.event(Changed, lambda event: event.concepts is not None)
    assert (changed.base, changed.revision) == (1, 1)
    (corpus / relatives.FILE).write_text("no line of ours\n")
    changed = await talk.event(Changed, lambda event: event.problems)
    assert [(problem.path, problem.code) for problem in changed.problems] == [(relatives.FILE, "relatives")]
    await talk.close()
