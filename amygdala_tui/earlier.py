"""A text that an undo needs and that is not kept any more, from the engine's history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.corpus import text_id
from engine.wire import protocol

LOOKED_THROUGH = 1000
"""Revisions, the newest first."""

Ask = Callable[..., Awaitable[protocol.Reply]]
"""Sends a request about the corpus, given its type and fields: `Link.request`."""


async def earlier_text(ask: Ask, path: str, content_id: str) -> str | None:
    """The text with this id that a story had at an earlier revision; None where the history has none.

    Raises:
        AmygdalaError: no engine answers, or the history cannot be read.
    """
    reply = await ask(protocol.GetRevisions, limit=LOOKED_THROUGH)
    revisions = reply.revisions if isinstance(reply, protocol.Revisions) else []
    may_differ = True
    for revision in revisions:
        if may_differ:
            answer = await ask(protocol.GetText, revision=revision.number, path=path)
            text = answer.text if isinstance(answer, protocol.EarlierText) else None
            if text is not None and text_id(text) == content_id:
                return text
        may_differ = not revision.changes or any(path in change.paths for change in revision.changes)
    return None
