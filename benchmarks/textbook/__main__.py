"""The plain implementation alone: the seconds of each of its stages.

    python -m benchmarks.textbook [--corpus C] [--stories 64] [--model FOLDER] [--method subspace] [--layers 6,7]

On the CPU, each text once. (`python -m benchmarks.export` runs it beside the engine, on a GPU if there is one.)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import get_args

import torch

from benchmarks import flags, random_model
from benchmarks.textbook.extraction import Method, extract, load
from benchmarks.textbook.stories import Stories


def main(argv: Sequence[str] | None = None) -> int:
    """Run it once and print the seconds of each stage."""
    parser = flags.parser(__doc__)
    flags.add_drawn_stories(parser)
    parser.add_argument("--method", choices=get_args(Method), default="pooled")
    parser.add_argument("--layers", default="6,7", help="blocks, 0-based (6,7)")
    random_model.add_flags(parser)
    random_model.add_checkpoint_flag(parser)
    arguments = parser.parse_args(argv)
    stories = Stories.of(flags.drawn_stories(arguments))
    layers = [int(layer) for layer in arguments.layers.split(",")]
    with random_model.checkpoint(arguments) as folder:
        model, tokenizer = load(folder, random_model.DTYPES[arguments.dtype], torch.device("cpu"))
    extracted = extract(model, tokenizer, stories, layers, method=arguments.method)
    print(f"{len(stories.texts)} texts, {len(stories.positives)} concepts, blocks {layers}")
    for stage, seconds in extracted.seconds.items():
        print(f"{stage:22} {seconds:8.2f} s")
    print(f"{'together':22} {sum(extracted.seconds.values()):8.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
