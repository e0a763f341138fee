"""Commands that talk to a running engine: `status`, `close`, `stop`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from engine import client, paths
from engine.cli.report import output
from engine.errors import AmygdalaError
from engine.wire import protocol, snapshot

T = TypeVar("T")
STOP_WITHIN_S = 20.0


def status(arguments: argparse.Namespace) -> int:
    """Print what the engine is doing; exit code 1 if there is none."""
    reply = _with_engine(arguments, lambda engine: engine.request(protocol.GetStatus))
    assert isinstance(reply, protocol.Status)
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(reply)).decode() + "\n")
        return 0
    n_others = reply.clients - 1  # this command is one
    output.print(f"engine {reply.version}, pid {reply.pid}, up {reply.uptime:.0f} s, {_count(n_others, 'client')}")
    output.print(f"socket {reply.socket}\nlog    {reply.log}")
    for corpus in reply.corpora:
        counts = f"{_stories(corpus.stories)}, {_count(corpus.concepts, 'concept')}, {_count(corpus.clients, 'client')}"
        output.print(f"corpus {corpus.corpus}: {_doing(corpus.doing)}, revision {corpus.revision}; {counts}")
    for model in reply.models:
        where = f" on {model.device}, {model.bytes / 1e6:.0f} MB" if model.device else ""
        output.print(f"model  {model.model}: {model.state}{where}" + (f", pid {model.pid}" if model.pid else ""))
    return 0


def close(arguments: argparse.Namespace) -> int:
    """Have the engine let go of a corpus."""
    corpus = str(arguments.corpus.resolve())
    _with_engine(arguments, lambda engine: engine.request(protocol.Close, corpus=corpus))
    print(f"closed {corpus}", file=sys.stderr)
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """Stop the engine and wait until it has gone."""
    socket = paths.socket_path(arguments.socket)
    _with_engine(arguments, lambda engine: engine.request(protocol.Stop))
    deadline = time.monotonic() + STOP_WITHIN_S
    while socket.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    if socket.exists():
        raise AmygdalaError(f"the engine was asked to stop but {socket} is still there after {STOP_WITHIN_S:.0f} s")
    print("stopped", file=sys.stderr)
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _stories(number: int) -> str:
    return f"{number} {'story' if number == 1 else 'stories'}"


def _doing(doing: snapshot.Doing) -> str:
    left = f", {doing.left:.0f} s left" if doing.left is not None else ""
    progress = f" {doing.done}/{doing.total} texts, {doing.rate:.0f}/s{left}" if doing.total else ""
    notes = [f"({doing.detail})" if doing.detail else "", "" if doing.live else "paused", doing.note]
    stale = f"{_stories(doing.waiting)} changed and not computed" if doing.waiting else ""
    return doing.state + progress + "".join(f", {words}" for words in (*notes, stale) if words)


def _with_engine(arguments: argparse.Namespace, ask: Callable[[client.Connection], Awaitable[T]]) -> T:
    socket: Path = paths.socket_path(arguments.socket)

    async def converse() -> T:
        connection = await client.connect(socket)
        try:
            return await ask(connection)
        finally:
            await connection.close()

    return asyncio.run(converse())
