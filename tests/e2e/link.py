"""An SSH link over the loopback, by a server of this test's own, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.home import Home
from tests.waiting import eventually

CONFIG = """ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""
OPTIONS = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")


class NoLink(Exception):
    """There is no SSH server here, or it does not serve this user; the words say which."""


class Link:
    """Serves while it is entered.

    Args:
        home: where keys are kept, and whose environment programs at the other end get.

    Raises:
        NoLink: a program is missing.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.folder / "link"
        self._pid_file = self._folder / "studio.pid"
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
        programs = {name: shutil.which(name, path=path) for name in ("sshd", "ssh", "ssh-keygen")}
        missing = [name for name, program in programs.items() if program is None]
        if missing:
            raise NoLink(f"needs {', '.join(missing)}")
        self._sshd, self._ssh, keygen = (str(program) for program in programs.values())
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for key in ("host", "user"):
            if not (self._folder / key).exists():
                subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(self._folder / key)], check=True)
        self._server: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        config = self._folder / "config"
        config.write_text(CONFIG.format(port=self._port, folder=self._folder))
        with (self._folder / "log").open("ab") as log:
            # an absolute path: for each connection the server starts itself anew
            self._server = subprocess.Popen([self._sshd, "-D", "-e", "-f", str(config)], stderr=log)
        eventually(lambda: self._is_listening() or self._has_ended())
        if self._has_ended():
            raise NoLink((self._folder / "log").read_text())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()

    def command(self, command: list[str], **more: str) -> list[str]:
        """What runs a program at the other end, in a terminal there."""
        environment = [f"{name}={value}" for name, value in (self._home.environment | more).items()]
        remote = f"echo $$ > {self._pid_file}; exec env -u COLUMNS -u LINES {shlex.join([*environment, *command])}"
        options = [word for option in OPTIONS for word in ("-o", option)]
        to = f"{getpass.getuser()}@127.0.0.1"
        key = str(self._folder / "user")
        self._pid_file.unlink(missing_ok=True)
        ssh = [self._ssh, "-tt", "-F", "none", "-p", str(self._port), "-i", key, *options]
        return [*ssh, to, f"cd {shlex.quote(str(Path.cwd()))}; {remote}"]

    def studio_pid(self) -> int:
        """Of the program that was started last at the other end."""
        return int(self._pid_file.read_text())

    @staticmethod
    def cut(client: int) -> None:
        """Kill the process at this end: it says no word to the other."""
        os.kill(client, signal.SIGKILL)

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def _has_ended(self) -> bool:
        return self._server is None or self._server.poll() is not None
