"""Which file systems report changes, and which have to be polled."""

from __future__ import annotations

import re
from pathlib import Path

EVENTLESS = {
    "9p", "afs", "beegfs", "ceph", "cifs", "drvfs", "gpfs", "lustre", "nfs", "nfs4", "prl_fs", "smb3", "smbfs",
    "vboxsf",
}  # fmt: skip
"""File systems whose files another machine, or the host of a virtual one, can change unnoticed by this kernel."""

LOCAL_FUSE = {"bindfs", "encfs", "exfat", "fuse-overlayfs", "gocryptfs", "mergerfs", "ntfs-3g", "unionfs"}
"""File systems in user space (FUSE) whose files lie on this machine; most other FUSE file systems are remote."""


def polled_because(corpus: Path, poll: float) -> str:
    """Words for why a folder has to be looked at every `poll` seconds; none where its file system gives events."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:  # not Linux
        return ""
    kind = file_system(str(corpus.resolve()), mountinfo)
    return (
        f"its file system ({kind}) gives no events, so it is looked at every {poll:g} s" if is_eventless(kind) else ""
    )


def is_eventless(kind: str) -> bool:
    """Whether a type of file system (`ext4`, `nfs4`, `fuse.sshfs`) is one that gives no events."""
    family, _, name = kind.partition(".")
    return kind in EVENTLESS or (family == "fuse" and bool(name) and name not in LOCAL_FUSE)


def file_system(path: str, mountinfo: str) -> str:
    """The type of the file system that a real path is on, from the text of /proc/self/mountinfo; empty if unknown."""
    mount_point, kind = "", ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(mount_point):  # the later of two mounts at one place hides the earlier
            mount_point, kind = point, after.split(" ")[0]
    return kind
