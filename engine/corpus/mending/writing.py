"""Files of a corpus on disk: read, written, renamed and removed so that no other file is ever overwritten unseen.

Nothing here follows a link: a path of the corpus stands for what lies in the corpus.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from pathlib import Path

from engine.corpus import contents, reading
from engine.corpus.entries import Refusal
from engine.corpus.model import text_id
from engine.errors import AmygdalaError
from engine.paths import write_whole

PREFIX = ".amygdala."
"""Of temporary names in a corpus: hidden, so that nobody takes such a file for a story."""
MAX_BYTES = 16 << 20
"""A file that is larger is no story, and too large to be kept for an undo."""
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems without hard links answer (FAT, some of SSHFS)."""


def content_id(content: bytes) -> str:
    """A story's text id; of a content that is no story, likewise 128 bits in hex, of the bytes."""
    text = contents.text_of(content)
    return hashlib.sha256(content).hexdigest()[:32] if isinstance(text, Refusal) else text_id(text)


def place(corpus: Path, path: str) -> Path:
    """Where a path of a corpus lies, once it is sure that it leads down from the corpus, and through no link.

    Args:
        path: of a story, of another file beside stories, or of a scenario's folder.

    Raises:
        AmygdalaError: it does not.
        OSError: that cannot be told.
    """
    parts = path.split("/")
    depth = {"stories": (2,), "paired": (2, 3)}.get(parts[0], ())
    if len(parts) not in depth or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise AmygdalaError(
            f"{path} is not a place for a story: stories/<concept>.txt, paired/<scenario>/<concept>.txt"
        )
    where = Path(os.path.realpath(corpus))
    for part in parts:
        where = where / part
        if where.is_symlink():
            raise AmygdalaError(f"{where.relative_to(os.path.realpath(corpus))} is a link, and links are left alone")
    return where


def content_at(corpus: Path, path: str) -> bytes | None:
    """What a file holds; None where there is none.

    Raises:
        AmygdalaError: it is a link, or too large.
        OSError: it cannot be read, or is no file.
    """
    file = place(corpus, path)
    try:
        content = reading.read(str(file), [os.path.realpath(corpus)], MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except reading.OutsideError:
        raise AmygdalaError(f"{path} is a link that leads out of the corpus") from None
    if len(content) > MAX_BYTES:
        raise AmygdalaError(f"{path} has more than {MAX_BYTES >> 20} MiB: it is no story; see to it in a terminal")
    return content


def names_in(folder: Path) -> list[str]:
    """What stands in a folder; nothing where there is no such folder."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return []


def write_new(file: Path, content: bytes) -> None:
    """Write a file where none is.

    Raises:
        FileExistsError: there is one.
        OSError: it cannot be written; nothing is left of it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=PREFIX)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(stat.S_IMODE(file.parent.stat().st_mode) & 0o666)
        rename(Path(temporary), file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink(missing_ok=True)
        remove_if_empty(file.parent)
        raise


def replace(file: Path, content: bytes) -> None:
    """Write a file in place of the one that is there; who may read it stays."""
    write_whole(file, content, PREFIX, flush=True, mode=stat.S_IMODE(file.stat().st_mode))


def remove(file: Path, expected_id: str) -> None:
    """Remove a file that has the content with this id. What was saved into it meanwhile is left.

    Raises:
        FileExistsError: it has another content by now.
        OSError: it cannot be removed.
    """
    hidden = file.with_name(f"{PREFIX}{os.getpid()}.{hashlib.sha256(os.fsencode(file.name)).hexdigest()[:16]}")
    rename(file, hidden)
    if content_id(hidden.read_bytes()) != expected_id:
        rename(hidden, file)
        raise FileExistsError(errno.EEXIST, "it was saved meanwhile", str(file))
    hidden.unlink()
    remove_if_empty(file.parent)


def rename(old: Path, new: Path) -> None:
    """Give a file or a folder another name, unless something has that name.

    Raises:
        FileExistsError: something has.
        OSError: it cannot be renamed.
    """
    if is_taken(old, new):
        raise FileExistsError(errno.EEXIST, "something stands there already", str(new))
    new.parent.mkdir(parents=True, exist_ok=True)
    if not old.is_dir() and not new.exists():
        try:
            os.link(old, new, follow_symlinks=False)  # unlike a rename, this fails where something came meanwhile
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
        else:
            old.unlink()
            return
    old.rename(new)  # of folders, it replaces at most an empty one


def remove_if_empty(folder: Path) -> None:
    """Remove a scenario's folder that holds nothing any more; the two folders above stories stay."""
    if folder.parent.name == "paired":
        with contextlib.suppress(OSError):
            folder.rmdir()


def is_taken(old: Path, new: Path) -> bool:
    """Whether something has the name that a file or a folder is to have.

    Where case makes no difference, a name is not taken by its own other spelling.
    """
    if not os.path.lexists(new):
        return False
    is_same = old.exists() and new.exists() and old.samefile(new)
    return not is_same or new.name in os.listdir(new.parent)  # noqa: PTH208  (names alone)
