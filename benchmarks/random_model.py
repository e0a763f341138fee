"""A checkpoint of random weights in a size of one's choice: for timings alone.

    python -m benchmarks.random_model FOLDER [--size 100m] [--family qwen3] [--blocks 12] [--hidden 768] ...

The tokenizer is the golden models' (512 pieces, about 2.4 tokens a word); the vocabulary is larger than that, so that
the language-model head costs what it does in a large model: 6% of the blocks' work, in either size.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import flags
from benchmarks.corpora import GOLDEN

FAMILIES = ("qwen3", "llama")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Shape:
    """How large a model is."""

    hidden: int
    blocks: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int


SIZES = {
    "tiny": Shape(384, 6, 768, 6, 2, 64, 512),
    "100m": Shape(768, 12, 3072, 12, 4, 64, 8192),
    "8b": Shape(4096, 36, 12288, 32, 8, 128, 98304),
}
"""`tiny` is for trying the scripts out, and just wider than stories are long; `8b` has Qwen3-8B's blocks."""


def write(folder: Path, shape: Shape, family: str = "qwen3", dtype: torch.dtype = torch.float32) -> Path:
    """Write a checkpoint that `AutoModel` and `AutoModelForCausalLM` load, with a tokenizer; returns the folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    quiet()
    config: Any = AutoConfig.for_model(
        family,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.blocks,
        intermediate_size=shape.intermediate,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        vocab_size=shape.vocabulary,
        max_position_embeddings=4096,
        initializer_range=shape.hidden**-0.5,  # activations neither fade nor grow from block to block
        tie_word_embeddings=False,
        bos_token_id=2,
        eos_token_id=3,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    model.save_pretrained(str(folder))
    source = GOLDEN / "models" / family
    shutil.copy(source / "tokenizer.json", folder)
    described = json.loads((source / "tokenizer_config.json").read_text("utf-8"))
    described["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that older transformers know too
    (folder / "tokenizer_config.json").write_text(json.dumps(described), "utf-8")
    return folder


def quiet() -> None:
    """No progress bars, and no remarks on weights that are left out on purpose."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A family, a size, and a flag for each of its numbers."""
    parser.add_argument("--family", choices=FAMILIES, default=FAMILIES[0], help="how it is laid out (qwen3)")
    parser.add_argument("--size", choices=SIZES, default="100m", help="100m unless told")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="of weights and activations (fp32)")
    for field in fields(Shape):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, help="instead of the size's")


def add_checkpoint_flag(parser: argparse.ArgumentParser) -> None:
    """A checkpoint of one's own."""
    parser.add_argument("--model", type=Path, help="a checkpoint laid out as Qwen3 or Llama (else random weights)")


def shape_of(arguments: argparse.Namespace) -> Shape:
    """The size that was asked for."""
    numbers = {field.name: getattr(arguments, field.name) for field in fields(Shape)}
    return replace(SIZES[arguments.size], **{name: number for name, number in numbers.items() if number is not None})


@contextmanager
def checkpoint(arguments: argparse.Namespace) -> Iterator[Path]:
    """The folder of the checkpoint that `--model` names, else of a random one, which goes at the end."""
    if (own := getattr(arguments, "model", None)) is not None:
        yield own.resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield write(Path(folder), shape_of(arguments), arguments.family, DTYPES[arguments.dtype])


def main(argv: Sequence[str] | None = None) -> int:
    """Write one and say what it is."""
    parser = flags.parser(__doc__)
    parser.add_argument("folder", type=Path)
    add_flags(parser)
    arguments = parser.parse_args(argv)
    write(arguments.folder, shape_of(arguments), arguments.family, DTYPES[arguments.dtype])
    size = sum(file.stat().st_size for file in arguments.folder.glob("*.safetensors"))
    print(f"{arguments.folder}: {asdict(shape_of(arguments))}, {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
