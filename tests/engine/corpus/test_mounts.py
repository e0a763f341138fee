"""Which file systems give no events is read from the list of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.corpus import mounts

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
40 27 0:50 / /home rw - autofs systemd-1 rw
41 40 0:51 / /home/ann rw shared:9 - nfs4 server:/ann rw
42 27 0:52 / /mnt/two\040words rw - cifs //server/share rw
43 27 0:53 / /mnt/hidden rw - nfs server:/x rw
44 43 254:1 / /mnt/hidden rw - xfs /dev/vdb rw
45 27 0:54 / /mnt/remote rw - fuse.sshfs ann@server: rw
a line of another kind
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"), ("/srv/corpus", "ext4"), ("/home/ann/corpus", "nfs4"), ("/home/ann", "nfs4"),
        ("/home/anna", "autofs"), ("/mnt/two words/x", "cifs"), ("/mnt/hidden/x", "xfs"),
        ("/mnt/remote/x", "fuse.sshfs"),
    ],
)  # fmt: skip
def test_innermost_and_latest_mount_counts(path: str, kind: str) -> None:
    assert mounts.file_system(path, MOUNTS) == kind
    assert mounts.file_system(path, "") == ""


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "9p", "lustre", "fuse.sshfs", "fuse.rclone", "virtiofs", "fuse"]
)
def test_remote_file_systems_give_no_events(kind: str) -> None:
    assert mounts.is_eventless(kind)


@pytest.mark.parametrize("kind", ["", "ext4", "btrfs", "tmpfs", "overlay", "fuseblk", "fuse.mergerfs"])
def test_local_file_systems_give_events(kind: str) -> None:
    assert not mounts.is_eventless(kind)


def test_mount_below_the_corpus_counts() -> None:
    assert mounts.kinds_below("/home/ann", MOUNTS) == []
    assert mounts.kinds_below("/mnt/remote", MOUNTS) == []
    assert set(mounts.kinds_below("/mnt", MOUNTS)) == {"cifs", "nfs", "xfs", "fuse.sshfs"}


def test_file_system_without_events_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mounts.eventless_kind(tmp_path) == ""
    monkeypatch.setattr(mounts, "kinds_below", lambda *_: ["ext4", "nfs4"])
    assert mounts.eventless_kind(tmp_path) == "nfs4"
    monkeypatch.setattr(mounts, "file_system", lambda *_: "virtiofs")
    assert mounts.eventless_kind(tmp_path) == "virtiofs"
