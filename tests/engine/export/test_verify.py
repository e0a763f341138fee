"""What is noticed about a set of readout files: each file's form, and whether all are of one run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from engine.errors import UsageError
from engine.export.files import MANIFEST, QUALITY, RUN, VECTORS
from engine.export.readout import write
from engine.export.verify import Provenance, verify
from tests.engine.export.making import RUN_DOCUMENT, readout
from tests.engine.imports import HEAVY, loaded_after
from tests.places import GOLDEN

QUALITIES: dict[str, Any] = {"calm": {}, "sad": {}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole set."""
    write(tmp_path, readout(), RUN_DOCUMENT, QUALITIES)
    return tmp_path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A set as an older script writes it: no metadata, no hashes."""
    return older(tmp_path)


def older(folder: Path, tensors: dict[str, Any] | None = None, **manifest: Any) -> Path:
    """Write an older script's set, with other tensors or another manifest if wanted."""
    stored = {f"layer_{layer}.vectors": rows.numpy() for layer, rows in readout().vectors.items()}
    safetensors.numpy.save_file(stored | (tensors or {}), folder / VECTORS)
    usual = {"concepts": ["calm", "sad"], "layers": [3, 1], "hidden_size": 4, "dtype": "float16"}
    (folder / MANIFEST).write_text(json.dumps(usual | manifest))
    return folder


def test_whole_set_is_sound_and_tells_its_making(folder: Path) -> None:
    report = verify(folder)
    assert report.problems == []
    assert (report.concepts, report.layers, report.hidden_size) == (["calm", "sad"], [3, 1], 4)
    assert report.provenance == Provenance(
        model="m", model_hash="a" * 64, corpus_digest="c" * 64, n_stories=2, written_by="amygdala-studio 0"
    )


def test_older_set_is_sound_without_provenance(old: Path) -> None:
    (old / QUALITY).write_text(json.dumps(QUALITIES))
    report = verify(old)
    assert (report.problems, report.provenance) == ([], None)


@pytest.mark.parametrize("model", ["llama", "qwen3", "qwen3_5_hybrid"])
def test_sets_of_the_script_that_this_replaces_are_sound(model: str) -> None:
    report = verify(GOLDEN / "expected" / f"{model}-pooled")
    assert (report.problems, report.provenance, report.layers) == ([], None, [1, 2, 4])


def test_header_that_cannot_be_understood_is_taken_as_far_as_it_can(old: Path) -> None:
    tensors = safetensors.numpy.load_file(old / VECTORS)
    safetensors.numpy.save_file(tensors, old / VECTORS, {"model": "m", "n_stories": "many"})
    assert verify(old).provenance == Provenance(model="m")


def test_header_of_another_library_is_no_provenance(old: Path) -> None:
    tensors = safetensors.numpy.load_file(old / VECTORS)
    safetensors.numpy.save_file(tensors, old / VECTORS, {"format": "pt"})
    assert verify(old).provenance is None


def test_missing_folder_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        verify(tmp_path / "none")


def test_empty_folder_is_no_set(tmp_path: Path) -> None:
    assert verify(tmp_path).problems == [f"{tmp_path / MANIFEST} is missing", f"{tmp_path / VECTORS} is missing"]


# One run or several


@pytest.mark.parametrize("name", [MANIFEST, RUN, QUALITY, VECTORS])
def test_file_of_another_run_is_noticed(tmp_path: Path, name: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, seed in ((one, 0), (other, 1)):
        folder.mkdir()
        made = readout(seed, concepts=["a", f"b{seed}"], layers=[seed])
        write(folder, made, RUN_DOCUMENT | {"model": f"m{seed}"}, {"a": {"n": seed}, f"b{seed}": {}})
        assert verify(folder).problems == []
    (other / name).replace(one / name)
    assert f"is not of the same run as {VECTORS}" in "\n".join(verify(one).problems)


@pytest.mark.parametrize("name", [MANIFEST, RUN, QUALITY])
def test_missing_file_is_named_once(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert verify(folder).problems == [f"{folder / name} is missing"]


@pytest.mark.parametrize("name", [RUN, QUALITY])
def test_file_that_the_header_does_not_know_is_noticed(tmp_path: Path, name: str) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT)
    (tmp_path / name).write_text(json.dumps(QUALITIES))
    assert len(verify(tmp_path).problems) == 1
    assert name in verify(tmp_path).problems[0]


def test_run_beside_an_older_script_s_vectors_is_of_another_run(old: Path) -> None:
    (old / RUN).write_text("{}")
    (problem,) = verify(old).problems
    assert problem.startswith(f"{old / RUN} is of another run")


def test_header_that_vouches_for_too_little_is_noticed(old: Path) -> None:
    tensors = safetensors.numpy.load_file(old / VECTORS)
    safetensors.numpy.save_file(tensors, old / VECTORS, {"model": "m"})
    assert [MANIFEST in problem or RUN in problem for problem in verify(old).problems] == [True, True]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "gguf/../../x.gguf", "gguf/\0.gguf", "", "notes.md"])
def test_header_leads_nowhere_else(old: Path, name: str) -> None:
    tensors = safetensors.numpy.load_file(old / VECTORS)
    safetensors.numpy.save_file(tensors, old / VECTORS, {f"sha256:{name}": "0" * 64})
    (problem,) = verify(old).problems
    assert "which is no file of a set" in problem


# Each file


@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_unreadable_vectors_are_noticed(folder: Path, content: bytes | None) -> None:
    whole = (folder / VECTORS).read_bytes()
    (folder / VECTORS).write_bytes(whole[:-1] if content is None else content)
    (problem,) = verify(folder).problems
    assert problem.startswith(f"{folder / VECTORS}: cannot be read: ")


MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "key too many": ({"model": "m"}, "unknown field `model`"),
    "other dtype": ({"dtype": "float32"}, "`$.dtype`"),
    "number as text": ({"hidden_size": "4"}, "`$.hidden_size`"),
    "no concepts": ({"concepts": []}, "`$.concepts`"),
    "negative layer": ({"layers": [-1]}, "`$.layers["),
    "unsorted": ({"concepts": ["sad", "calm"]}, "not sorted"),
    "concept twice": ({"concepts": ["calm", "calm"]}, "more than once: calm"),
    "layer twice": ({"layers": [3, 1, 3]}, "more than once: 3"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifest_that_a_loader_does_not_expect_is_noticed(tmp_path: Path, case: str) -> None:
    change, named = MANIFESTS[case]
    (problem,) = verify(older(tmp_path, **change)).problems
    assert problem.startswith(f"{tmp_path / MANIFEST}: ")
    assert named in problem


def test_manifest_that_lacks_a_key_is_noticed(old: Path) -> None:
    (old / MANIFEST).write_text('{"concepts": ["calm"], "layers": [1], "dtype": "float16"}')
    assert "`hidden_size`" in verify(old).problems[0]


@pytest.mark.parametrize("name", [MANIFEST, QUALITY, RUN])
@pytest.mark.parametrize(
    "content",
    [b'{"dtype": NaN}', b'{"dtype": -Infinity}', b"{", b"\xff", b'{"dtype": "\xff"}'],
)
def test_what_is_not_strict_json_is_noticed(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert any(problem.startswith(f"{folder / name}: not strict JSON") for problem in verify(folder).problems)


@pytest.mark.parametrize("name", [QUALITY, RUN])
def test_json_too_deep_to_be_read_is_noticed(folder: Path, name: str) -> None:
    (folder / name).write_text('{"calm": ' + "[" * 9999)
    assert any(problem.startswith(f"{folder / name}: not strict JSON") for problem in verify(folder).problems)


@pytest.mark.parametrize("name", [MANIFEST, QUALITY, RUN])
def test_json_that_is_no_object_is_noticed(folder: Path, name: str) -> None:
    (folder / name).write_text("[]")
    assert any(problem.startswith(f"{folder / name}: not what") for problem in verify(folder).problems)


def rows(*replaced: tuple[int, Any]) -> dict[str, Any]:
    """Layer 1 with some rows replaced."""
    made = readout().vectors[1].clone()
    for row, values in replaced:
        made[row] = torch.as_tensor(values)
    return {"layer_1.vectors": made.numpy()}


TENSORS: dict[str, tuple[dict[str, Any], str]] = {
    "extra": ({"layer_2.vectors": np.zeros((2, 4), np.float16)}, "tensors that readout.json does not list: layer_2"),
    "other width": ({"layer_1.vectors": np.zeros((2, 5), np.float16)}, "layer_1.vectors has the shape [2, 5]"),
    "other height": ({"layer_1.vectors": np.zeros((3, 4), np.float16)}, "it is [2, 4] (concepts, hidden size)"),
    "other dtype": ({"layer_1.vectors": np.zeros((2, 4), np.float32)}, "layer_1.vectors is F32, not F16"),
    "not a number": (rows((0, [float("nan"), 0, 0, 0])), "layer_1.vectors: not finite: calm"),
    "infinite": (rows((1, [float("inf"), 0, 0, 0])), "layer_1.vectors: not finite: sad"),
    "zero": (rows((1, [0, 0, 0, 0])), "layer_1.vectors: zero vectors: sad"),
    "long": (rows((0, [1.01, 0, 0, 0])), "layer_1.vectors: not of length 1: calm (1.01)"),
    "short": (rows((0, [0.99, 0, 0, 0]), (1, [0.99, 0, 0, 0])), "not of length 1: calm (0.9902), sad (0.9902)"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_that_the_manifest_does_not_describe_are_noticed(tmp_path: Path, case: str) -> None:
    tensors, named = TENSORS[case]
    (problem,) = verify(older(tmp_path, tensors)).problems
    assert problem.startswith(f"{tmp_path / VECTORS}: ")
    assert named in problem


def test_layer_without_a_tensor_is_noticed(tmp_path: Path) -> None:
    (problem,) = verify(older(tmp_path, layers=[3, 1, 7])).problems
    assert "has no tensor layer_7.vectors" in problem


@pytest.mark.parametrize("hidden", [1, 64, 8192])
def test_rounding_to_fp16_is_no_problem(tmp_path: Path, hidden: int) -> None:
    write(tmp_path, readout(hidden=hidden), RUN_DOCUMENT)
    assert verify(tmp_path).problems == []


@pytest.mark.parametrize(
    ("quality", "named"), [({"calm": {}}, "says nothing of sad"), (QUALITIES | {"glad": {}}, "no vector: glad")]
)
def test_quality_of_other_concepts_is_noticed(tmp_path: Path, quality: dict[str, Any], named: str) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT, quality)
    (problem,) = verify(tmp_path).problems
    assert named in problem


def test_what_is_of_no_set_is_a_stranger_and_what_is_of_another_run_is_none(tmp_path: Path) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT, QUALITIES, "qwen2")
    assert verify(tmp_path).strangers == []
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "readout.json").write_text("{}")
    (tmp_path / "gguf" / "theirs.gguf").write_text("of somebody")
    (tmp_path / ".readout.json.abcd_123").write_text("half of it")
    shutil.copy(tmp_path / "gguf" / "calm.gguf", tmp_path / "gguf" / "gone.gguf")
    report = verify(tmp_path)
    assert report.strangers == [str(tmp_path / "gguf" / "theirs.gguf"), str(tmp_path / "old")]
    assert report.problems == [
        f"{tmp_path / 'gguf' / 'gone.gguf'} is of another run than readout.safetensors, "
        "whose header does not vouch for it"
    ]
    assert len(report.temporaries) == 1


def test_many_names_are_cut_short(tmp_path: Path) -> None:
    write(tmp_path, readout(concepts=list("abcdef")), RUN_DOCUMENT, {})
    assert verify(tmp_path).problems == [f"{tmp_path / QUALITY}: says nothing of a, b, c and 3 more"]


def test_torch_is_not_imported() -> None:
    assert loaded_after("import engine.cli.verify, engine.export.gguf", *HEAVY) == []
