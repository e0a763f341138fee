"""Calls that may wait on a file system for ever, in threads that can be given up.

A mount that stops answering (NFS, SSHFS) holds every call about it. Such a call must neither stand in the event loop,
which everybody waits for, nor in a pool of threads, which a few such calls use up and which Python joins at its end.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from engine.errors import AmygdalaError

P = ParamSpec("P")
T = TypeVar("T")
ANSWERS_WITHIN_S = 10.0
"""Seconds after which a file system is taken not to answer."""


async def in_thread(call: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """What a call gives, from a thread of its own; whoever cancels the wait gives the thread up.

    Raises:
        Whatever the call raises.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = call(*arguments, **keywords)
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=run, daemon=True, name=getattr(call, "__qualname__", "call")).start()
    return await future


async def answered_within(
    seconds: float, path: str | os.PathLike[str], call: Callable[[], T], late: Callable[[], None] | None = None
) -> T:
    """What a call about a path gives, from a thread of its own.

    Args:
        seconds: how long an answer may take.
        late: called if there is no answer by then; the call is waited for further. Without it, the call is given up.

    Raises:
        AmygdalaError: there is no answer in time, and no `late`.
        Whatever the call raises.
    """
    answer = asyncio.create_task(in_thread(call))
    try:
        await asyncio.wait({answer}, timeout=seconds)
        if not answer.done():
            if late is None:
                words = f"{os.fspath(path)}: its file system has not answered for {seconds:g} s; is a mount gone?"
                raise AmygdalaError(words)
            late()
        return await answer
    finally:
        answer.cancel()
