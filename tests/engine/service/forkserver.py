"""Workers forked from a process that has torch and a loaded model's code already.

A worker's start takes four seconds of a core, nearly all of them imports, and these tests start fifty. Here a process
imports once and forks for each worker: `start` begins it, and engines come to it by `tests/startup/sitecustomize.py`,
which Python imports when it starts. What an engine gets looks like the process that it would have spawned: pid, three
pipes, exit code. Engines of the tests in a terminal (`tests/e2e`) are not told of it, and spawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import site
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.places import GOLDEN, ROOT

ADDRESS = "AMYGDALA_TEST_FORKSERVER"
"""The environment variable that tells engines where the server listens."""
WORKER = "engine.compute.worker"
MAX_REQUEST = 1 << 17
"""Bytes of a command and its environment."""


# The tests' side


_servers: list[subprocess.Popen[bytes]] = []
"""At most one."""


def start() -> None:
    """Begin the server, unless it runs. Where there is no `pidfd` (it is Linux's), engines spawn their workers."""
    if _servers or not hasattr(os, "pidfd_open"):
        return
    address = Path(os.environ["XDG_RUNTIME_DIR"]) / "forkserver"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        listener.listen()
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(listener.fileno())],
            stdin=subprocess.PIPE, pass_fds=[listener.fileno()], start_new_session=True, cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    _servers.append(server)
    os.environ[ADDRESS] = str(address)


def end() -> None:
    """End the server; it would as well if this process were killed."""
    os.environ.pop(ADDRESS, None)
    for server in _servers:
        server.communicate()
    _servers.clear()


# The engine's side


def install() -> None:
    """Have this process fork workers; whatever else it starts is spawned."""
    spawn = asyncio.create_subprocess_exec

    async def fork_or_spawn(*command: str, **options: Any) -> Any:
        if WORKER not in command:
            return await spawn(*command, **options)
        return await Forked.start(command, options["limit"])

    asyncio.create_subprocess_exec = fork_or_spawn  # type: ignore[assignment]


@dataclass
class Forked:
    """What an engine uses of an `asyncio.subprocess.Process`."""

    pid: int
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    _code: asyncio.Task[int]
    _writers: list[asyncio.StreamWriter]
    """Kept: a connection ends with its writer."""

    @classmethod
    async def start(cls, command: tuple[str, ...], limit: int) -> Forked:
        """Ask the server for a worker; it answers once it has torch."""
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        server.connect(os.environ[ADDRESS])
        request = {"command": command, "environment": dict(os.environ), "folder": str(Path.cwd())}
        ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
        socket.send_fds(server, [json.dumps(request).encode()], [end.fileno() for end in theirs])
        for end in theirs:
            end.close()
        server.setblocking(False)
        pid = await told(server)
        readers, writers = zip(
            *[await asyncio.open_unix_connection(sock=end, limit=limit) for end in ours], strict=True
        )
        return cls(pid, writers[0], readers[1], readers[2], asyncio.create_task(told(server)), list(writers))

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        return await asyncio.shield(self._code)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


async def told(server: socket.socket) -> int:
    """The server's next number: first the pid, then the exit code."""
    return int(await asyncio.get_running_loop().sock_recv(server, 64))


# The server


def serve(listener: socket.socket) -> list[str]:
    """Fork for each request, and tell its sender pid and exit code; returns in the children, with their command."""
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fd == 0:
                os._exit(0)  # the tests have ended
            if key.fileobj is not listener:
                pid, sender = key.data
                tell(sender, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                selector.unregister(key.fd)
                os.close(key.fd)
                sender.close()
                continue
            sender, _ = listener.accept()
            request, pipes, *_ = socket.recv_fds(sender, MAX_REQUEST, 3)
            pid = os.fork()
            if pid == 0:
                for end in (listener, sender, selector):
                    end.close()
                return become(pipes, **json.loads(request))
            for pipe in pipes:
                os.close(pipe)
            tell(sender, pid)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, sender))


def tell(sender: socket.socket, number: int) -> None:
    """The sender may have been killed."""
    with contextlib.suppress(OSError):
        sender.send(str(number).encode())


def become(pipes: list[int], command: list[str], environment: dict[str, str], folder: str) -> list[str]:
    """Take on all that a spawned process would have, up to what its environment has Python import at its start."""
    os.setpgid(0, 0)
    for number, pipe in enumerate(pipes):
        os.dup2(pipe, number)
        os.close(pipe)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.orig_argv = command
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.modules.pop("sitecustomize", None)
    site.execsitecustomize()
    return command


def main() -> None:
    """Import what workers import, by loading a model; then wait for requests."""
    from engine.compute.model import checkpoint
    from engine.settings import Settings

    checkpoint.load(Settings(model=str(GOLDEN / "models" / "llama"), device="cpu"))
    __import__(WORKER)
    del sys.modules[WORKER]  # each worker runs it as its main module
    gc.collect()
    gc.freeze()
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads must not fork"
    command = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv = [command[0], *command[command.index(WORKER) + 1 :]]
    runpy.run_module(WORKER, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
