"""One client's connection: its greeting, its outbox, and the limits that keep one client from harming the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque

from engine import __version__
from engine.wire import codec, protocol

log = logging.getLogger(__name__)

OUTBOX_BYTES = 16 << 20
"""Bytes that may wait for one slow client before it is told to resync."""
DISCARD_S = 2.0
"""Seconds for which the engine reads and ignores what a client still sends, before it hangs up on it."""
UNREAD_BYTES = 128 << 20
"""A client that has left so much unread, replies to its own requests among it, is let go."""
MAX_HELLO = 64 << 10
"""Bytes of a client's first message: who has not greeted cannot make the engine hold much."""
GREET_WITHIN_S = 5.0
MAX_CLIENTS = 64
MAX_CONNECTIONS = 2 * MAX_CLIENTS
"""Clients, and connections that have not greeted yet, together."""
READ_BYTES = 256 << 10
"""Taken from a connection at a time."""
MAX_PENDING = 8
"""Slow requests of one client that may be under way at a time."""


class Client:
    """One connection: what it sends, what waits to be sent to it, and the corpora it shows."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.corpora: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        """Slow requests under way, each of which is answered when it is done."""
        self.draft: tuple[asyncio.Task[None], int] | None = None
        """The request about the latest draft: its task and its id."""
        self._reader = reader
        self._writer = writer
        self._outbox: deque[tuple[bytes, bool]] = deque()
        """Lines, each with whether it is an event."""
        self._waiting_bytes = 0
        self._ready = asyncio.Event()
        self._is_gone = False
        """Whether the engine has let the client go."""
        self._input = bytearray()
        """What came after the last line that was read."""

    async def greet(self, n_clients: int) -> bool:
        """Hear the client's hello and answer it; returns whether the conversation goes on.

        Args:
            n_clients: how many clients the engine has already.
        """
        try:
            line = await asyncio.wait_for(self.line(MAX_HELLO), GREET_WITHIN_S)
        except TimeoutError:
            self.send(protocol.Refused(message=f"no greeting within {GREET_WITHIN_S:g} s; goodbye"))
            return False
        if not line:
            return False
        refusal = _refusal(line, n_clients)
        if refusal:
            self.send(protocol.Refused(message=refusal))
            return False
        self.send(protocol.Welcome(protocol=protocol.PROTOCOL, version=__version__, pid=os.getpid()))
        return True

    async def line(self, most: int = protocol.MAX_MESSAGE) -> bytes:
        """The next line; empty at the end, and after a line of more than `most` bytes (the sender is told)."""
        searched = 0
        while (end := self._input.find(b"\n", searched)) < 0:
            searched = len(self._input)
            if searched > most:
                return await self._refuse_line(most)
            chunk = await self._reader.read(READ_BYTES)
            if not chunk:
                return b""
            self._input += chunk
        if end > most:
            return await self._refuse_line(most)
        line = bytes(self._input[: end + 1])
        del self._input[: end + 1]
        return line

    def send(self, message: protocol.Message) -> None:
        """Put a message into the outbox; never waits. When it overflows, its events give way to one `Resync`."""
        if self._is_gone:
            return
        line = codec.encode(message)
        is_event = isinstance(message, protocol.Event)
        if is_event and self._waiting_bytes + len(line) > OUTBOX_BYTES and self._outbox:
            self._outbox = deque((reply, False) for reply, was_event in self._outbox if not was_event)
            self._waiting_bytes = sum(len(reply) for reply, _ in self._outbox)
            if not isinstance(message, protocol.Snapshot):  # a resync asks for a snapshot, so that one must get through
                line = codec.encode(protocol.Resync())
        self._outbox.append((line, is_event))
        self._waiting_bytes += len(line)
        if self._waiting_bytes > UNREAD_BYTES and len(self._outbox) > 1:
            log.warning("a client leaves %d MiB unread and is let go", self._waiting_bytes >> 20)
            self._is_gone = True
            self._outbox.clear()
            self._writer.transport.abort()
        self._ready.set()

    async def deliver(self) -> None:
        """Write what is in the outbox, as fast as the client reads."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._outbox:
                line, _ = self._outbox.popleft()
                self._waiting_bytes -= len(line)
                self._writer.write(line)
                await self._writer.drain()

    async def flush(self) -> None:
        """Give the last messages a moment to leave before the connection closes."""
        with contextlib.suppress(Exception):
            while self._outbox:
                self._writer.write(self._outbox.popleft()[0])
            await asyncio.wait_for(self._writer.drain(), 1)

    async def _refuse_line(self, most: int) -> bytes:
        self._input.clear()
        size = f"{most >> 20} MiB" if most >> 20 else f"{most >> 10} KiB"
        self.send(protocol.Failure(id=None, message=f"a message has at most {size} here; goodbye"))
        with contextlib.suppress(TimeoutError):  # closing with input unread would drop the words, too
            await asyncio.wait_for(self._discard_input(), DISCARD_S)
        return b""

    async def _discard_input(self) -> None:
        while await self._reader.read(READ_BYTES):
            pass


def _refusal(line: bytes, n_clients: int) -> str:
    """Why the engine will not talk to the client that sent this first line; empty if it will."""
    try:
        hello = codec.decode_hello(line)
    except codec.ProtocolError as error:
        return str(error)
    if hello.protocol != protocol.PROTOCOL:
        return (
            f"this engine (version {__version__}, pid {os.getpid()}) speaks protocol {protocol.PROTOCOL}, "
            f"you speak {hello.protocol}. Stop it (kill {os.getpid()}) and start again; nothing computed is lost."
        )
    if n_clients >= MAX_CLIENTS:
        return f"this engine has {MAX_CLIENTS} clients already; close some of them"
    return ""
