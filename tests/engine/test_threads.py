"""A call that hangs holds nobody up but the one who waits for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from engine.threads import in_thread


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
