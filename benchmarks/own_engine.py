"""An engine of a benchmark's own: its socket, cache and state lie in a folder that goes with it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from engine import client, paths
from engine.settings import Settings
from engine.wire import protocol


@contextmanager
def own_places() -> Iterator[Path]:
    """A folder with a short path, in which this process and its children keep their cache, state and socket."""
    folder = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))
    places = {"AMYGDALA_CACHE": "cache", "XDG_STATE_HOME": "state", "AMYGDALA_SOCKET": "e.sock"}
    try:
        with mock.patch.dict(os.environ, {variable: str(folder / name) for variable, name in places.items()}):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Follower:
    """A client that has one corpus open."""

    def __init__(self, connection: client.Connection, corpus: Path) -> None:
        self.connection = connection
        self.corpus = str(corpus)
        self._events: AsyncIterator[protocol.Event] = connection.events()

    @classmethod
    async def of(cls, corpus: Path, settings: Settings) -> Follower:
        """Connect, starting an engine if there is none, and open the corpus."""
        follower = cls(await client.connect_or_start(paths.socket_path()), corpus)
        reply = await follower.connection.request(protocol.Open, corpus=follower.corpus, settings=settings)
        assert isinstance(reply, protocol.Opened), reply
        return follower

    async def changes(self) -> AsyncIterator[protocol.Changed]:
        """Every new revision, as it comes."""
        async for event in self._events:
            if isinstance(event, protocol.Changed) and event.revision != event.base:
                yield event
            elif isinstance(event, protocol.Progressed) and event.doing.state == "failed":
                raise RuntimeError(event.doing.detail)
            elif isinstance(event, protocol.Resync):
                raise RuntimeError("this client was too slow")
        raise RuntimeError("the engine went away")

    async def status(self) -> protocol.Status:
        """The engine's."""
        reply = await self.connection.request(protocol.GetStatus)
        assert isinstance(reply, protocol.Status)
        return reply

    async def close(self) -> None:
        """Leave; the engine goes on."""
        await self.connection.close()

    async def stop(self) -> None:
        """End the engine."""
        await self.connection.request(protocol.Stop)
        await self.connection.close()
