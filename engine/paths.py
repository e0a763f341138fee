"""Where the socket, the activation cache, the log and the histories lie: never in a corpus."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path

import platformdirs

from engine.errors import AmygdalaError

log = logging.getLogger(__name__)
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
    """`$XDG_RUNTIME_DIR/amygdala`, or `/tmp/amygdala-<uid>` where that is not the user's own (not created)."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base) / APP if base and not runtime_dir_note() else Path("/tmp") / f"{APP}-{os.getuid()}"


def runtime_dir_note() -> str:
    """Words for why `$XDG_RUNTIME_DIR` is set and not used; empty where nothing is unusual.

    `sudo -E` and `su` leave another user's in the environment. What root puts there, its owner can neither use nor
    remove, so that no engine of the owner's starts any more.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if not base:
        return ""
    try:
        info = Path(base).stat()
    except OSError as error:
        why = f"cannot be used: {error.strerror}"
    else:
        if info.st_uid != os.getuid():
            why = f"belongs to user {info.st_uid}, not to user {os.getuid()}"
        elif not stat.S_ISDIR(info.st_mode) or not Path(base).is_absolute():
            why = "is not the absolute path of a directory"
        else:
            return ""
    return f"XDG_RUNTIME_DIR={base} {why}, so the engine's socket lies in /tmp/{APP}-{os.getuid()}"


def private_dir(path: Path) -> Path:
    """Create `path` for this user alone (mode 0700), or check that it already is.

    Raises:
        AmygdalaError: it is a link, belongs to someone else, or others may write there.
    """
    try:
        make_folder(path)
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
    narrow(path)
    return path


def make_folder(path: Path) -> None:
    """Create a folder, and those above it that are missing, for this user alone (mode 0700). What is there is narrowed
    if it is ours, and else stays as it is.

    `Path.mkdir(parents=True)` gives a mode to the last one alone.

    Raises:
        OSError: it cannot be created.
    """
    for missing in reversed([folder for folder in path.parents if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    narrow(path)


def write_whole(file: Path, data: bytes, prefix: str, *, flush: bool = False, mode: int = 0o600) -> None:
    """Put a file in place of the one that is there: whole, or not at all.

    Args:
        file: in a folder that exists.
        data: what it will hold.
        prefix: of the temporary name in that folder, by which one that a crash leaves is known.
        flush: whether the data must be on the disk before the name is.
        mode: who may read and write it; this user alone, unless it says otherwise.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=prefix)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            if flush:
                stream.flush()
                os.fsync(stream.fileno())
        if mode != 0o600:
            Path(temporary).chmod(mode)
        Path(temporary).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink(missing_ok=True)
        raise


def make_file(path: Path) -> None:
    """Create an empty file for this user alone (mode 0600), unless there is one, which is narrowed if it is ours.

    What SQLite and `open` create, others may read: stories, and what an engine said of them.

    Raises:
        OSError: it cannot be created.
    """
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    narrow(path)


@functools.cache  # once a process: what cannot be narrowed is said once
def narrow(path: Path) -> None:
    """Leave a file or folder of ours to its user alone, and the folders above it that are ours too.

    Ours are the engine's folders, named `amygdala...`, and what lies in them; never what is above them, or in a place
    that somebody chose by another name. Earlier versions, a backup, or a lax umask leave them open to others.
    """
    own = next((folder for folder in _own_folders() if path.is_relative_to(folder)), None)
    if own is None or own.is_symlink():
        return
    for ours in (path, *path.parents):
        try:
            info = ours.lstat()
            if not stat.S_ISLNK(info.st_mode) and info.st_uid == os.getuid() and info.st_mode & 0o077:
                ours.chmod(stat.S_IMODE(info.st_mode) & 0o700)
                if ours.lstat().st_mode & 0o077:  # FAT, for example, keeps no modes, and does not say so
                    log.warning("others may read %s, and its file system does not let that be changed", ours)
        except OSError as error:
            log.warning("others may read %s, and that cannot be changed: %s", ours, error.strerror)
        if ours == own:
            return


def _own_folders() -> list[Path]:
    folders = [cache_dir(), log_path().parent, runtime_dir()]
    return [folder for folder in folders if folder.name.startswith(APP)]


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
    return of_corpus(corpus, "history", "sqlite")


def of_corpus(corpus: Path, folder: str, ending: str) -> Path:
    """A file about one corpus in a folder of the user's state, named by the corpus's real path (not created)."""
    return platformdirs.user_state_path(APP) / folder / f"{_name_of(corpus)}.{ending}"


def kept_dir(corpus: Path) -> Path:
    """The folder of the texts that a writer's tools replaced in a corpus, by content id (not created)."""
    return platformdirs.user_state_path(APP) / "kept" / _name_of(corpus)


def trash_dir(corpus: Path) -> Path:
    """The folder of the files that a writer deleted from a corpus, by time and path (not created)."""
    return platformdirs.user_state_path(APP) / "trash" / _name_of(corpus)


def _name_of(corpus: Path) -> str:
    """Of a corpus's own files, by its real path."""
    return hashlib.sha256(os.fsencode(corpus.resolve())).hexdigest()[:16]
