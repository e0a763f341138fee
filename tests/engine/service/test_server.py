"""The server in this process, with workers that compute nothing: what it answers to whatever is sent."""

from __future__ import annotations

import pytest

from engine.service.clients import Client
from tests.engine.service.serving import Connect

# Messages that are none

BAD = {
    "no JSON": (b"hello?", None),
    "an empty line": (b"", None),
    "no UTF-8": (b"\xff\xfe\xfd", None),
    "no object": (b"[1, 2]", None),
    "no type": (b'{"id": 7}', 7),
    "unknown type": (b'{"type": "Explode", "id": 7}', 7),
    "an event": (b'{"type": "Resync", "id": 7}', 7),
    "ill-typed field": (b'{"type": "SetLive", "id": 7, "corpus": "/x", "live": "yes"}', 7),
    "missing field": (b'{"type": "SetLive", "id": 7, "corpus": "/x"}', 7),
    "ill-typed id": (b'{"type": "GetStatus", "id": "seven"}', None),
    "unknown setting": (b'{"type": "Open", "id": 7, "corpus": "/x", "settings": {"modell": "x"}}', 7),
    "setting out of range": (b'{"type": "Open", "id": 7, "corpus": "/x", "settings": {"max_length": 0}}', 7),
    "deep nesting": (b"[" * 100_000, None),
    "lone surrogate": (b'{"type": "Close", "id": 7, "corpus": "/\\ud800"}', None),
}


@pytest.mark.parametrize("kind", BAD)
async def test_what_is_no_request_gets_a_failure_and_the_server_answers_on(connect: Connect, kind: str) -> None:
    line, number = BAD[kind]
    wire = await connect()
    failure = await wire.reply(line)
    assert failure["type"] == "Failure"
    assert failure.get("id") == number
    assert failure["message"]
    assert (await wire.reply({"type": "GetStatus", "id": 8}))["id"] == 8


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, 10**30])
async def test_any_id_comes_back(connect: Connect, number: int) -> None:
    wire = await connect()
    assert (await wire.reply({"type": "GetStatus", "id": number}))["id"] == number


async def test_oversized_message_is_told_and_other_clients_go_on(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await connect()
    line = Client.line

    async def small_limit(self: Client, _most: int = 0) -> bytes:
        return await line(self, 4096)

    monkeypatch.setattr(Client, "line", small_limit)
    wire = await connect()
    failure = await wire.reply(b"x" * 50_000)
    assert failure["type"] == "Failure"
    assert "4 KiB" in failure["message"]
    assert (await other.reply({"type": "GetStatus", "id": 1}))["clients"] >= 1


async def test_stop_is_answered_before_the_server_goes(connect: Connect) -> None:
    wire = await connect()
    assert await wire.reply({"type": "Stop", "id": 1}) == {"type": "Done", "id": 1}
