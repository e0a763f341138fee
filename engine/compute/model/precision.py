"""Which number format a model computes in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine.compute.model.device import pick_device
from engine.compute.model.folder import weights
from engine.compute.model.header import MALFORMED, read_header
from engine.settings import Settings

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")
"""With either, products in bf16 are several times as fast as in fp32. Without, they are emulated, and slower."""


def pick_dtype(settings: Settings, folder: Path) -> torch.dtype:
    """The number format that settings name; else what suits the device and the weights in the model's folder."""
    return DTYPES[settings.dtype] if settings.dtype else default_dtype(pick_device(settings.device), folder)


def default_dtype(device: torch.device, folder: Path) -> torch.dtype:
    """bf16 on a GPU, and on a processor that multiplies in bf16 where the weights are in bf16; else fp32.

    Args:
        device: where the model will run.
        folder: the model's.

    Such weights lose nothing by staying as they are; products of activations are rounded to 8 bits, which moves a
    direction by about 1e-4 in cosine.
    """
    if device.type == "cuda" or (multiplies_in_bf16() and is_in_bf16(folder)):
        return torch.bfloat16
    return torch.float32


def multiplies_in_bf16() -> bool:
    """Whether this processor has instructions for products of bf16 matrices, as far as torch can tell."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # not every torch that we allow has it
    capabilities: Mapping[str, Any] = ask() if ask is not None else {}
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)


def is_in_bf16(folder: Path) -> bool:
    """Whether most of the bytes of a model's weights are bf16 numbers, by the headers of its files.

    A file without a proper header has none here: what is wrong with it is told when it is loaded.
    """
    sizes: dict[str, int] = {}
    for file in weights(folder):
        try:
            for tensor in read_header(file)[1].values():
                start, end = tensor["data_offsets"]
                sizes[tensor["dtype"]] = sizes.get(tensor["dtype"], 0) + end - start
        except (OSError, *MALFORMED):
            continue
    return 2 * sizes.get("BF16", 0) > sum(sizes.values())
