"""Whom a client talks to."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from engine import client, paths
from engine.errors import AmygdalaError


async def test_nobody_serves_there(short_dir: Path) -> None:
    with pytest.raises(client.NoEngine, match="no engine is running"):
        await client.connect(short_dir / "e.sock")


async def test_another_users_socket_is_not_talked_to(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(short_dir / "e.sock"))
        listener.listen()
        monkeypatch.setattr(paths, "peer_uid", lambda _: os.getuid() + 1)
        with pytest.raises(AmygdalaError, match="belongs to another user"):
            await client.connect(short_dir / "e.sock")


async def test_an_engine_that_cannot_be_started_is_told_with_the_end_of_its_log(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RACE_WITHIN", 0.5)
    (short_dir / "e.sock").write_text("a file in the socket's place")
    with pytest.raises(AmygdalaError, match="it is no socket"):
        await client.connect_or_start(short_dir / "e.sock")


def test_an_engine_starts_although_its_log_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("a file where the folder of logs belongs")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with client._open_log() as stream:
        assert stream.write(b"lost") == 4
    assert (tmp_path / "state").read_text() == "a file where the folder of logs belongs"
