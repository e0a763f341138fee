"""A model's process and its pipes: messages in, messages out, its standard error passed on and remembered."""

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
"""What a process has to end by itself, and then again when told to."""
LAST_WORDS = 60
"""Lines of standard error that are remembered."""


class Process:
    """One running process; it ends by itself when its pipe closes, so killing the engine leaves nothing behind.

    Args:
        child: with all three pipes.
        answer: is given each message.
        end: is told, once, when the process has ended (not after `close`): in words, and whether its answers could not
            be read.
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
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
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
        """Send a message; one to a process that has ended is lost, as its answer would be."""
        assert self._child.stdin is not None
        self._child.stdin.write(msgspec.json.encode(message) + b"\n")

    async def close(self) -> None:
        """End it: it exits when its pipe closes, or is told to if it is in the middle of a step.

        What it has computed is stored batch by batch, so that nothing but the batch at hand is lost.
        """
        self._end = lambda _words, _unreadable: None
        if self._child.stdin is not None:
            self._child.stdin.close()
        for end in (self._child.terminate, self._child.kill):
            try:
                await asyncio.wait_for(self._child.wait(), ENDING_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    end()
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
        await asyncio.sleep(0)  # let the last words of its standard error arrive
        words = unreadable or "\n".join(self._last_words) or f"it ended with code {code} and said nothing"
        self._end(words, bool(unreadable))

    async def _relay(self) -> None:
        assert self._child.stderr is not None
        async for line in self._child.stderr:
            words = line.decode(errors="replace").rstrip()
            self._last_words.append(words)
            with contextlib.suppress(OSError):  # a full disk: what is said later may be kept again
                print(words, file=sys.stderr, flush=True)
