"""The set of readout files: its contract, all together or told apart, never torn."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from engine.compute.live.readout import Readout
from engine.errors import AmygdalaError
from engine.export.files import MANIFEST, QUALITY, RUN, VECTORS
from engine.export.readout import write
from engine.export.verify import verify
from tests.engine.export.making import RUN_DOCUMENT, Refusal, contents, readout


def test_manifest_has_exactly_four_keys(tmp_path: Path) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT)
    assert json.loads((tmp_path / MANIFEST).read_text()) == {
        "concepts": ["calm", "sad"],
        "layers": [3, 1],
        "hidden_size": 4,
        "dtype": "float16",
    }


def test_vectors_are_fp16_rows_per_layer(tmp_path: Path) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT)
    stored = load_file(tmp_path / VECTORS)
    assert stored.keys() == {"layer_3.vectors", "layer_1.vectors"}
    for layer, expected in readout().vectors.items():
        assert stored[f"layer_{layer}.vectors"].dtype == torch.float16
        assert torch.equal(stored[f"layer_{layer}.vectors"], expected)


def test_part_of_a_larger_tensor_is_written_whole(tmp_path: Path) -> None:
    large = torch.randn(2, 3, 4).half()
    write(tmp_path, Readout(["a", "b"], [0], 4, {0: large[:, 1]}, {0: [1.0, 1.0]}, {}), RUN_DOCUMENT)
    assert torch.equal(load_file(tmp_path / VECTORS)["layer_0.vectors"], large[:, 1])


def test_header_says_what_run_says(tmp_path: Path) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT)
    with safe_open(tmp_path / VECTORS, framework="pt") as stored:
        header = stored.metadata()
    assert header["model"] == "m"
    assert json.loads(header["settings"]) == {"max_length": 3}
    run = json.loads((tmp_path / RUN).read_text())
    assert RUN_DOCUMENT.items() <= run.items()
    assert run["norms"] == {"3": {"calm": 3.0, "sad": 3.25}, "1": {"calm": 1.0, "sad": 1.25}}
    assert run[f"sha256:{MANIFEST}"] == header[f"sha256:{MANIFEST}"]
    assert {key for key in header if key.startswith("sha256:")} == {f"sha256:{MANIFEST}", f"sha256:{RUN}"}


def test_written_files_are_told(tmp_path: Path) -> None:
    written = write(tmp_path, readout(), RUN_DOCUMENT, {"calm": {}})
    assert written == {name: tmp_path / name for name in (MANIFEST, RUN, QUALITY, VECTORS)}
    assert contents(tmp_path).keys() == written.keys()


def test_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write(tmp_path, readout(), RUN_DOCUMENT)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o640}


def test_names_in_any_script_stay_readable(tmp_path: Path) -> None:
    write(tmp_path, readout(concepts=["Sehnsucht – müde", "悲しい"]), RUN_DOCUMENT)
    assert "悲しい" in (tmp_path / MANIFEST).read_text("utf-8")


def test_number_that_json_does_not_know_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path, readout(), RUN_DOCUMENT, {"calm": {"mean": float("nan")}})
    assert contents(tmp_path) == {}


def test_older_quality_is_removed_where_none_is_written(tmp_path: Path) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT, {"calm": {}, "sad": {}})
    write(tmp_path, readout(), RUN_DOCUMENT)
    assert not (tmp_path / QUALITY).exists()
    assert verify(tmp_path).problems == []


def test_nothing_but_the_set_is_touched(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    write(tmp_path, readout(), RUN_DOCUMENT)
    assert (tmp_path / "notes.md").read_text() == "mine"


# Failing halfway


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_disk_that_fills_up_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT, {"calm": {"n": 1}})
    before = contents(tmp_path)
    monkeypatch.setattr(os, "fsync", Refusal(os.fsync, nth))
    with pytest.raises(AmygdalaError, match="No space left"):
        write(tmp_path, readout(1), RUN_DOCUMENT | {"model": "other"}, {"calm": {"n": 2}})
    assert contents(tmp_path) == before


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_replacing_that_stops_halfway_leaves_whole_files_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT, {"calm": {"n": 1}, "sad": {}})
    old = contents(tmp_path)
    replace = Refusal(Path.replace, nth)
    monkeypatch.setattr(Path, "replace", lambda *arguments: replace(*arguments))
    other = readout(1, concepts=["calm", "weary"])
    with pytest.raises(AmygdalaError, match="cannot write"):
        write(tmp_path, other, RUN_DOCUMENT | {"model": "other"}, {"calm": {"n": 2}, "weary": {}})
    monkeypatch.undo()
    assert contents(tmp_path).keys() == old.keys()
    assert (verify(tmp_path).problems == []) is (contents(tmp_path) == old)
    assert (contents(tmp_path) == old) is (nth == 1)


def test_quality_of_an_older_run_beside_newer_vectors_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT, {"calm": {"n": 1}, "sad": {}})
    unlink = Path.unlink

    def crash(path: Path, missing_ok: bool = False) -> None:
        if path.name == QUALITY:
            raise OSError(5, "Input/output error")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", crash)
    with pytest.raises(AmygdalaError, match="Input/output error"):
        write(tmp_path, readout(1), RUN_DOCUMENT)
    (problem,) = verify(tmp_path).problems
    assert problem.startswith(f"{tmp_path / QUALITY} is of another run")
