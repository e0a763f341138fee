"""Finds the engine, starts it if there is none, shakes hands, and exchanges messages with it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

from engine import __version__, paths
from engine.errors import AmygdalaError
from engine.wire import codec, protocol

START_WITHIN = 15.0
"""Seconds that a new engine has to answer; it answers before it loads any model."""
RACE_WITHIN = 5.0
"""Seconds, after a new engine ended early, in which another has to answer. An engine that stops takes about three."""
IDLE_EXIT_MINUTES = 60
"""A started engine exits after an hour with no client and no work."""
_started: list[subprocess.Popen[bytes]] = []
"""Engines that this process started: kept, so that one that ends is reaped rather than left a zombie."""


class NoEngine(AmygdalaError):
    """Nobody serves at the socket."""


class Connection:
    """A connection after the handshake. `request` sends and awaits one reply; `events` yields everything else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, welcome: protocol.Welcome) -> None:
        self.welcome = welcome
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[protocol.Reply]] = {}
        self._events: asyncio.Queue[protocol.Event | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    async def request(self, kind: type[protocol.Request], **fields: Any) -> protocol.Reply:
        """Send a request and wait for its reply.

        Raises:
            AmygdalaError: the engine refused it.
            NoEngine: the connection ended before the reply.
        """
        number = next(self._ids)
        future: asyncio.Future[protocol.Reply] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        try:
            if self._task.done():
                raise NoEngine("the engine has gone")
            self._writer.write(codec.encode(kind(id=number, **fields)))
            await self._writer.drain()
            reply = await future
        except ConnectionError as error:
            raise NoEngine("the engine has gone") from error
        finally:
            self._replies.pop(number, None)
        if isinstance(reply, protocol.Failure):
            raise AmygdalaError(reply.message)
        return reply

    async def events(self) -> AsyncIterator[protocol.Event]:
        """Events as they come, until the connection ends."""
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        """Hang up."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                message = codec.decode_from_server(line)
                if isinstance(message, protocol.Event):
                    self._events.put_nowait(message)
                elif isinstance(message, protocol.Failure) and message.id is None:
                    self._fail_all(AmygdalaError(message.message))
                elif isinstance(message, protocol.Reply):
                    future = self._replies.get(message.id or 0)
                    if future is not None and not future.done():
                        future.set_result(message)
        except (ConnectionError, ValueError, codec.ProtocolError):
            pass
        finally:
            self._events.put_nowait(None)
            self._fail_all(NoEngine("the engine has gone"))

    def _fail_all(self, error: AmygdalaError) -> None:
        for future in self._replies.values():
            if not future.done():
                future.set_exception(error)


async def connect(socket: Path) -> Connection:
    """Connect to the engine at `socket`.

    Raises:
        NoEngine: nobody serves there.
        AmygdalaError: it speaks another protocol (its words say what to do), or does not shake hands.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket), limit=protocol.MAX_MESSAGE)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoEngine(f"no engine is running at {socket}") from error
    except OSError as error:
        raise AmygdalaError(f"cannot connect to {socket}: {error.strerror}") from error
    if not paths.is_mine(writer.get_extra_info("socket")):
        writer.close()
        raise AmygdalaError(
            f"what serves at {socket} belongs to another user and will not be talked to.\n"
            "Choose another place with --socket or AMYGDALA_SOCKET."
        )
    writer.write(codec.encode(protocol.Hello(protocol=protocol.PROTOCOL, version=__version__)))
    try:
        line = await asyncio.wait_for(reader.readline(), START_WITHIN)
        answer = codec.decode_from_server(line) if line else None
    except (TimeoutError, ConnectionError, codec.ProtocolError) as error:
        writer.close()
        words = str(error) or f"nothing came within {START_WITHIN:.0f} s"
        raise AmygdalaError(f"what serves at {socket} does not answer as an engine: {words}") from error
    if isinstance(answer, protocol.Welcome):
        return Connection(reader, writer, answer)
    writer.close()
    if isinstance(answer, protocol.Refused):
        raise AmygdalaError(answer.message)
    raise NoEngine(f"the engine at {socket} hung up")


async def connect_or_start(socket: Path) -> Connection:
    """Connect to the engine, starting one if there is none; if several clients start one, one of these serves all.

    Raises:
        AmygdalaError: none could be started (the message has the end of its log), or as `connect`.
    """
    with contextlib.suppress(NoEngine):
        return await connect(socket)
    process, has_ended = start(socket), False
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(NoEngine):
            return await connect(socket)
        if process.poll() is not None:
            # it lost a race, and the winner answers in a moment; or an engine that is stopping still held the lock,
            # and is gone by the next try; or it failed, and will fail again
            deadline = deadline if has_ended else time.monotonic() + RACE_WITHIN
            has_ended = True
            await asyncio.sleep(0.5)
            process = start(socket)
        await asyncio.sleep(0.05)
    log = paths.log_path()
    raise AmygdalaError(f"no engine could be started; the end of its log, {log}:\n{_tail(log)}")


def start(socket: Path) -> subprocess.Popen[bytes]:
    """Start a detached engine at `socket`, its output to the log. Where one is running already, the new one exits.

    Raises:
        AmygdalaError: the process cannot be made.
    """
    try:
        with _open_log() as stream:
            # -P keeps the working directory off the import path: a corpus must not be able to replace `engine`
            command = [sys.executable, "-P", "-m", "engine", "serve", "--socket", str(socket)]
            process = subprocess.Popen(
                [*command, "--idle-exit", str(IDLE_EXIT_MINUTES)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                cwd="/",
            )
    except OSError as error:
        raise AmygdalaError(f"cannot start an engine: {error.strerror}") from error
    _started[:] = [engine for engine in _started if engine.poll() is None] + [process]
    return process


def _open_log() -> BinaryIO:
    """The log, to append to; nowhere, where it cannot be written: an engine without a log is better than none."""
    log = paths.log_path()
    try:
        paths.make_folder(log.parent)
        paths.make_file(log)
        return log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
