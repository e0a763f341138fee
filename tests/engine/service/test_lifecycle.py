"""One engine per socket: who owns it, what a killed one leaves behind, how it goes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import cli, client, paths
from engine.errors import AmygdalaError
from engine.paths import peer_uid
from engine.service.lifecycle import AlreadyRunning, Ownership
from engine.wire import protocol
from tests.engine.service.running import Engine, alive


def test_ownership_is_refused_while_another_holds_the_lock(short_dir: Path) -> None:
    with Ownership(short_dir / "s"), pytest.raises(AlreadyRunning, match="already serves"):
        Ownership(short_dir / "s")


def test_refused_owner_leaves_the_socket_alone(short_dir: Path) -> None:
    with Ownership(short_dir / "s") as owner:
        with pytest.raises(AlreadyRunning):
            Ownership(short_dir / "s")
        assert owner.still_ours()
        assert (short_dir / "s").is_socket()


def test_released_socket_is_gone_and_can_be_owned_again(short_dir: Path) -> None:
    Ownership(short_dir / "s").release()
    assert not (short_dir / "s").exists()
    with Ownership(short_dir / "s") as owner:
        assert owner.still_ours()


def test_socket_is_the_users_alone(short_dir: Path) -> None:
    with Ownership(short_dir / "s"):
        assert stat.S_IMODE((short_dir / "s").stat().st_mode) == 0o600


def test_stale_socket_is_replaced(short_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(short_dir / "s"))
    with Ownership(short_dir / "s") as owner:
        assert owner.still_ours()


def test_owner_notices_that_its_socket_was_taken_away(short_dir: Path) -> None:
    owner = Ownership(short_dir / "s")
    (short_dir / "s").unlink()
    assert not owner.still_ours()
    (short_dir / "s").write_text("not ours")
    assert not owner.still_ours()
    owner.release()
    assert (short_dir / "s").read_text() == "not ours"


def test_missing_directory_is_named(short_dir: Path) -> None:
    with pytest.raises(AmygdalaError, match="nosuch"):
        Ownership(short_dir / "nosuch" / "s")


def test_lock_is_not_followed_through_a_link(short_dir: Path) -> None:
    (short_dir / "s.lock").symlink_to(short_dir / "elsewhere")
    with pytest.raises(AmygdalaError, match=r"s\.lock"):
        Ownership(short_dir / "s")
    assert not (short_dir / "elsewhere").exists()


def test_file_that_is_no_socket_is_not_removed(short_dir: Path) -> None:
    (short_dir / "novel.txt").write_text("ten years of work")
    with pytest.raises(AmygdalaError, match=r"novel\.txt"):
        Ownership(short_dir / "novel.txt").release()
    assert (short_dir / "novel.txt").read_text() == "ten years of work"


def test_peer_is_this_user() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_uid(one) == os.getuid()


def test_second_engine_at_a_socket_exits_1(short_dir: Path) -> None:
    engine = Engine(short_dir)
    try:
        command = [sys.executable, "-m", "engine", "serve", "--socket", str(engine.socket)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert f"already serves at {engine.socket}" in second.stderr
        assert asyncio.run(pid_at(engine.socket)) == engine.process.pid
    finally:
        assert engine.end() == 0


def test_engine_that_was_killed_is_replaced(short_dir: Path) -> None:
    killed = Engine(short_dir)
    killed.process.kill()
    killed.process.wait()
    assert killed.socket.is_socket()
    killed.log.unlink()
    engine = Engine(short_dir)
    assert asyncio.run(pid_at(engine.socket)) == engine.process.pid
    assert engine.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signalled_engine_takes_its_socket_away(short_dir: Path, number: signal.Signals) -> None:
    engine = Engine(short_dir)
    engine.process.send_signal(signal.SIGHUP)  # a dropped link stops nothing
    assert asyncio.run(pid_at(engine.socket)) == engine.process.pid
    engine.process.send_signal(number)
    assert engine.process.wait(60) == 0
    assert not engine.socket.exists()


def test_stop_ends_the_engine_and_removes_the_socket(short_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine(short_dir)
    assert cli.run(["stop", "--socket", str(engine.socket)]) == 0
    assert not engine.socket.exists()
    assert engine.process.wait(60) == 0
    assert cli.run(["stop", "--socket", str(engine.socket)]) == 1
    assert f"no engine is running at {engine.socket}" in capsys.readouterr().err


def test_status_tells_of_the_engine(short_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine(short_dir)
    assert cli.run(["status", "--json", "--socket", str(engine.socket)]) == 0
    assert json.loads(capsys.readouterr().out)["pid"] == engine.process.pid
    assert cli.run(["status", "--socket", str(engine.socket)]) == 0
    assert f"pid {engine.process.pid}" in capsys.readouterr().out
    engine.end()
    assert cli.run(["status", "--socket", str(engine.socket)]) == 1


def test_closing_what_is_not_open_exits_1(short_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine(short_dir)
    assert cli.run(["close", str(short_dir / "nosuch"), "--socket", str(engine.socket)]) == 1
    assert "nosuch is not open" in capsys.readouterr().err
    engine.end()


def test_engine_exits_when_idle(short_dir: Path) -> None:
    engine = Engine(short_dir, "--idle-exit", "0.001")
    assert engine.process.wait(60) == 0
    assert not engine.socket.exists()


def test_engine_whose_socket_was_taken_away_exits_and_leaves_the_new_one(short_dir: Path) -> None:
    engine = Engine(short_dir)
    engine.socket.unlink()
    engine.socket.write_text("another's")
    assert engine.process.wait(60) == 0
    assert engine.socket.read_text() == "another's"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The engines that a client of this process starts; none outlives the test."""
    processes: list[subprocess.Popen[bytes]] = []
    start = client.start

    def recorded(socket: Path) -> subprocess.Popen[bytes]:
        processes.append(start(socket))
        return processes[-1]

    monkeypatch.setattr(client, "start", recorded)
    yield processes
    for process in processes:
        process.kill()
        process.wait()


async def test_racing_clients_start_one_engine(short_dir: Path, started: list[subprocess.Popen[bytes]]) -> None:
    path = short_dir / "s"
    connections = await asyncio.gather(*(client.connect_or_start(path) for _ in range(20)))
    pids = {connection.welcome.pid for connection in connections}
    (winner,) = [process for process in started if process.pid in pids]
    losers = [process for process in started if process is not winner]
    # one that is still starting when the winner stops would take over, as it should
    assert {process.wait(60) for process in losers} <= {1}
    await connections[0].request(protocol.Stop)
    for connection in connections:
        await connection.close()
    assert pids == {winner.pid}
    assert winner.wait(60) == 0
    assert not path.exists()


async def test_engine_whose_runtime_directory_was_removed_exits_and_the_next_client_starts_another(
    short_dir: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_dir))  # which a system removes when its user has logged out
    first = await client.connect_or_start(paths.socket_path())
    shutil.rmtree(short_dir)
    short_dir.mkdir()
    second = await client.connect_or_start(paths.socket_path())
    assert second.welcome.pid == started[-1].pid != first.welcome.pid
    assert started[0].wait(60) == 0
    assert await pid_at(paths.socket_path()) == second.welcome.pid, "the first has left the second one's socket alone"
    for connection in (first, second):
        await connection.close()


async def test_connecting_where_nobody_serves_says_so(short_dir: Path) -> None:
    with pytest.raises(client.NoEngine, match=str(short_dir)):
        await client.connect(short_dir / "s")


async def test_connecting_to_something_else_is_told(short_dir: Path) -> None:
    hung_up = asyncio.Event()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    server = await asyncio.start_unix_server(babble, short_dir / "s")
    with pytest.raises(AmygdalaError, match="does not answer as an engine"):
        await client.connect(short_dir / "s")
    await asyncio.wait_for(hung_up.wait(), 30)
    server.close()


@pytest.mark.usefixtures("started")
async def test_an_engine_that_cannot_start_shows_the_end_of_its_log(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RACE_WITHIN", 1.0)
    monkeypatch.setenv("XDG_STATE_HOME", str(short_dir))
    with pytest.raises(AmygdalaError, match="cannot lock"):
        await client.connect_or_start(short_dir / "nosuch" / "s")


async def pid_at(path: Path) -> int:
    """The engine that answers at a socket."""
    connection = await client.connect(path)
    try:
        return connection.welcome.pid
    finally:
        await connection.close()


def test_pid_of_a_dead_process_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not alive(process.pid)
