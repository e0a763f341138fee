"""Equal exports are equal bytes; two into one folder take turns; what a killed one left is swept."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import safetensors.torch
import torch

from engine.cli import run
from engine.errors import AmygdalaError
from engine.export import files
from engine.export.files import MANIFEST, RUN, VECTORS, temporaries
from engine.export.readout import write
from engine.export.verify import verify
from tests.engine.export.making import RUN_DOCUMENT, contents, readout
from tests.places import ROOT


def test_same_inputs_make_the_same_bytes(tmp_path: Path) -> None:
    sets = []
    for turn in range(4):
        folder = tmp_path / str(turn)
        folder.mkdir()
        write(folder, readout(), RUN_DOCUMENT | {"note": "ɯ"}, {"calm": {}})
        sets.append(contents(folder))
    assert all(one == sets[0] for one in sets)


def test_vectors_file_is_laid_out_as_the_package_does(tmp_path: Path) -> None:
    write(tmp_path, readout(layers=(12, 3, 1)), RUN_DOCUMENT)
    data = (tmp_path / VECTORS).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    notes = header.pop("__metadata__")
    tensors = {f"layer_{layer}.vectors": rows for layer, rows in readout(layers=(12, 3, 1)).vectors.items()}
    packages = safetensors.torch.save(tensors, notes)
    packages_length = int.from_bytes(packages[:8], "little")
    packages_header = json.loads(packages[8 : 8 + packages_length])
    assert packages_header.pop("__metadata__") == notes
    assert header == packages_header
    assert (length, data[8 + length :]) == (packages_length, packages[8 + packages_length :])
    stored = safetensors.torch.load(data)
    assert all(torch.equal(stored[name], rows) for name, rows in tensors.items())


KILLED = """
import os, signal, sys
from pathlib import Path
from engine.export.readout import write
from tests.engine.export.making import RUN_DOCUMENT, readout

Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write(Path(sys.argv[1]), readout(), RUN_DOCUMENT, {"calm": {}})
"""


def test_temporaries_of_a_killed_export_are_named_and_removed_by_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT)
    whole = contents(tmp_path).keys()
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT).returncode == -signal.SIGKILL
    (tmp_path / ".notes.json").write_text("of somebody else")
    (tmp_path / "gguf").mkdir()
    (tmp_path / "gguf" / ".calm.gguf.abcd_123").write_text("half a vector")
    left = temporaries(tmp_path)
    assert len(left) == 5
    assert verify(tmp_path).temporaries == [str(file) for file in left]
    assert verify(tmp_path).problems == []
    assert run(["verify", str(tmp_path)]) == 0
    said = capsys.readouterr().out.replace("\n", "")
    assert all(file.name in said for file in left)
    write(tmp_path, readout(1), RUN_DOCUMENT)
    assert contents(tmp_path).keys() == whole | {".notes.json"}
    assert verify(tmp_path).temporaries == []


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Another export is writing there."""
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def test_folder_of_a_running_export_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOCK_WITHIN", 0.2)
    write(tmp_path, readout(), RUN_DOCUMENT)
    (tmp_path / f".{RUN}.abcd_123").write_text("being written")
    before = contents(tmp_path)
    with held(tmp_path), pytest.raises(AmygdalaError, match="another export has been writing to"):
        write(tmp_path, readout(1), RUN_DOCUMENT)
    assert contents(tmp_path) == before
    write(tmp_path, readout(1), RUN_DOCUMENT)
    assert contents(tmp_path).keys() == {MANIFEST, RUN, VECTORS}


def test_file_system_without_locks_is_written_to_and_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refused)
    (tmp_path / f".{RUN}.abcd_123").write_text("perhaps being written")
    write(tmp_path, readout(), RUN_DOCUMENT)
    assert verify(tmp_path).problems == []
    assert len(temporaries(tmp_path)) == 1


WRITER = """
import sys
from pathlib import Path
from engine.export.readout import write
from tests.engine.export.making import RUN_DOCUMENT, readout

for turn in range(40):
    write(Path(sys.argv[1]), readout(int(sys.argv[2])), RUN_DOCUMENT | {"writer": sys.argv[2]}, {"calm": {}, "sad": {}})
"""


def test_exports_at_once_leave_a_whole_set(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(seed)], cwd=ROOT) for seed in (1, 2)]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert verify(tmp_path).problems == []
    assert verify(tmp_path).temporaries == []
