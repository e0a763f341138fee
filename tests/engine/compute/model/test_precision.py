"""The number format of a model where nobody chose one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.compute.model.checkpoint import load
from engine.compute.model.forward import Extractor
from engine.compute.model.precision import default_dtype, is_in_bf16, multiplies_in_bf16
from engine.settings import Settings
from tests.engine.compute.model.extracting import extract

CPU = torch.device("cpu")
TEXTS = ["She laughed until the neighbours knocked.", "Nobody came, and the soup went cold.", "He ran."]


def processor(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    """As if the processor could do this."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(golden / "models" / "llama", tmp_path / "llama"))


@pytest.fixture
def in_bf16(folder: Path) -> Path:
    """A model whose weights are bf16."""
    for file in folder.glob("*.safetensors"):
        tensors = {name: tensor.bfloat16() for name, tensor in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("instructions", ["amx_bf16", "avx512_bf16"])
def test_weights_in_bf16_stay_so_where_the_processor_multiplies_it(
    in_bf16: Path, monkeypatch: pytest.MonkeyPatch, instructions: str
) -> None:
    processor(monkeypatch, **{instructions: True})
    model = load(Settings(model=str(in_bf16), device="cpu"))
    assert model.dtype == torch.bfloat16
    assert {weight.dtype for weight in model.module.parameters()} == {torch.bfloat16}


def test_a_flag_overrides_it(in_bf16: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, amx_bf16=True)
    assert load(Settings(model=str(in_bf16), device="cpu", dtype="fp32")).dtype == torch.float32


def test_other_processors_and_other_weights_compute_in_fp32(in_bf16: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, avx2=True)
    assert default_dtype(CPU, in_bf16) == torch.float32
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not multiplies_in_bf16()


def test_weights_in_fp32_are_not_rounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, amx_bf16=True)
    assert default_dtype(CPU, folder) == torch.float32


def test_what_has_no_header_is_not_in_bf16(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 30)
    assert not is_in_bf16(tmp_path)
    assert not is_in_bf16(tmp_path / "nowhere")


def test_activations_of_two_formats_are_close_and_never_taken_for_each_other(in_bf16: Path) -> None:
    pooled = {}
    for dtype in ("fp32", "bf16"):
        model = load(Settings(model=str(in_bf16), device="cpu", dtype=dtype))
        extractor = Extractor(model, [1, 3], pooling="mean")
        pooled[extractor.recipe] = torch.stack([activation.x for activation in extract(extractor, TEXTS)])  # (T, L, H)
    in_fp32, in_bf16_numbers = pooled.values()  # two recipes, so two entries in the store
    assert torch.cosine_similarity(in_fp32, in_bf16_numbers, dim=2).min() > 0.999
