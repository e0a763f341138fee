"""One model in fp32 and in bf16: the bare forward pass and a whole export, in turn, and how close the vectors are.

    python -m benchmarks.formats [--corpus C] [--stories 64] [--repeat 3] [--model MODEL | --dtype bf16] [--layers 6,7]

The gain is that of the processor's instructions for bf16; without them bf16 is slower than fp32, and that is printed.
The goal is a bare pass at least 2 times as fast, on such a processor and a model whose weights are bf16.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import msgspec
import torch

from benchmarks import bare, flags, ours, random_model
from benchmarks.timing import timed
from engine.compute.model.depth import load_for
from engine.compute.model.precision import multiplies_in_bf16
from engine.settings import Settings

FORMATS = ("fp32", "bf16")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    flags.add_drawn_stories(parser)
    random_model.add_checkpoint_flag(parser)
    parser.add_argument("--layers", help="target blocks (the default, which ends at two thirds of the depth)")
    parser.add_argument("--repeat", type=int, default=3)
    random_model.add_flags(parser)
    arguments = parser.parse_args(argv)
    with random_model.checkpoint(arguments) as folder:
        settings = Settings(model=str(folder), target_layers=arguments.layers, device="cpu")
        compare(settings, arguments)
    return 0


def compare(settings: Settings, arguments: argparse.Namespace) -> None:
    """Both formats in turn, `repeat` times; the best of each counts."""
    corpus = flags.drawn_stories(arguments)
    texts = sorted({story.text for story in corpus.stories})
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMATS}
    vectors, held = {}, {}
    for _ in range(arguments.repeat):
        for name in FORMATS:
            chosen = msgspec.structs.replace(settings, dtype=name)
            model = load_for(chosen, lambda _file: "")
            alone, _ = timed(bare.floor, model.module, model.tokenizer, texts, model.anatomy.blocks[-1])
            whole, exported = timed(ours.export, model, chosen, corpus)
            seconds[name].append((alone, whole))
            vectors[name], held[name] = exported.readout.vectors, model.bytes_held
    cosines = [
        torch.cosine_similarity(vectors["fp32"][block].double(), vectors["bf16"][block].double(), dim=1).min()
        for block in vectors["fp32"]
    ]
    best = {name: [min(column) for column in zip(*times, strict=True)] for name, times in seconds.items()}
    print(f"{len(texts)} texts; this processor multiplies in bf16: {'yes' if multiplies_in_bf16() else 'no'}")
    print(f"{'':14}{'fp32':>10}{'bf16':>10}")
    for row, label in enumerate(("bare pass", "whole export")):
        in_fp32, in_bf16 = (best[name][row] for name in FORMATS)
        print(f"{label:14}{in_fp32:8.2f} s{in_bf16:8.2f} s{in_fp32 / in_bf16:8.2f} x")
    print(f"{'weights held':14}{held['fp32'] / 1e6:7.0f} MB{held['bf16'] / 1e6:7.0f} MB")
    print(f"lowest cosine of two vectors {float(min(cosines)):.5f}")


if __name__ == "__main__":
    sys.exit(main())
