"""Where the socket, the activation cache, the log and the histories lie: never in a corpus."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import struct
from pathlib import Path

import platformdirs

from engine.errors import AmygdalaError

APP = "amygdala"
MAX_SOCKET_PATH = 103
"""Bytes a Unix socket's path may take: 108 on Linux, 104 on macOS, less the final NUL."""


def expand(path: str | os.PathLike[str]) -> Path:
    """`~` and `~user` replaced; an unknown user's is left alone (`Path.expanduser` would raise)."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def real(path: str | os.PathLike[str]) -> str:
    """The real path, links followed, of a file or folder that need not exist.

    Raises:
        AmygdalaError: no file can have that name.
    """
    try:
        return str(Path(path).resolve())
    except (ValueError, OSError, RuntimeError) as error:
        raise AmygdalaError(f"{str(path)!r} is no path: {error}") from error


def socket_path(explicit: str | os.PathLike[str] | None = None) -> Path:
    """The engine's socket: `explicit`, else `$AMYGDALA_SOCKET`, else `engine.sock` in the user's runtime directory.

    Raises:
        AmygdalaError: the path is too long for a Unix socket.
    """
    chosen = explicit or os.environ.get("AMYGDALA_SOCKET")
    path = expand(chosen).absolute() if chosen else runtime_dir() / "engine.sock"
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise AmygdalaError(
            f"the socket path is longer than {MAX_SOCKET_PATH} bytes: {path}\n"
            "Choose a shorter one with --socket or AMYGDALA_SOCKET, for example /tmp/amygdala.sock."
        )
    return path


def runtime_dir() -> Path:
    """`$XDG_RUNTIME_DIR/amygdala`, or `/tmp/amygdala-<uid>` where there is no runtime directory (not created)."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and Path(base).is_dir():
        return Path(base) / APP
    return Path("/tmp") / f"{APP}-{os.getuid()}"


def private_dir(path: Path) -> Path:
    """Create `path` for this user alone (mode 0700), or check that it already is.

    Raises:
        AmygdalaError: it is a link, belongs to someone else, or others may write there.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = path.lstat()
    except OSError as error:
        raise AmygdalaError(f"cannot create the socket's directory {path}: {error.strerror}") from error
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
        raise AmygdalaError(
            f"{path} is not a directory of yours, so the engine's socket will not be put there.\n"
            "Remove it, or choose another place with --socket or AMYGDALA_SOCKET."
        )
    if info.st_mode & 0o022:
        raise AmygdalaError(f"others may write to {path}; run: chmod 700 {path}")
    return path


def peer_uid(connection: socket.socket) -> int | None:
    """The user on the other end of a Unix socket; None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _pid, uid, _gid = struct.unpack("3i", credentials)
    return int(uid)


def is_mine(connection: socket.socket) -> bool:
    """Whether the other end is a process of this user, as far as the system tells."""
    return peer_uid(connection) in (None, os.getuid())


def cache_dir() -> Path:
    """The folder of the activations, by content. It is safe to delete; they are then computed again."""
    override = os.environ.get("AMYGDALA_CACHE")
    return expand(override) if override else platformdirs.user_cache_path(APP)


def log_path() -> Path:
    """The file to which a detached engine writes its standard output and error."""
    return platformdirs.user_state_path(APP) / "engine.log"


def history_path(corpus: Path) -> Path:
    """The database with a corpus's revisions, by the corpus's real path (not created)."""
    name = hashlib.sha256(os.fsencode(corpus.resolve())).hexdigest()[:16]
    return platformdirs.user_state_path(APP) / "history" / f"{name}.sqlite"
