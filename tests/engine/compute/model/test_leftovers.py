"""Tensors of a checkpoint that nothing reads: those of a part that is run refuse the model, others do not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.compute.model import checkpoint
from engine.errors import AmygdalaError
from engine.settings import Settings
from tests import families

ONE = torch.ones(1)


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    """A copy of the tiny llama that a test may break."""
    return Path(shutil.copytree(golden / "models" / "llama", tmp_path / "llama"))


def add(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Put more tensors into a checkpoint."""
    weights = load_file(folder / "model.safetensors")
    save_file(weights | dict(tensors), folder / "model.safetensors", {"format": "pt"})


def load(folder: Path, last_layer: int | None = None) -> None:
    checkpoint.load(Settings(model=str(folder), device="cpu"), last_layer=last_layer)


def test_weights_in_eight_bits_whose_scales_nothing_reads_are_refused(folder: Path) -> None:
    packed: dict[str, Tensor] = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        if name.endswith("proj.weight"):
            scale = weight.abs().max().float() / 448
            packed |= {name: (weight.float() / scale).to(torch.float8_e4m3fn), f"{name}_scale": scale.reshape(())}
    add(folder, packed)
    with pytest.raises(AmygdalaError) as refusal:
        load(folder, last_layer=1)
    message = str(refusal.value)
    assert "does not use 14 of the tensors in its files: model.layers.0.mlp.down_proj.weight_scale, " in message
    assert "and 11 more" in message
    assert "scales of a quantisation that is not supported; take the unquantised model" in message


def test_adapter_among_the_weights_is_refused(folder: Path) -> None:
    add(folder, {f"model.layers.0.self_attn.q_proj.lora_{half}.weight": torch.ones(1) for half in "AB"})
    with pytest.raises(AmygdalaError, match="belong to an adapter; merge it"):
        load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.1.self_attn.q_norm.weight",
        "model.layers.1.self_attn.q_proj.bias",
        "layers.0.mlp.extra",
        "model.embed_tokens.table.weight",
    ],
)
def test_tensor_of_a_part_that_is_run_is_refused_whatever_it_is(folder: Path, name: str) -> None:
    add(folder, {name: ONE})
    with pytest.raises(AmygdalaError, match=rf"1 of the tensors in its files: {name}\.\nIts config\.json may be"):
        load(folder, last_layer=1)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.2.mlp.down_proj.weight_scale",
        "model.layers.61.mlp.down_proj.weight_scale",
        "model.norm.weight_scale",
        "lm_head.weight_scale",
        "score.weight",
        "mtp.layers.0.mlp.down_proj.weight",
        "visual.layers.0.mlp.down_proj.weight",
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.layers.0.self_attn.masked_bias",
        "model.layers.0.self_attn.k_scale",
        "model.layers.0.mlp.down_proj.input_scale",
    ],
)
def test_tensor_that_changes_nothing_in_what_is_read_is_let_be(folder: Path, name: str) -> None:
    add(folder, {name: ONE})
    load(folder, last_layer=1)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "opt", "bert", "qwen3_moe", "gemma3_images"])
@pytest.mark.parametrize("last_layer", [None, 0])
def test_scale_is_seen_in_every_layout_and_nothing_else_is(tmp_path: Path, family: str, last_layer: int | None) -> None:
    folder = families.make(family, tmp_path / family)
    load(folder, last_layer)
    names = load_file(folder / "model.safetensors")
    first = next(name for name in names if ".0." in f".{name}" and "vision" not in name and name.endswith(".weight"))
    add(folder, {f"{first}_scale": ONE})
    with pytest.raises(AmygdalaError, match="scales of a quantisation"):
        load(folder, last_layer)
