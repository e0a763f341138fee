"""A model's process and its pipes: passes messages in and out, prints its standard error and remembers the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import Callable

import msgspec

from engine.settings import Settings
from engine.wire import jobs
from engine.wire.protocol import MAX_MESSAGE

log = logging.getLogger(__name__)

ENDING_S = 1.0
"""Seconds that a process has to end by itself, and then again once it is told to."""
MAX_STDERR_LINES = 60
"""Lines of standard error that are remembered, to say why a process ended."""


class Process:
    """One running process; it ends by itself when its pipe closes, so killing the engine leaves nothing behind.

    Args:
        child: the process, with a pipe for each of its three streams.
        answer: called with each message of the process.
        end: called once when the process has ended by itself (not after `close`), with words for why, and whether an
            answer of its could not be read.
    """

    def __init__(
        self,
        child: asyncio.subprocess.Process,
        answer: Callable[[jobs.FromWorker], None],
        end: Callable[[str, bool], None],
    ) -> None:
        self._child = child
        self._answer = answer
        self._end = end
        self._stderr_lines: deque[str] = deque(maxlen=MAX_STDERR_LINES)
        self._readers = [asyncio.create_task(self._read()), asyncio.create_task(self._relay())]

    @classmethod
    async def start(
        cls, settings: Settings, answer: Callable[[jobs.FromWorker], None], end: Callable[[str, bool], None]
    ) -> Process:
        """Start a worker that loads the model which settings name."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "engine.compute.worker", msgspec.json.encode(settings).decode(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=MAX_MESSAGE, process_group=0,
        )  # fmt: skip
        return cls(child, answer, end)

    @property
    def pid(self) -> int:
        return self._child.pid

    def write(self, message: jobs.ToWorker) -> None:
        """Send a message. If the process has ended, the message is lost, as its answer would be."""
        assert self._child.stdin is not None
        self._child.stdin.write(msgspec.json.encode(message) + b"\n")

    async def close(self) -> None:
        """End it: it exits when its pipe closes, or is told to if it is in the middle of a step.

        What it has computed is stored batch by batch, so that nothing but the batch at hand is lost.
        """
        self._end = lambda _words, _unreadable: None
        if self._child.stdin is not None:
            self._child.stdin.close()
        for stop in (self._child.terminate, self._child.kill):
            try:
                await asyncio.wait_for(self._child.wait(), ENDING_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    stop()
        await self._child.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _read(self) -> None:
        assert self._child.stdout is not None
        decoder = msgspec.json.Decoder(jobs.FromWorker)
        unreadable = ""
        try:
            async for line in self._child.stdout:
                self._answer(decoder.decode(line))
        except (msgspec.DecodeError, ValueError) as error:  # a line that is too long is a ValueError
            log.exception("a worker gave an answer that cannot be read")
            unreadable = f"the model's process gave an answer that cannot be read: {error}"
            self._child.kill()
        code = await self._child.wait()
        await asyncio.sleep(0)  # let the last lines of its standard error arrive
        words = unreadable or "\n".join(self._stderr_lines) or f"it ended with code {code} and said nothing"
        self._end(words, bool(unreadable))

    async def _relay(self) -> None:
        assert self._child.stderr is not None
        async for line in self._child.stderr:
            words = line.decode(errors="replace").rstrip()
            self._stderr_lines.append(words)
            with contextlib.suppress(OSError):  # the disk may be full, and may have room again later
                print(words, file=sys.stderr, flush=True)
