"""A task that falls is told of and begun again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from engine.service import supervision
from engine.service.supervision import supervised


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "AGAIN_S", 0.0)


async def test_is_begun_again_until_it_ends() -> None:
    left = [OSError("first"), ValueError("second")]
    told: list[Exception] = []

    async def work() -> None:
        if left:
            raise left.pop(0)

    await asyncio.wait_for(supervised(work, told.append), 10)
    assert [str(error) for error in told] == ["first", "second"]


async def test_goes_on_although_telling_fails(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise OSError("it fell")

    def tell(_: Exception) -> None:
        raise RuntimeError("nobody hears this")

    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(supervised(work, tell), 10)
    assert calls == 3
    assert "telling of a fault failed" in caplog.text


async def test_a_cancelled_task_ends() -> None:
    task = asyncio.create_task(supervised(asyncio.Event().wait, lambda _: None))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
