"""Which file systems report changes, and which have to be polled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

EVENTLESS = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "cvfs", "drvfs", "fakeowner", "fuse", "gfs2", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs",
    "vmhgfs", "wekafs",
}  # fmt: skip
"""File systems whose files another machine, or the host of a virtual one, can change unnoticed by this kernel. Plain
`fuse` is one in user space that does not say which."""

LOCAL_FUSE = {"bindfs", "encfs", "exfat", "fuse-overlayfs", "gocryptfs", "mergerfs", "ntfs-3g", "unionfs"}
"""File systems in user space (FUSE) whose files lie on this machine; most other FUSE file systems are remote."""


def eventless_kind(corpus: Path) -> str:
    """The first file system without events that a folder, or one mounted below it, is on; empty where there is none."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:  # not Linux
        return ""
    real = str(corpus.resolve())
    return next(filter(is_eventless, (file_system(real, mountinfo), *kinds_below(real, mountinfo))), "")


def is_eventless(kind: str) -> bool:
    """Whether a type of file system (`ext4`, `nfs4`, `fuse.sshfs`) is one that gives no events."""
    family, _, name = kind.partition(".")
    return kind in EVENTLESS or (family == "fuse" and name not in LOCAL_FUSE)


def file_system(path: str, mountinfo: str) -> str:
    """The type of the file system that a real path is on, from the text of /proc/self/mountinfo; empty if unknown."""
    mount_point, kind = "", ""
    for point, kind_there in _mounts(mountinfo):
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(mount_point):  # the later of two mounts at one place hides the earlier
            mount_point, kind = point, kind_there
    return kind


def kinds_below(path: str, mountinfo: str) -> list[str]:
    """The types of the file systems that are mounted below a real path."""
    return [kind for point, kind in _mounts(mountinfo) if point.startswith(path.rstrip("/") + "/")]


def _mounts(mountinfo: str) -> Iterator[tuple[str, str]]:
    """Each mount's place and type."""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if separator and len(fields) >= 5:
            yield re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]), after.split(" ")[0]
