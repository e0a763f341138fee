"""Folders that hold no model which is read here: each is refused before it is loaded, in words that say what to do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.compute.model.check import check
from engine.compute.model.checkpoint import Checkpoint
from engine.errors import AmygdalaError
from engine.settings import Settings
from tests.engine.compute.model.altered import change

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    """A copy of the tiny llama that a test may break."""
    return Path(shutil.copytree(golden / "models" / "llama", tmp_path / "llama"))


def refusal(folder: Path, *, trust_remote_code: bool = False) -> str:
    """The words by which a folder is refused."""
    settings = Settings(model=str(folder), device="cpu", trust_remote_code=trust_remote_code)
    with pytest.raises(AmygdalaError) as caught:
        check(folder, settings)
    assert f"--model {folder}: " in str(caught.value)
    return str(caught.value).removeprefix(f"--model {folder}: ")


# Other formats


def test_adapter_beside_weights_is_neither_applied_nor_ignored(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    words = refusal(folder)
    assert words.startswith("it holds an adapter beside its weights (adapter_config.json); adapters are not read.")
    assert "merge_and_unload" in words
    assert "save_pretrained" in words


def test_adapter_alone_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert refusal(tmp_path).startswith("it holds an adapter without its base model")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("model-Q4_K_M.gguf", "llama.cpp (*.gguf), which is not read; take the original model, in safetensors"),
        ("weights.npz", "MLX (*.npz), which is not read; take the original model, in safetensors"),
        ("pytorch_model.bin", "may run code when it is read (*.bin, *.pt).\nTake a version in safetensors"),
        ("consolidated.00.pth", "may run code when it is read"),
        ("model.pt", "may run code when it is read"),
        ("model.safetensors.incomplete", "its download is unfinished; download it again"),
        (".cache/huggingface/download/abc.incomplete", "its download is unfinished; download it again"),
        ("model.safetensors.index.json", "its download is unfinished; download it again"),
    ],
)
@pytest.mark.parametrize("has_config", [True, False])
def test_weights_in_another_format_are_named(folder: Path, file: str, words: str, has_config: bool) -> None:
    (folder / "model.safetensors").unlink()
    if not has_config:
        (folder / "config.json").unlink()
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(b"")
    assert words in refusal(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_pointers_of_git_lfs_are_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(POINTER)
    assert refusal(folder).endswith("run in that folder: git lfs pull")


def test_model_quantised_for_mlx_is_named(folder: Path) -> None:
    change(folder / "config.json", quantization={"group_size": 64, "bits": 4})
    assert refusal(folder) == "it is quantised for MLX, which is not read; take the original model"


# Whole and regular files


def test_download_without_all_its_files_is_unfinished(folder: Path) -> None:
    first, second = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    (folder / "model.safetensors").rename(folder / first)
    index = {"weight_map": {"a": first, "b": second}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert refusal(folder) == (
        f"1 of its 2 files of weights are not there, {second} among them: its download is unfinished; download it again"
    )
    (folder / "model.safetensors.index.json").write_text("{}")
    assert "index.json cannot be read" in refusal(folder)


@pytest.mark.parametrize("cut", [1, 1000])
def test_weights_that_are_cut_off_say_so(folder: Path, cut: int) -> None:
    file = folder / "model.safetensors"
    size = file.stat().st_size
    os.truncate(file, size - cut)
    assert refusal(folder) == f"cannot be loaded: {file} is cut off ({size - cut} of {size} bytes); download it again"


@pytest.mark.parametrize(
    "name", ["model.safetensors", "extra.safetensors", "config.json", "tokenizer.json", "vocab.txt"]
)
def test_pipes_and_devices_are_not_opened(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert refusal(folder).endswith("is not a file but a device or a pipe; it is not opened")
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    assert refusal(folder).endswith("is not a file but a device or a pipe; it is not opened")


def test_links_of_the_hubs_cache_are_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    for file in folder.iterdir():
        target = tmp_path / "blobs" / file.name
        file.rename(target)
        file.symlink_to(Path("..") / "blobs" / file.name)
    Checkpoint(Settings(model=str(folder), device="cpu")).load(0)
    (tmp_path / "blobs" / "model.safetensors").unlink()
    assert "is a link to a file that is not there: its download is unfinished" in refusal(folder)


# What a config chooses


@pytest.mark.parametrize("trust_remote_code", [True, False])
@pytest.mark.parametrize(
    "config",
    [
        {"_attn_implementation": "someone/kernel"},
        {"attn_implementation": "someone/kernel@main:attention"},
        {"_attn_implementation_internal": "sdpa", "text_config": {"_attn_implementation": "someone/kernel"}},
        {"attn_implementation": {"text_config": "someone/kernel"}},
        {"_experts_implementation": "someone/kernel"},
        {"parts": [{"attn_implementation": "someone/kernel"}]},
    ],
)
def test_code_from_the_hub_is_not_run(folder: Path, config: dict[str, object], trust_remote_code: bool) -> None:
    change(folder / "config.json", **config)
    words = refusal(folder, trust_remote_code=trust_remote_code)
    assert "asks for code from a repository on the hub" in words
    assert "someone/kernel" in words


@pytest.mark.parametrize("chosen", ["flash_attention_2", "flex_attention", "eager", "sdpa", "nonsense"])
def test_attention_is_ours_to_choose(folder: Path, chosen: str) -> None:
    change(folder / "config.json", _attn_implementation=chosen, attn_implementation=chosen)
    module: Any = Checkpoint(Settings(model=str(folder), device="cpu")).load(0).module
    assert module.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 10_001},
        {"hidden_size": 10**7},
        {"vocab_size": 10**12},
        {"text_config": {"num_hidden_layers": 10**9}},
        {"num_experts": 10**6},
    ],
)
def test_numbers_that_no_model_has_are_refused_before_anything_is_built(
    folder: Path, config: dict[str, object]
) -> None:
    change(folder / "config.json", **config)
    assert "more than any model has" in refusal(folder)


def test_config_nested_too_deep_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"a":' * 100_000)
    assert "config.json cannot be read" in refusal(folder)


# What is no reason to refuse


def test_whole_models_pass(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"x")
    (folder / "model.gguf").write_bytes(b"x")
    (folder / "old.incomplete").write_bytes(b"x")
    save_file({"a": torch.ones(1)} | load_file(folder / "model.safetensors"), folder / "spare.safetensors")
    check(folder, Settings(model=str(folder), device="cpu"))
