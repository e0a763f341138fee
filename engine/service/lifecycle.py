"""Owning the socket: one engine per socket, for as long as a lock is held."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from pathlib import Path
from types import TracebackType

from engine import paths
from engine.errors import AmygdalaError


class AlreadyRunning(AmygdalaError):
    """Another engine owns the socket."""


class Ownership:
    """The right to serve at `path`: a lock held for life (not a pid, which can be recycled), then the bound socket.

    Raises:
        AlreadyRunning: another process holds the lock.
        AmygdalaError: the directory is not the user's, or the socket cannot be bound.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.parent == paths.runtime_dir():
            paths.private_dir(path.parent)
        lock_path = path.with_name(path.name + ".lock")
        try:
            self._lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise AmygdalaError(f"cannot lock {lock_path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise AlreadyRunning(f"an engine already serves at {path}") from None
        try:
            self.listener = self._bind()
        except OSError as error:
            os.close(self._lock)
            raise AmygdalaError(f"cannot serve at {path}: {error.strerror or error}") from error
        info = path.stat()
        self._identity = info.st_dev, info.st_ino

    def still_ours(self) -> bool:
        """Whether a client that connects to `path` reaches this engine; not so once somebody removed the directory."""
        try:
            info = self.path.stat()
        except OSError:
            return False
        return (info.st_dev, info.st_ino) == self._identity

    def release(self) -> None:
        """Take the socket away, then let go of the lock (the lock's file stays: removing it would race)."""
        self.listener.close()
        if self.still_ours():
            self.path.unlink(missing_ok=True)
        os.close(self._lock)

    def __enter__(self) -> Ownership:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _bind(self) -> socket.socket:
        if os.path.lexists(self.path) and not stat.S_ISSOCK(self.path.lstat().st_mode):
            raise OSError("there is something else of that name, and it is no socket")
        self.path.unlink(missing_ok=True)  # a killed engine left it: nobody serves there while we hold the lock
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            listener.bind(str(self.path))
            listener.listen(64)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(mask)
        listener.setblocking(False)
        return listener
