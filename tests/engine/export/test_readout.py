"""The set of readout files: its contract, all together or told apart, never torn."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from engine.compute.live import Readout
from engine.errors import AmygdalaError
from engine.export import files
from engine.export.readout import MANIFEST, QUALITY, RUN, VECTORS, verify, write

RUN_DOCUMENT = {"model": "m", "settings": {"max_length": 3}, "n_stories": 2}


def vectors(seed: int = 0) -> Readout:
    generator = torch.Generator().manual_seed(seed)
    made = {layer: torch.randn(2, 4, generator=generator).half() for layer in (3, 1)}
    return Readout(
        concepts=["calm", "sad"], layers=[3, 1], hidden_size=4, vectors=made, norms={3: [1.5, 2.0], 1: [0.5, 0.25]}
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_manifest_has_exactly_four_keys(tmp_path: Path) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT)
    assert json.loads((tmp_path / MANIFEST).read_text()) == {
        "concepts": ["calm", "sad"],
        "layers": [3, 1],
        "hidden_size": 4,
        "dtype": "float16",
    }


def test_vectors_are_fp16_rows_per_layer(tmp_path: Path) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT)
    stored = load_file(tmp_path / VECTORS)
    assert stored.keys() == {"layer_3.vectors", "layer_1.vectors"}
    for layer, expected in vectors().vectors.items():
        assert stored[f"layer_{layer}.vectors"].dtype == torch.float16
        assert torch.equal(stored[f"layer_{layer}.vectors"], expected)


def test_part_of_a_larger_tensor_is_written_whole(tmp_path: Path) -> None:
    large = torch.randn(2, 3, 4).half()
    write(tmp_path, Readout(["a", "b"], [0], 4, {0: large[:, 1]}, {0: [1.0, 1.0]}), RUN_DOCUMENT)
    assert torch.equal(load_file(tmp_path / VECTORS)["layer_0.vectors"], large[:, 1])


def test_header_says_what_run_says(tmp_path: Path) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT)
    with safe_open(tmp_path / VECTORS, framework="pt") as stored:
        header = stored.metadata()
    assert header["model"] == "m"
    assert json.loads(header["settings"]) == {"max_length": 3}
    run = json.loads((tmp_path / RUN).read_text())
    assert RUN_DOCUMENT.items() <= run.items()
    assert run["norms"] == {"3": {"calm": 1.5, "sad": 2.0}, "1": {"calm": 0.5, "sad": 0.25}}
    assert run[f"sha256:{MANIFEST}"] == header[f"sha256:{MANIFEST}"]
    assert {key for key in header if key.startswith("sha256:")} == {f"sha256:{MANIFEST}", f"sha256:{RUN}"}


def test_written_files_are_told(tmp_path: Path) -> None:
    written = write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {}})
    assert written == {name: tmp_path / name for name in (MANIFEST, RUN, QUALITY, VECTORS)}
    assert contents(tmp_path).keys() == written.keys()


def test_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write(tmp_path, vectors(), RUN_DOCUMENT)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o640}


def test_names_in_any_script_stay_readable(tmp_path: Path) -> None:
    write(
        tmp_path,
        Readout(["Sehnsucht – müde", "悲しい"], [0], 1, {0: torch.ones(2, 1).half()}, {0: [1.0, 1.0]}),
        RUN_DOCUMENT,
    )
    assert "悲しい" in (tmp_path / MANIFEST).read_text("utf-8")


def test_number_that_json_does_not_know_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {"mean": float("nan")}})
    assert contents(tmp_path) == {}


# One run or several


def test_whole_set_is_verified(tmp_path: Path) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {}})
    assert verify(tmp_path) == []


@pytest.mark.parametrize("name", [MANIFEST, RUN, QUALITY, VECTORS])
def test_file_of_another_run_is_noticed(tmp_path: Path, name: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, seed in ((one, 0), (other, 1)):
        folder.mkdir()
        readout = Readout(["a", f"b{seed}"], [seed], 4, {seed: torch.ones(2, 4).half()}, {seed: [1.0, 1.0]})
        write(folder, readout, RUN_DOCUMENT | {"model": f"m{seed}"}, {"calm": {"n": seed}})
    (other / name).replace(one / name)
    assert verify(one) != []


@pytest.mark.parametrize("name", [MANIFEST, RUN, QUALITY])
def test_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {}})
    (tmp_path / name).unlink()
    assert verify(tmp_path) == [f"{tmp_path / name} is missing"]


@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_unreadable_vectors_are_an_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / VECTORS).write_bytes(content)
    with pytest.raises(AmygdalaError, match="cannot be read"):
        verify(tmp_path)


def test_older_quality_is_removed_where_none_is_written(tmp_path: Path) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {}})
    write(tmp_path, vectors(), RUN_DOCUMENT)
    assert not (tmp_path / QUALITY).exists()
    assert verify(tmp_path) == []


def test_nothing_but_the_set_is_touched(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    write(tmp_path, vectors(), RUN_DOCUMENT)
    assert (tmp_path / "notes.md").read_text() == "mine"


# Failing halfway


class Refusal:
    """Makes the n-th call of a function fail."""

    def __init__(self, function: Any, nth: int) -> None:
        self.function, self.left = function, nth

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "No space left on device")
        return self.function(*arguments, **named)


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_disk_that_fills_up_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {"n": 1}})
    before = contents(tmp_path)
    monkeypatch.setattr(files.os, "fsync", Refusal(os.fsync, nth))
    with pytest.raises(AmygdalaError, match="No space left"):
        write(tmp_path, vectors(1), RUN_DOCUMENT | {"model": "other"}, {"calm": {"n": 2}})
    assert contents(tmp_path) == before


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_replacing_that_stops_halfway_leaves_whole_files_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {"n": 1}})
    old = contents(tmp_path)
    other = Readout(["calm", "weary"], [3, 1], 4, vectors(1).vectors, vectors(1).norms)
    replace = Refusal(Path.replace, nth)
    monkeypatch.setattr(Path, "replace", lambda *arguments: replace(*arguments))
    with pytest.raises(AmygdalaError, match="cannot write"):
        write(tmp_path, other, RUN_DOCUMENT | {"model": "other"}, {"calm": {"n": 2}})
    monkeypatch.undo()
    assert contents(tmp_path).keys() == old.keys()
    assert (verify(tmp_path) == []) is (contents(tmp_path) == old)
    assert (contents(tmp_path) == old) is (nth == 1)


def test_quality_of_an_older_run_beside_newer_vectors_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, vectors(), RUN_DOCUMENT, {"calm": {"n": 1}})
    unlink = Path.unlink

    def crash(path: Path, missing_ok: bool = False) -> None:
        if path.name == QUALITY:
            raise OSError(5, "Input/output error")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", crash)
    with pytest.raises(AmygdalaError, match="Input/output error"):
        write(tmp_path, vectors(1), RUN_DOCUMENT)
    assert verify(tmp_path) != []
