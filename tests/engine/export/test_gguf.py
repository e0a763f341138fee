"""Control vectors: what llama.cpp and repeng make of them, and that they come and go with their set."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import gguf as package
import numpy as np
import pytest

from engine.errors import AmygdalaError, UsageError
from engine.export import gguf
from engine.export.files import QUALITY, VECTORS
from engine.export.readout import write
from engine.export.verify import verify
from tests.engine.export.making import RUN_DOCUMENT, Refusal, contents, readout

Directions = dict[int, Any]


def llama_cpp(path: Path, n_layer: int) -> Directions:
    """What llama.cpp adds to each block's output, by the rules of its loaders, each of which is asserted.

    `gguf_init_from_file` (ggml/src/gguf.cpp), `common_control_vector_load_one` (common/common.cpp),
    `llama_adapter_cvec::apply` (src/llama-adapter.cpp).
    """
    reader = package.GGUFReader(path)
    offset = 0
    slots: dict[int, Any] = {}
    widths = set()
    for tensor in reader.tensors:
        assert len(tensor.name.encode()) < 64
        assert tensor.data_offset - reader.data_offset == offset
        offset += -(-int(tensor.n_bytes) // reader.alignment) * reader.alignment
        prefix, _, number = tensor.name.partition(".")
        assert prefix == "direction"
        layer = int(number)
        assert layer > 0
        assert tensor.tensor_type == package.GGMLQuantizationType.F32
        assert len(tensor.shape) == 1
        widths.add(int(tensor.n_elements))
        slots[layer - 1] = slots.get(layer - 1, 0) + tensor.data
    assert len(widths) == 1
    assert path.stat().st_size >= reader.data_offset + offset
    return {block: slots[block - 1] for block in range(1, n_layer) if block - 1 in slots}


def repeng(path: Path) -> tuple[str, Directions]:
    """What `ControlVector.import_gguf` (repeng/extract.py) makes of a file: the model's type, directions by block."""
    reader = package.GGUFReader(path)
    architecture, hint = reader.get_field("general.architecture"), reader.get_field("controlvector.model_hint")
    assert architecture is not None
    assert str(bytes(architecture.parts[-1]), "utf-8") == "controlvector"
    assert hint is not None
    directions = {
        int(tensor.name.split(".")[1]): tensor.data for tensor in reader.tensors if tensor.name.startswith("direction.")
    }
    return str(bytes(hint.parts[-1]), "utf-8"), directions


def value(path: Path, key: str) -> Any:
    field = package.GGUFReader(path).get_field(key)
    return None if field is None else field.contents()


def equal(directions: Directions, concept: int) -> bool:
    """Whether directions are the readout's, bit for bit."""
    expected = {layer: rows[concept].float().numpy() for layer, rows in readout().vectors.items()}
    same = [
        np.array_equal(directions[layer], expected[layer]) and directions[layer].dtype == np.float32
        for layer in expected
    ]
    return directions.keys() == expected.keys() and all(same)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set with control vectors."""
    write(tmp_path, readout(), RUN_DOCUMENT, control_vectors="llama")
    return tmp_path


# What a file says


def test_llama_cpp_adds_each_vector_to_its_block(folder: Path) -> None:
    assert equal(llama_cpp(folder / "gguf" / "calm.gguf", n_layer=8), 0)
    assert equal(llama_cpp(folder / "gguf" / "sad.gguf", n_layer=4), 1)


def test_repeng_reads_the_same(folder: Path) -> None:
    for concept, name in enumerate(("calm", "sad")):
        hint, directions = repeng(folder / "gguf" / f"{name}.gguf")
        assert hint == "llama"
        assert equal(directions, concept)


def test_layers_are_counted(folder: Path) -> None:
    field = package.GGUFReader(folder / "gguf" / "sad.gguf").get_field("controlvector.layer_count")
    assert field is not None
    assert (field.contents(), field.types) == (2, [package.GGUFValueType.UINT32])


def test_model_without_a_type_has_a_hint_all_the_same(tmp_path: Path) -> None:
    write(tmp_path, readout(), RUN_DOCUMENT, control_vectors="")
    assert repeng(tmp_path / "gguf" / "sad.gguf")[0] == "unknown"


def test_file_carries_its_making(folder: Path) -> None:
    sad = folder / "gguf" / "sad.gguf"
    assert value(sad, "general.name") == value(sad, "amygdala.concept") == "sad"
    assert value(sad, "amygdala.model") == "m"
    assert value(sad, "amygdala.corpus_digest") == "c" * 64
    assert value(sad, "amygdala.settings") == '{"max_length": 3}'
    assert value(sad, "amygdala.norms") == [3.25, 1.25]
    assert "sad" in value(sad, "general.description")


# What is refused before anything is computed


def test_block_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"block 0 out of the target layers \(--target-layers 2,5\)"):
        gguf.check([2, 0, 5])
    with pytest.raises(UsageError, match="block 0"):
        write(tmp_path, readout(layers=[0]), RUN_DOCUMENT, control_vectors="llama")
    assert contents(tmp_path) == {}
    gguf.check([1, 2])


@pytest.mark.parametrize("there", [None, types.ModuleType("gguf")], ids=["missing", "a folder of that name"])
def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: object) -> None:
    monkeypatch.setitem(sys.modules, "gguf", there)
    with pytest.raises(UsageError, match=r"pip install 'amygdala-studio\[gguf\]'"):
        gguf.prepare(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_file_where_the_folder_goes_is_named(tmp_path: Path) -> None:
    (tmp_path / "gguf").write_text("mine")
    with pytest.raises(UsageError, match=f"--output-dir {tmp_path}/gguf: this is a file"):
        gguf.prepare(tmp_path)


def test_folders_are_made(tmp_path: Path) -> None:
    gguf.prepare(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "gguf").is_dir()


# Names

LONG = "悲" * 84
NAMES = [
    ("calm", "calm"),
    ("Sehnsucht – müde", "Sehnsucht – müde"),
    ("悲しい", "悲しい"),
    ("a.b", "a.b"),
    (".hidden", "_hidden~"),
    ("..", "_.~"),
    ("../../etc/x", "_._.._etc_x~"),
    ("a\\b", "a_b~"),
    ("fear:0.5,joy", "fear_0.5_joy~"),
    ('say "no"', "say _no_~"),
    ("bell\a\n", "bell__~"),
    ("calm~0123abcd", "calm_~"),
    (LONG, "悲" * 66 + "~"),
]


@pytest.mark.parametrize(("concept", "start"), NAMES, ids=range(len(NAMES)))
def test_any_concept_has_a_file_of_its_own(tmp_path: Path, concept: str, start: str) -> None:
    write(tmp_path, readout(concepts=[concept]), RUN_DOCUMENT, control_vectors="llama")
    (file,) = (tmp_path / "gguf").iterdir()
    assert file.name == start + ".gguf" if concept == start else file.name.startswith(start)
    assert (value(file, "general.name"), value(file, "amygdala.concept")) == (concept, concept)
    assert verify(tmp_path).problems == []


def test_names_differ_where_case_does_not_count(tmp_path: Path) -> None:
    concepts = ["CALM", "Calm", "calm", "sad"]
    names = gguf.file_names(concepts)
    assert len({name.casefold() for name in names.values()}) == 4
    assert names["sad"] == "sad.gguf"
    write(tmp_path, readout(concepts=concepts), RUN_DOCUMENT, control_vectors="llama")
    assert sorted(value(file, "amygdala.concept") for file in (tmp_path / "gguf").iterdir()) == concepts


def test_no_name_can_be_made_to_look_like_another_s() -> None:
    hashed = gguf.file_names([".x"])[".x"].removesuffix(".gguf")
    assert len(set(gguf.file_names([".x", hashed]).values())) == 2


# With the set, and gone with it


def test_folder_is_told_and_the_files_are_vouched_for(tmp_path: Path) -> None:
    written = write(tmp_path, readout(), RUN_DOCUMENT, control_vectors="llama")
    assert written["gguf"] == tmp_path / "gguf"
    assert {name for name in contents(tmp_path) if name.startswith("gguf/")} == {"gguf/calm.gguf", "gguf/sad.gguf"}
    assert verify(tmp_path).problems == []
    (tmp_path / "gguf" / "sad.gguf").unlink()
    (tmp_path / "gguf" / "calm.gguf").write_bytes(b"GGUF")
    assert verify(tmp_path).problems == [
        f"{tmp_path}/gguf/calm.gguf is not of the same run as {VECTORS}",
        f"{tmp_path}/gguf/sad.gguf is missing",
    ]


def test_vectors_of_removed_concepts_go(folder: Path) -> None:
    write(folder, readout(concepts=["calm"]), RUN_DOCUMENT, control_vectors="llama")
    assert [file.name for file in (folder / "gguf").iterdir()] == ["calm.gguf"]
    assert verify(folder).problems == []


def test_set_without_control_vectors_leaves_none(folder: Path) -> None:
    written = write(folder, readout(), RUN_DOCUMENT)
    assert "gguf" not in written
    assert not (folder / "gguf").exists()


def test_what_others_put_there_is_left_alone(folder: Path) -> None:
    (folder / "gguf" / "notes.md").write_text("mine")
    (folder / "gguf" / "theirs.gguf").write_bytes(b"GGUF" + b"\0" * 200)
    (folder / "gguf" / "folder.gguf").mkdir()
    assert verify(folder).problems == []
    write(folder, readout(), RUN_DOCUMENT)
    assert sorted(file.name for file in (folder / "gguf").iterdir()) == ["folder.gguf", "notes.md", "theirs.gguf"]


def test_empty_folder_of_someone_else_stays(tmp_path: Path) -> None:
    (tmp_path / "gguf").mkdir()
    write(tmp_path, readout(), RUN_DOCUMENT)
    assert (tmp_path / "gguf").is_dir()


def test_one_file_under_two_spellings_is_one(folder: Path) -> None:
    os.link(folder / "gguf" / "calm.gguf", folder / "gguf" / "Calm.gguf")
    assert gguf.others(folder, ["gguf/calm.gguf", "gguf/sad.gguf"]) == []
    assert gguf.others(folder, ["gguf/calm.gguf"]) == [folder / "gguf" / "sad.gguf"]


# Failing halfway


@pytest.mark.parametrize("nth", [1, 3, 4, 5])
def test_disk_that_fills_up_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    before = contents(folder)
    monkeypatch.setattr(os, "fsync", Refusal(os.fsync, nth))
    with pytest.raises(AmygdalaError, match="No space left"):
        write(folder, readout(1), RUN_DOCUMENT | {"model": "other"}, control_vectors="llama")
    assert contents(folder) == before


def test_disk_that_is_full_while_vectors_are_encoded_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    monkeypatch.setattr(package.GGUFWriter, "write_tensors_to_file", Refusal(None, 1))
    with pytest.raises(AmygdalaError, match="No space left"):
        write(folder, readout(1), RUN_DOCUMENT, control_vectors="llama")
    assert contents(folder) == before


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_replacing_that_stops_halfway_leaves_whole_files_and_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    old = contents(folder)
    replace = Refusal(Path.replace, nth)
    monkeypatch.setattr(Path, "replace", lambda *arguments: replace(*arguments))
    with pytest.raises(AmygdalaError, match="cannot write"):
        write(folder, readout(1, layers=[3, 2]), RUN_DOCUMENT | {"model": "other"}, control_vectors="llama")
    monkeypatch.undo()
    assert contents(folder).keys() == old.keys()
    assert (verify(folder).problems == []) is (contents(folder) == old)
    assert (contents(folder) == old) is (nth == 1)


def test_vector_that_could_not_be_removed_is_told_and_removed_by_the_next_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def crash(path: Path, missing_ok: bool = False) -> None:
        if path.name == "sad.gguf":
            raise OSError(5, "Input/output error")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", crash)
    with pytest.raises(AmygdalaError, match="Input/output error"):
        write(folder, readout(concepts=["calm"]), RUN_DOCUMENT, control_vectors="llama")
    monkeypatch.undo()
    (problem,) = verify(folder).problems
    assert problem.startswith(f"{folder}/gguf/sad.gguf is of another run")
    write(folder, readout(concepts=["calm"]), RUN_DOCUMENT, control_vectors="llama")
    assert verify(folder).problems == []


def test_quality_and_control_vectors_go_together(tmp_path: Path) -> None:
    written = write(tmp_path, readout(), RUN_DOCUMENT, {"calm": {}, "sad": {}}, control_vectors="llama")
    assert written[QUALITY].is_file()
    assert verify(tmp_path).problems == []
