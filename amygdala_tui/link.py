"""The connection to the engine, kept alive: it starts or joins one, follows a corpus, and comes back after a loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.message import Message

from amygdala_tui.messages import EngineAway, EngineSaid, SettingsDiffer
from amygdala_tui.mirror import Mirror, OutOfStep, follow
from engine import client
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire import protocol

RETRY = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries to find or start an engine; the last one repeats."""


class Link:
    """One corpus's link to the engine.

    Args:
        socket: the engine's socket.
        corpus: the corpus's folder.
        settings: what was asked for on the command line; None takes what is in force.
        post: where messages go (a widget's `post_message`).
    """

    def __init__(
        self, socket: Path, corpus: Path, settings: Settings | None, post: Callable[[Message], object]
    ) -> None:
        self.mirror = Mirror()
        self._socket = socket
        self._corpus = str(corpus.resolve())
        self._settings = settings
        """What to ask for: the writer's flags, then what was last in force, so that a new engine has it too."""
        self._insist = False
        self._engine: int | None = None
        """The process id of the engine last talked to."""
        self._post = post
        self._connection: client.Connection | None = None
        self._again = asyncio.Event()
        self._shown: str | None = None
        """The story on the screen."""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            try:
                self._connection = await client.connect_or_start(self._socket)
                if not await self._open(self._connection):
                    await self._wait(None)
                    continue
                await self._restore_pause(self._connection)
                if self._shown is not None:
                    await self.request(protocol.Showing, path=self._shown)
                failures = 0
                ended = await self._follow(self._connection)
            except AmygdalaError as error:
                ended = str(error)
                failures += 1
            finally:
                if self._connection is not None:
                    await self._connection.close()
                    self._connection = None
            await self._rest(ended, failures)

    def seed(self, mirror: Mirror) -> bool:
        """Start from what a scan found; whether that was news (the engine may have been faster)."""
        if self.mirror.stories or self.mirror.revision:
            return False
        self.mirror = replace(self.mirror, stories=mirror.stories, problems=mirror.problems)
        return True

    async def request(self, kind: type[protocol.Request], **fields: Any) -> None:
        """Send a request about this corpus.

        Raises:
            AmygdalaError: there is no engine, or it refused.
        """
        if self._connection is None:
            raise client.NoEngine("no engine is connected just now")
        await self._connection.request(kind, corpus=self._corpus, **fields)

    async def show(self, path: str | None) -> None:
        """Let the engine know which story is on the screen, now and whenever one is joined."""
        self._shown = path
        if self._connection is not None:
            with contextlib.suppress(AmygdalaError):  # it will be told when it is back
                await self.request(protocol.Showing, path=path)

    def resume(self) -> None:
        """Connect again at once, after the engine or the corpus was closed."""
        self._again.set()

    def resolve(self, *, take_theirs: bool) -> None:
        """Settle differing settings: take those in force, or have the engine reopen the corpus with ours."""
        if take_theirs:
            self._settings = None
        self._insist = not take_theirs
        self._again.set()

    async def _follow(self, connection: client.Connection) -> str | None:
        """Pass on what the engine says; why it ended, None for a lost connection."""
        async for event in connection.events():
            match event:
                case protocol.Snapshot() | protocol.Changed() | protocol.Progressed():
                    try:
                        self.mirror = follow(self.mirror, event)
                        self._settings = self.mirror.settings or self._settings
                    except OutOfStep:
                        await self._join_again(connection)
                    else:
                        self._post(EngineSaid(self.mirror))
                case protocol.Resync():
                    await self._join_again(connection)
                case protocol.Closed(reason=reason):
                    return reason
        return None

    async def _open(self, connection: client.Connection) -> bool:
        reply = await connection.request(
            protocol.Open, corpus=self._corpus, settings=self._settings, insist=self._insist
        )
        if isinstance(reply, protocol.Conflict):
            self._post(SettingsDiffer(reply.differences))
            return False
        self._insist = False
        return True

    async def _join_again(self, connection: client.Connection) -> None:
        """Ask for a fresh snapshot of what is open already, with whatever settings are in force by now."""
        await connection.request(protocol.Open, corpus=self._corpus, settings=None)

    async def _restore_pause(self, connection: client.Connection) -> None:
        """A new engine follows every save: where the writer had paused the last one, pause this one too."""
        is_new, self._engine = self._engine not in (None, connection.welcome.pid), connection.welcome.pid
        if is_new and self.mirror.doing is not None and not self.mirror.doing.live:
            await connection.request(protocol.SetLive, corpus=self._corpus, live=False)

    async def _rest(self, ended: str | None, failures: int) -> None:
        """Wait before the next try: a moment after a loss, for the writer's word after it was closed on purpose."""
        if ended is None:
            self._post(EngineAway("the connection to the engine was lost; reconnecting", retrying=True))
            await asyncio.sleep(RETRY[0])
        elif failures:
            delay = RETRY[min(failures, len(RETRY)) - 1]
            self._post(EngineAway(f"{ended}\n(trying again every {delay:.0f} s)", retrying=True))
            await self._wait(delay)
        else:
            self._post(EngineAway(ended, retrying=False))
            await self._wait(None)

    async def _wait(self, seconds: float | None) -> None:
        """Wait for the writer's word, at most so long; a word given before the wait does not count."""
        self._again.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._again.wait(), seconds)
