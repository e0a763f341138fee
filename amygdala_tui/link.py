"""The connection to the engine: starts or joins an engine, follows a corpus, and reconnects after a loss."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.message import Message

from amygdala_tui.messages import EngineAway, EngineSaid, SettingsDiffer
from amygdala_tui.mirror import Mirror, OutOfStep, accepting, follow
from engine import client
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire import protocol

RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds to wait after each failure to find or start an engine; the last value repeats."""


class Link:
    """One corpus's link to the engine.

    Args:
        socket: the engine's socket.
        corpus: the corpus's folder.
        settings: those that the command line asked for; None takes those in force.
        post: where messages go (a widget's `post_message`).
    """

    def __init__(
        self, socket: Path, corpus: Path, settings: Settings | None, post: Callable[[Message], object]
    ) -> None:
        self.mirror = Mirror()
        self._socket = socket
        self._corpus = str(corpus.resolve())
        self._settings = settings
        """The settings to ask for: the writer's flags, later those last in force, so that a new engine has them too."""
        self._insist = False
        self._engine_pid: int | None = None
        """The process id of the engine that was connected last."""
        self._post = post
        self._connection: client.Connection | None = None
        self._resumed = asyncio.Event()
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
                reason = await self._follow(self._connection)
            except AmygdalaError as error:
                reason = str(error)
                failures += 1
            finally:
                if self._connection is not None:
                    await self._connection.close()
                    self._connection = None
            await self._rest(reason, failures)

    def seed(self, mirror: Mirror) -> bool:
        """Take what is known without an engine: the last numbers, and then a scan's stories with these.

        Returns whether it was taken: not where the engine was faster.
        """
        if self.mirror.revision or (self.mirror.stories and not self.mirror.is_from_before):
            return False
        self.mirror = replace(mirror, settings=self.mirror.settings, doing=self.mirror.doing)
        return True

    def accept(self, path: str, accepted: str | None) -> Mirror:
        """Take in what the writer has just accepted, or taken back (None), before the engine says so."""
        self.mirror = accepting(self.mirror, path, accepted)
        return self.mirror

    async def request(self, kind: type[protocol.Request], **fields: Any) -> protocol.Reply:
        """Send a request about this corpus, and wait for its reply.

        Raises:
            AmygdalaError: there is no engine, or it refused.
        """
        if self._connection is None:
            raise client.NoEngine("no engine is connected just now")
        return await self._connection.request(kind, corpus=self._corpus, **fields)

    async def show(self, path: str | None) -> None:
        """Tell the engine which story is on the screen, now and after every reconnection."""
        self._shown = path
        if self._connection is not None:
            with contextlib.suppress(AmygdalaError):  # `run` tells it again when it is back
                await self.request(protocol.Showing, path=path)

    def resume(self) -> None:
        """Connect again at once, after the engine or the corpus was closed."""
        self._resumed.set()

    def resolve(self, *, take_theirs: bool) -> None:
        """Settle differing settings: take those in force, or have the engine reopen the corpus with ours."""
        if take_theirs:
            self._settings = None
        self._insist = not take_theirs
        self._resumed.set()

    async def _follow(self, connection: client.Connection) -> str | None:
        """Pass on the engine's events until they end; returns why they did, or None for a lost connection."""
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
        """Ask for a fresh snapshot of the corpus, which is open already, with the settings in force."""
        await connection.request(protocol.Open, corpus=self._corpus, settings=None)

    async def _restore_pause(self, connection: client.Connection) -> None:
        """A new engine follows every save: where the writer had paused the last one, pause this one too."""
        is_new = self._engine_pid not in (None, connection.welcome.pid)
        self._engine_pid = connection.welcome.pid
        if is_new and self.mirror.doing is not None and not self.mirror.doing.live:
            await connection.request(protocol.SetLive, corpus=self._corpus, live=False)

    async def _rest(self, reason: str | None, failures: int) -> None:
        """Wait before the next try: a moment after a loss; until the writer resumes where the corpus was closed."""
        if reason is None:
            self._post(EngineAway("the connection to the engine was lost; reconnecting", retrying=True))
            await asyncio.sleep(RETRY_S[0])
        elif failures:
            delay_s = RETRY_S[min(failures, len(RETRY_S)) - 1]
            self._post(EngineAway(f"{reason}\n(trying again every {delay_s:.0f} s)", retrying=True))
            await self._wait(delay_s)
        else:
            self._post(EngineAway(reason, retrying=False))
            await self._wait(None)

    async def _wait(self, seconds: float | None) -> None:
        """Wait until the writer resumes, at most so long; resuming before the wait does not count."""
        self._resumed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._resumed.wait(), seconds)
