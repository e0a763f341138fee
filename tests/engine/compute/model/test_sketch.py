"""A model that was described once is not looked through again, unless something that decides what it is has changed."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from engine.compute.activations.store import Store
from engine.compute.model import checkpoint, depth, sketch
from engine.compute.model.depth import load_for, outline_for
from engine.compute.model.folder import file_sha256
from engine.compute.model.forward import EXTRACTOR_VERSION
from engine.compute.model.loaded import LoadedModel, Model
from engine.compute.model.skeleton import build_skeleton
from engine.compute.model.sketch import Sketches
from engine.errors import AmygdalaError
from engine.settings import Settings
from tests import families
from tests.engine.compute.model.altered import change
from tests.engine.compute.model.told import facts
from tests.places import MODELS

KEY = "0" * 64


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    """A copy of the tiny llama that a test may break."""
    return Path(shutil.copytree(golden / "models" / "llama", tmp_path / "llama"))


@pytest.fixture
def sketches(tmp_path: Path) -> Sketches:
    return Sketches(tmp_path / "cache" / "models", file_sha256)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by a folder whenever a model is looked through."""
    folders: list[Path] = []
    build = build_skeleton

    def noted(folder: Path, chosen: Settings) -> Any:
        folders.append(folder)
        return build(folder, chosen)

    monkeypatch.setattr(checkpoint, "build_skeleton", noted)
    return folders


def outline(sketches: Sketches, model: Path | str, **chosen: Any) -> Model:
    return outline_for(Settings(model=str(model), **({"device": "cpu"} | chosen)), file_sha256, sketches)


def kept_files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "models").glob("*"))


# What it says


@pytest.mark.parametrize("target_layers", [None, "0,2", "auto"])
@pytest.mark.parametrize("name", [*MODELS, "embedded"])
def test_model_known_by_its_sketch_is_the_loaded_one(
    golden: Path, sketches: Sketches, looks: list[Path], name: str, target_layers: str | None
) -> None:
    model = name if name == "embedded" else golden / "models" / name
    outline(sketches, model, target_layers=target_layers)
    looks.clear()
    known_again = outline(sketches, model, target_layers=target_layers)
    told = facts(known_again)
    assert looks == []
    settings = Settings(model=str(model), device="cpu", target_layers=target_layers)
    assert told == facts(load_for(settings, file_sha256)) == facts(known_again.loaded())


@pytest.mark.parametrize("family", families.FAMILIES)
def test_model_of_every_family_is_known_by_its_sketch(
    tmp_path: Path, sketches: Sketches, looks: list[Path], family: str
) -> None:
    model = families.make(family, tmp_path / family)
    first, again = (outline(sketches, model, target_layers="2") for _ in range(2))
    assert len(looks) == 1
    assert facts(first) == facts(again) == facts(again.loaded())


def test_part_named_by_hand_is_told_of_the_blocks_that_have_it(tmp_path: Path, sketches: Sketches) -> None:
    model = families.make("qwen3_next", tmp_path / "model")
    named = {"attention_output": "self_attn.o_proj", "target_layers": "3"}
    first, again = (outline(sketches, model, **named) for _ in range(2))
    for described in (first, again):
        assert described.anatomy.head_width(3) == 64
        assert described.anatomy.head_width(0) == 0


# What it depends on


@pytest.mark.parametrize(
    "other",
    [
        {"target_layers": "1"}, {"blocks": "layers"}, {"attention_output": "self_attn.q_proj"},
        {"down_projection": "mlp.down_proj"},
    ],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_other_settings_make_another_sketch(
    folder: Path, sketches: Sketches, looks: list[Path], other: dict[str, str]
) -> None:
    outline(sketches, folder, target_layers="2")
    looks.clear()
    described = outline(sketches, folder, **({"target_layers": "2"} | other))
    assert looks
    assert facts(described) == facts(described.loaded())


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "model.safetensors"])
def test_other_files_make_another_sketch(folder: Path, sketches: Sketches, looks: list[Path], file: str) -> None:
    outline(sketches, folder)
    looks.clear()
    if file == "config.json":
        change(folder / file, max_position_embeddings=77)
    elif file == "tokenizer_config.json":
        change(folder / file, model_max_length=77)
    else:
        tensors = load_file(folder / file)
        save_file({name: tensor * 2 for name, tensor in tensors.items()}, folder / file, {"format": "pt"})
    described = outline(sketches, folder)
    assert looks
    assert facts(described) == facts(described.loaded())


@pytest.mark.parametrize("package", depth.DETERMINING_PACKAGES)
def test_other_version_of_a_package_makes_another_sketch(
    folder: Path, sketches: Sketches, looks: list[Path], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    outline(sketches, folder)
    looks.clear()
    monkeypatch.setattr(depth, "version", lambda name: "99.0" if name == package else version(name))
    outline(sketches, folder)
    assert looks


def test_other_version_of_the_extractor_makes_another_sketch(
    folder: Path, sketches: Sketches, looks: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    outline(sketches, folder)
    looks.clear()
    monkeypatch.setattr(depth, "EXTRACTOR_VERSION", EXTRACTOR_VERSION + 1)
    outline(sketches, folder)
    assert looks


def test_files_that_change_while_a_model_is_looked_through_leave_no_sketch(
    folder: Path, sketches: Sketches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = build_skeleton

    def replaced_meanwhile(folder: Path, chosen: Settings) -> Any:
        change(folder / "config.json", max_position_embeddings=77)
        return build(folder, chosen)

    monkeypatch.setattr(checkpoint, "build_skeleton", replaced_meanwhile)
    outline(sketches, folder)
    assert kept_files(tmp_path) == []


def test_model_with_code_of_its_own_has_no_sketch(folder: Path, sketches: Sketches, tmp_path: Path) -> None:
    outline(sketches, folder, trust_remote_code=True)
    assert kept_files(tmp_path) == []


def test_quantised_model_has_no_sketch(
    folder: Path, sketches: Sketches, tmp_path: Path, llama: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder / "config.json", quantization_config={"quant_method": "fp8"})
    monkeypatch.setattr(checkpoint.Checkpoint, "load", lambda *_: llama)
    assert outline(sketches, folder) is llama
    assert kept_files(tmp_path) == []


@pytest.mark.parametrize("name", [*MODELS, "embedded"])
def test_model_whose_files_are_new_is_loaded_at_once_and_known_from_then_on(
    golden: Path, tmp_path: Path, looks: list[Path], name: str
) -> None:
    model = name if name == "embedded" else golden / "models" / name
    store = Store(tmp_path / "cache")
    sketches = Sketches(tmp_path / "cache" / "models", store.digest.remembered)
    settings = Settings(model=str(model), device="cpu", target_layers="2")
    first = outline_for(settings, store.digest, sketches)
    assert first.is_loaded
    looks.clear()
    again = outline_for(settings, store.digest, sketches)
    assert not again.is_loaded
    assert looks == []
    assert facts(again) == facts(first)


# What it may not hide


def test_model_that_is_refused_is_refused_whatever_was_known_of_it(folder: Path, sketches: Sketches) -> None:
    outline(sketches, folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(AmygdalaError, match="adapters are not read"):
        outline(sketches, folder)


def test_target_layer_out_of_range_is_refused_again(folder: Path, sketches: Sketches) -> None:
    for _ in range(2):
        with pytest.raises(AmygdalaError, match="out of range"):
            outline(sketches, folder, target_layers="5")


def test_tampered_embedded_model_is_refused_whatever_was_known_of_it(
    folder: Path, sketches: Sketches, monkeypatch: pytest.MonkeyPatch
) -> None:
    outline(sketches, "embedded")
    monkeypatch.setattr(checkpoint, "locate", lambda _, **__: folder)
    with pytest.raises(AmygdalaError, match="not the ones that were packaged"):
        outline(sketches, "embedded")


# Damage


def test_flipped_byte_in_any_place_is_never_taken_for_the_truth(
    folder: Path, sketches: Sketches, tmp_path: Path
) -> None:
    truth = outline(sketches, folder).sketch
    sketches.put(KEY, truth)
    file = tmp_path / "cache" / "models" / f"{KEY}.json"
    data = file.read_bytes()
    for place in range(len(data)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert sketches.get(KEY) is None
    file.write_bytes(data)
    assert sketches.get(KEY) == truth


@pytest.mark.parametrize(
    "values", [{"n_blocks": "5"}, {"depth": 0}, {"heads": {"0": [1]}}, {"more": 1}, {"needs_mask": None}], ids=str
)
def test_sketch_of_other_types_is_none(
    folder: Path, sketches: Sketches, tmp_path: Path, values: dict[str, object]
) -> None:
    sketches.put(KEY, outline(sketches, folder).sketch)
    file = tmp_path / "cache" / "models" / f"{KEY}.json"
    document = json.dumps(json.loads(file.read_bytes().partition(b"\n")[2]) | values).encode()
    file.write_bytes(sketch._checksum(KEY, document) + b"\n" + document)
    assert sketches.get(KEY) is None


def test_sketch_under_anothers_name_is_none(folder: Path, sketches: Sketches, tmp_path: Path) -> None:
    sketches.put(KEY, outline(sketches, folder).sketch)
    file = tmp_path / "cache" / "models" / f"{KEY}.json"
    shutil.copy(file, file.with_name(f"{'1' * 64}.json"))
    assert sketches.get("1" * 64) is None


def test_damaged_sketch_is_made_again(folder: Path, sketches: Sketches, tmp_path: Path, looks: list[Path]) -> None:
    truth = facts(outline(sketches, folder))
    (file,) = kept_files(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    looks.clear()
    for _ in range(2):
        assert facts(outline(sketches, folder)) == truth
    assert len(looks) == 1


def test_where_no_sketch_can_be_kept_the_model_is_described_each_time(
    folder: Path, tmp_path: Path, looks: list[Path]
) -> None:
    (tmp_path / "models").write_text("a file")
    for _ in range(2):
        outline(Sketches(tmp_path / "models", file_sha256), folder)
    assert len(looks) == 2
