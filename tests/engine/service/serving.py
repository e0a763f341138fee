"""A server in this process, with workers that compute nothing, and a client that sends it raw lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection
from typing import Any

from engine.corpus import Story
from engine.errors import AmygdalaError
from engine.results import Cost, Results
from engine.settings import Settings
from engine.wire import jobs
from engine.wire.jobs import Prepared
from engine.wire.status import ModelStatus

WITHIN = 30.0


class FakeWorker:
    """Answers every job with no numbers at all."""

    is_loaded, is_busy, device, last_used = True, False, "cpu", 0.0

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.jobs: list[tuple[set[str], set[str]]] = []
        """Per job, the paths computed and the ids run afresh."""
        self.fail = ""

    async def prepare(self, *_arguments: object) -> Prepared:
        return Prepared(job=1, seconds=0.0)

    async def settle(self, _corpus: str) -> None: ...

    async def score(self, *_arguments: object) -> None:
        raise AmygdalaError("nothing here reads drafts")

    def supersede(self, _corpus: str) -> None: ...

    def has_state(self, _corpus: str) -> bool:
        return bool(self.jobs)

    async def apply(
        self,
        corpus: str,
        _settings: Settings,
        stories: Collection[Story],
        fresh: Collection[str],
        _advance: object,
        **_more: object,
    ) -> jobs.Applied:
        await asyncio.sleep(0)
        if self.fail:
            raise AmygdalaError(self.fail)
        self.jobs.append(({story.path for story in stories}, set(fresh)))
        results = Results(
            layers=[1], hidden_size=1, concepts=[], fits=[], without_vector={}, truncated=[], max_tokens=512
        )  # fmt: skip
        return jobs.Applied(corpus=corpus, job=1, results=results, cost=Cost(texts_run=len(fresh)))

    def forget(self, corpus: str) -> None:
        self.forgotten.append(corpus)

    async def close(self) -> None: ...


class FakePool:
    """One fake worker for everything."""

    def __init__(self) -> None:
        self.worker = FakeWorker()

    def get(self, _settings: Settings) -> FakeWorker:
        return self.worker

    def status(self) -> list[ModelStatus]:
        return []

    async def rest(self, *_: object) -> None: ...

    async def close(self) -> None: ...


class Wire:
    """A client that sends raw lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, line: bytes | dict[str, Any]) -> None:
        self.writer.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
        await self.writer.drain()

    async def read(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.reader.readline(), WITHIN)
        assert line, "the server hung up"
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def reply(self, line: bytes | dict[str, Any]) -> dict[str, Any]:
        """Send, and the next line that is no event."""
        await self.send(line)
        while (answer := await self.read())["type"] in ("Snapshot", "Changed", "Progressed"):
            pass
        return answer

    async def has_ended(self) -> bool:
        return await asyncio.wait_for(self.reader.readline(), WITHIN) == b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


Connect = Callable[..., Any]
