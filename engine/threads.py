"""Calls that may wait on a file system for ever, in threads that can be given up.

A mount that stops answering (NFS, SSHFS) holds every call about it. Such a call must neither stand in the event loop,
which everybody waits for, nor in a pool of threads, which a few such calls use up and which Python joins at its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
