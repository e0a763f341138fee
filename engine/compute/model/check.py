"""What makes a model's folder unsafe or impossible to load, said in words before anything is loaded."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.compute.model.folder import HUB_FILES, TOKENIZER_FILES, weights
from engine.compute.model.header import MALFORMED, read_header
from engine.errors import AmygdalaError, UsageError
from engine.settings import Settings

LARGEST = {
    "num_hidden_layers": 10_000, "n_layer": 10_000, "n_layers": 10_000, "num_layers": 10_000, "depth": 10_000,
    "hidden_size": 1_000_000, "n_embd": 1_000_000, "d_model": 1_000_000,
    "intermediate_size": 10_000_000, "n_inner": 10_000_000, "ffn_dim": 10_000_000,
    "num_attention_heads": 100_000, "n_head": 100_000,
    "num_experts": 100_000, "num_local_experts": 100_000, "n_routed_experts": 100_000,
    "vocab_size": 100_000_000, "max_position_embeddings": 1_000_000_000,
}  # fmt: skip
"""Numbers of a config.json above which no model is; modules are built by them before any weight is read."""
IMPLEMENTATIONS = ("attn_implementation", "experts_implementation")
"""Endings of the settings by which a config chooses code, which may be a repository on the hub."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
INDEX = "model.safetensors.index.json"
MERGING = (
    "Merge it into its base model, and take the folder that this writes:\n"
    "  from peft import AutoPeftModelForCausalLM\n"
    "  model = AutoPeftModelForCausalLM.from_pretrained(ADAPTER).merge_and_unload()\n"
    "  model.save_pretrained(FOLDER)   # and the base model's tokenizer.save_pretrained(FOLDER)"
)


def check(folder: Path, settings: Settings) -> None:
    """Refuse a model folder that cannot be loaded safely, before anything is read into memory.

    Raises:
        UsageError: it is no model's folder.
        AmygdalaError: it holds a model that is not read here, not all of one, or one that runs code of its own.
    """
    name = f"--model {settings.model}"
    if (folder / "adapter_config.json").exists():
        beside = "an adapter beside its weights" if weights(folder) else "an adapter without its base model"
        raise AmygdalaError(f"{name}: it holds {beside} (adapter_config.json); adapters are not read.\n{MERGING}")
    if not weights(folder):
        _refuse_other_formats(folder, name)
    if not (folder / "config.json").exists():
        raise UsageError(f"{name}: {folder / 'config.json'} is missing, so this is not a model's folder")
    for pattern in sorted({*HUB_FILES, *TOKENIZER_FILES, "*.py"}):
        for file in sorted(folder.glob(pattern)):
            _check_file(file, name)
    _check_config(folder / "config.json", settings)
    _check_shards(folder, name)
    if not weights(folder):
        raise AmygdalaError(f"{name}: no *.safetensors in {folder}; other weight formats are not read")
    for file in weights(folder):
        _check_size(file, name)


def _refuse_other_formats(folder: Path, name: str) -> None:
    """Says what a folder without safetensors holds in their place, and what to do."""
    download = folder / ".cache" / "huggingface" / "download"
    if (folder / INDEX).exists() or [*folder.glob("*.incomplete"), *download.glob("**/*.incomplete")]:
        raise AmygdalaError(f"{name}: its weights are not there: its download is unfinished; download it again")
    if [*folder.glob("*.gguf")]:
        raise AmygdalaError(
            f"{name}: its weights are in the format of llama.cpp (*.gguf), which is not read; "
            "take the original model, in safetensors"
        )
    if [*folder.glob("*.npz")]:
        raise AmygdalaError(
            f"{name}: its weights are in the format of MLX (*.npz), which is not read; "
            "take the original model, in safetensors"
        )
    if [file for ending in ("bin", "pt", "pth") for file in folder.glob(f"*.{ending}")]:
        raise AmygdalaError(
            f"{name}: no *.safetensors in {folder}: its weights are in a format that may run code when it is read "
            "(*.bin, *.pt).\nTake a version in safetensors; or, if you trust its makers, load it with transformers "
            "and write it anew: model.save_pretrained(FOLDER)"
        )


def _check_file(file: Path, name: str) -> None:
    """Refuse what is not the file it is named for; links to files are as good as files (the hub's cache has them)."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError as error:
        raise AmygdalaError(
            f"{name}: {file} is a link to a file that is not there: its download is unfinished; download it again"
        ) from error
    except OSError as error:
        raise AmygdalaError(f"{name}: {file} cannot be read: {error}") from error
    if stat.S_ISDIR(mode):
        return
    if not stat.S_ISREG(mode):
        raise AmygdalaError(f"{name}: {file} is not a file but a device or a pipe; it is not opened")
    if _beginning(file, len(LFS_POINTER), name) == LFS_POINTER:
        raise AmygdalaError(
            f"{name}: {file} is a Git LFS pointer, which stands for a file that was not downloaded; "
            "run in that folder: git lfs pull"
        )


def _check_config(file: Path, settings: Settings) -> None:
    name = f"--model {settings.model}"
    try:
        config = json.loads(file.read_text("utf-8"))
        if not isinstance(config, dict):
            raise ValueError("not a JSON object")
        entries = list(_entries(config))
    except (OSError, ValueError, RecursionError) as error:
        raise AmygdalaError(f"{name}: {file} cannot be read: {error}") from error
    if "auto_map" in config and not settings.trust_remote_code:
        raise AmygdalaError(
            f"{name}: it wants to run Python code of its own, which is off by default.\n"
            "Read that code; if you trust it, pass --trust-remote-code."
        )
    if isinstance(config.get("quantization"), dict) and "quant_method" not in str(config.get("quantization_config")):
        raise AmygdalaError(f"{name}: it is quantised for MLX, which is not read; take the original model")
    for key, value in entries:
        if key.endswith(IMPLEMENTATIONS) and "/" in json.dumps(value):
            raise AmygdalaError(
                f"{name}: its config.json asks for code from a repository on the hub ({key}: {value}), which is not "
                f"run.\nRemove {key} from {file}, and the model's own code is used."
            )
        if isinstance(value, int | float) and value > LARGEST.get(key, value):
            raise AmygdalaError(
                f"{name}: {file} says {key}: {value}, more than any model has (at most {LARGEST[key]}); "
                "the file is damaged"
            )


def _entries(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys and values of a configuration and of those within it."""
    for key, value in config.items():
        yield key, value
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                yield from _entries(part)


def _check_shards(folder: Path, name: str) -> None:
    """Refuse weights whose index names files that are not there."""
    if not (folder / INDEX).exists() or (folder / "model.safetensors").exists():
        return
    try:
        shards = set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values())
        missing = sorted(shards - {file.name for file in weights(folder)})
    except (OSError, ValueError, RecursionError, KeyError, AttributeError, TypeError) as error:
        raise AmygdalaError(f"{name}: {folder / INDEX} cannot be read: {error}") from error
    if missing:
        raise AmygdalaError(
            f"{name}: {len(missing)} of its {len(shards)} files of weights are not there, {missing[0]} among them: its "
            "download is unfinished; download it again"
        )


def _check_size(file: Path, name: str) -> None:
    """Refuse weights that are shorter than their header says; whatever else is wrong is found when they are loaded."""
    try:
        start, tensors = read_header(file)
        expected = start + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except OSError as error:
        raise AmygdalaError(f"{name}: {file} cannot be read: {error}") from error
    except MALFORMED:
        return
    size = file.stat().st_size
    if size < expected:
        raise AmygdalaError(
            f"{name}: cannot be loaded: {file} is cut off ({size} of {expected} bytes); download it again"
        )


def _beginning(file: Path, count: int, name: str) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise AmygdalaError(f"{name}: {file} cannot be read: {error}") from error
