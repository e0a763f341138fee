"""A call that hangs holds nobody up but the one who waits for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from functools import partial

import pytest

from engine.errors import AmygdalaError
from engine.threads import answered_within, in_thread


async def test_gives_what_the_call_gives_and_raises_what_it_raises() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_many_that_hang_leave_room_for_the_next() -> None:
    gate = threading.Event()
    hanging = [asyncio.create_task(in_thread(gate.wait)) for _ in range(50)]
    assert await asyncio.wait_for(in_thread(sum, [1, 2]), 10) == 3
    hanging[0].cancel()
    gate.set()
    ends = await asyncio.gather(*hanging, return_exceptions=True)
    assert isinstance(ends[0], asyncio.CancelledError)
    assert ends[1:] == [True] * 49


def test_a_process_ends_although_a_call_hangs() -> None:
    code = (
        "import asyncio, threading\n"
        "from engine.threads import in_thread\n"
        "async def main():\n"
        "    task = asyncio.create_task(in_thread(threading.Event().wait))\n"
        "    await asyncio.sleep(0.1)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


async def test_an_answer_in_time_is_given_and_an_error_is_raised() -> None:
    assert await answered_within(60, "/mnt", partial(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await answered_within(60, "/mnt", partial(divmod, 7, 0))


async def test_a_path_that_does_not_answer_is_given_up_with_words() -> None:
    gate = threading.Event()
    with pytest.raises(AmygdalaError, match="/mnt/gone: its file system has not answered"):
        await answered_within(0.05, "/mnt/gone", gate.wait)
    gate.set()


async def test_an_answer_that_is_late_is_said_to_be_and_waited_for() -> None:
    gate = threading.Event()
    assert await answered_within(0.05, "/mnt/slow", gate.wait, late=gate.set) is True
