"""A checkpoint of random weights in a size of one's choice, and stories to run through it: for timings alone.

    python benchmarks/random_model.py FOLDER [--size 100m] [--family qwen3] [--blocks 12] [--hidden 768] ...

The tokenizer is the golden models' (512 pieces, about 2.4 tokens a word); the vocabulary is larger than that, so that
the language-model head costs what it does in a large model: 6% of the blocks' work, in either size.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from engine.corpus import Corpus, Layout, Story, scan

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
CORPORA = (ROOT / "amygdala_tui" / "sample", GOLDEN / "corpus")
"""What there is without a corpus of one's own: together about a hundred texts."""
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


def stories(folder: Path | None, count: int) -> Corpus:
    """`count` stories, drawn evenly from a corpus (all, if it has fewer); without one, from those that ship."""
    found: list[Story] = []
    for place in CORPORA if folder is None else (folder,):
        found += scan(Layout.of(place)).stories
    drawn = random.Random(0).sample(range(len(found)), min(count, len(found)))
    return Corpus(stories=tuple(found[i] for i in sorted(drawn)), problems=())


def add_flags(parser: argparse.ArgumentParser) -> None:
    """A size, and a flag for each of its numbers."""
    parser.add_argument("--size", choices=SIZES, default="100m", help="100m unless told")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="of weights and activations (fp32)")
    for field in fields(Shape):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, help="instead of the size's")


def from_flags(arguments: argparse.Namespace) -> Shape:
    """The size that was asked for."""
    given = {field.name: getattr(arguments, field.name) for field in fields(Shape)}
    return replace(SIZES[arguments.size], **{name: value for name, value in given.items() if value is not None})


def main() -> int:
    """Write one and say what it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family", choices=FAMILIES, default="qwen3")
    add_flags(parser)
    arguments = parser.parse_args()
    shape = from_flags(arguments)
    write(arguments.folder, shape, arguments.family, DTYPES[arguments.dtype])
    size = sum(file.stat().st_size for file in arguments.folder.glob("*.safetensors"))
    print(f"{arguments.folder}: {asdict(shape)}, {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
