"""What a writer asks of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.desk import Desk
from amygdala_tui.screens.dialogs import Choice
from amygdala_tui.words import counted
from engine.errors import AmygdalaError
from engine.results import Draft
from engine.wire import protocol


class Asking:
    """Asks the engine for a writer, and says what it refuses.

    Args:
        desk: the app.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def retrain(self, concept: str | None, paths: Sequence[str]) -> None:
        """Ask what to run through the model again, and have the engine do it."""
        mirror = self._desk.mirror
        answers: dict[str, tuple[str, str]] = {}
        if concept is not None:
            stories = counted(len(mirror.stories_of(concept)), "story", "stories")
            answers["c"] = ("concept", f"the concept {concept} ({stories})")
        if paths:
            named = f"this story ({paths[0]})" if len(paths) == 1 else f"the {len(paths)} marked stories"
            answers["s"] = ("story", named)
        answers["a"] = ("all", f"everything ({counted(len(mirror.stories), 'story', 'stories')})")
        scopes: dict[str, dict[str, object]] = {
            "concept": {"concepts": [concept]},
            "story": {"paths": list(paths)},
            "all": {},
        }

        def take(answer: str | None) -> None:
            if answer:
                self._desk.begin(self._ask(protocol.Retrain, **scopes[answer]))

        self._desk.ask(Choice(Text.assemble(("Run through the model again:", styles.HEADING)), answers), take)

    def cancel(self) -> None:
        """Have the engine drop what waits for the model."""
        doing = self._desk.mirror.doing
        if doing is None or doing.state not in ("loading", "computing"):
            self._desk.say("nothing waits for the model just now")
        else:
            self._desk.begin(self._ask(protocol.Cancel))

    def toggle_live(self) -> None:
        """Follow every save, or pause."""
        doing = self._desk.mirror.doing
        if doing is None:
            self._desk.say("no engine is connected just now")
        else:
            self._desk.begin(self._ask(protocol.SetLive, live=not doing.live))

    async def explain(self, path: str, text: str) -> Draft | None:
        """Ask why a story with this text reads as it does; None where there is no answer."""
        return await self._score(path=path, text=text, explain=True)

    async def read_by(self, path: str, text: str, concepts: tuple[str, ...]) -> Draft | None:
        """Ask how a story with this text reads by some concepts; None where there is no answer."""
        return await self._score(path=path, text=text, concepts=list(concepts))

    async def _score(self, **fields: Any) -> Draft | None:
        with suppress(AmygdalaError):
            reply = await self._desk.request(protocol.Score, **fields)
            if isinstance(reply, protocol.Scored):
                return reply.draft
        return None

    async def _ask(self, kind: type[protocol.Request], **fields: Any) -> None:
        try:
            await self._desk.request(kind, **fields)
        except AmygdalaError as error:
            self._desk.say(str(error), is_error=True)
