"""`engine watch`: keeps exported files current as the corpus changes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine import client, paths, settings
from engine.cli.export import answer, prepare, write
from engine.cli.report import ForwardProgress, diagnostics
from engine.corpus import Layout, Problem, left_out
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.threads import in_thread
from engine.wire import protocol

if TYPE_CHECKING:
    from engine.cli.computing import Computed

RECONNECT_S = 2.0
"""Seconds after losing an engine until it is looked for, or started, again."""
RETRY_S, MAX_RETRY_S = 2.0, 10.0
"""Seconds after an export that failed until the next; they double, as long as exports fail, up to a limit."""

WRITTEN_WITHIN_S = 5.0
"""Seconds that an interrupt leaves to files that are being written."""


class Following:
    """What a watch has come to."""

    def __init__(self) -> None:
        self.has_opened = False
        """Once it has, an error is a matter of the moment; before, it is most likely one of the command's words."""
        self._said = ""
        self._left_out: list[Problem] = []

    def succeed(self, problems: list[Problem]) -> None:
        """Let the next failure be said, whatever it is; say problems that were not there at the last export."""
        self._said = ""
        for problem in problems:
            if problem not in self._left_out:
                diagnostics.print(str(problem))
        self._left_out = problems

    def fail(self, words: str) -> None:
        """Say a failure once, however often it comes again in a row."""
        if words != self._said:
            diagnostics.print(words)
            self._said = words


def watch(arguments: argparse.Namespace) -> int:
    """Write the files now and after every change, until interrupted. A lost engine is started again."""
    Layout.of(arguments.corpus)
    chosen = settings.load(arguments.corpus, settings.from_flags(arguments))
    prepare(arguments)
    asyncio.run(_follow(arguments, chosen))
    return 0


async def _follow(arguments: argparse.Namespace, chosen: Settings) -> None:
    following = Following()
    while True:
        try:
            connection = await client.connect_or_start(paths.socket_path(arguments.socket))
            try:
                await _follow_while_connected(connection, arguments, chosen, following)
                diagnostics.print("the engine has gone, or let go of the corpus; opening it again")
            finally:
                await connection.close()
        except client.NoEngine as error:
            following.fail(f"{error}; opening it again")
        except AmygdalaError as error:
            if not following.has_opened:
                raise
            following.fail(f"not exported: {error}; trying again")
        await asyncio.sleep(RECONNECT_S)


async def _follow_while_connected(
    connection: client.Connection, arguments: argparse.Namespace, chosen: Settings, following: Following
) -> None:
    """Follow the corpus for as long as the connection lasts.

    Raises:
        AmygdalaError: the corpus is open with other settings.
    """
    corpus = await in_thread(paths.real, arguments.corpus)
    reply = await connection.request(protocol.Open, corpus=corpus, settings=chosen)
    if isinstance(reply, protocol.Conflict):
        words = "; ".join(
            f"{name}: {mine} asked for, {theirs} in force" for name, (mine, theirs) in reply.differences.items()
        )
        raise AmygdalaError(
            f"{corpus} is open in the engine with other settings ({words}).\n"
            "Watch it with those, or let go of it first: amygdala-engine close CORPUS"
        )
    following.has_opened = True
    news = asyncio.Event()
    listening = asyncio.create_task(_listen(connection, news))
    listening.add_done_callback(lambda _: news.set())
    delay: float | None = None
    try:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), delay)
            news.clear()
            if listening.done():
                return
            try:
                problems = await _export(arguments, chosen)
            except client.NoEngine:
                raise
            except AmygdalaError as error:
                following.fail(f"not exported: {error}; trying again")
                delay = RETRY_S if delay is None else min(2 * delay, MAX_RETRY_S)
            else:
                following.succeed(problems)
                delay = None
    finally:
        listening.cancel()


async def _listen(connection: client.Connection, news: asyncio.Event) -> None:
    """Set `news` at every new revision, until the connection ends or the corpus is closed."""
    revision = 0
    async for event in connection.events():
        if isinstance(event, protocol.Snapshot | protocol.Changed) and event.revision > revision:
            revision = event.revision
            news.set()
        elif isinstance(event, protocol.Progressed) and event.doing.state == "failed":
            diagnostics.print(f"not exported: {event.doing.detail}")
        elif isinstance(event, protocol.Resync):
            news.set()
        elif isinstance(event, protocol.Closed):
            return


async def _export(arguments: argparse.Namespace, chosen: Settings) -> list[Problem]:
    """Export the corpus as it is now; returns the problems of stories that are left out.

    Raises:
        AmygdalaError: that failed.
    """
    from engine.cli.computing import by_engine

    layout = await in_thread(Layout.of, arguments.corpus)
    connection = await client.connect(paths.socket_path(arguments.socket))
    try:
        with ForwardProgress() as progress:
            computed = await by_engine(connection, layout, chosen, progress, with_evidence=arguments.quality_report)
    finally:
        await connection.close()
    written = await _write(arguments, chosen, computed)
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(answer(chosen, computed, written)).decode() + "\n")
        sys.stdout.flush()
    else:
        _report(written, len(computed.corpus.stories), computed.corpus.digest)
    return left_out(computed.corpus.stories, computed.results.left_out)


async def _write(arguments: argparse.Namespace, chosen: Settings, computed: Computed) -> list[Path]:
    """Write the files. An interrupt waits for their end, so that a set stays whole, but not long for a hung disk."""

    def prepare_and_write() -> list[Path]:
        prepare(arguments)
        return write(arguments, chosen, computed)

    writing = asyncio.create_task(in_thread(prepare_and_write))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing}, timeout=WRITTEN_WITHIN_S)
        raise


def _report(written: list[Path], n_stories: int, digest: str) -> None:
    print(f"wrote {', '.join(map(str, written))}: {n_stories} stories, corpus {digest[:12]}", flush=True)
