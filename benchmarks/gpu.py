"""A large model of random weights on one GPU: seconds for a corpus, the share of the peak that is used, and memory.

    python -m benchmarks.gpu [--size 8b] [--texts 112] [--tokens 500] [--target-layers 50%,67%] [--method pooled]

The peak is that of a large matrix product in the model's number format, measured in the same run. What the model should
cost is two operations a weight and token, over the blocks up to the last target block, and attention's two products.
(On a CPU it runs too, to try the script out: --size tiny --texts 8.)
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import corpora, flags, random_model
from benchmarks.timing import timed, wait_for_gpu
from engine.compute.activations.source import Tally
from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.depth import load_for
from engine.compute.model.loaded import LoadedModel
from engine.corpus import text_id
from engine.settings import Settings
from engine.wire.jobs import Placement

GOAL = 0.5
CONCEPTS = 16
SIDE = {"cuda": 8192, "cpu": 1024}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    random_model.add_flags(parser)
    parser.set_defaults(size="8b", dtype="bf16")
    parser.add_argument("--texts", type=int, default=112)
    parser.add_argument("--tokens", type=int, default=500, help="of each text")
    parser.add_argument("--target-layers", default="50%,58%,67%")
    parser.add_argument("--method", choices=["pooled", "whitened", "subspace"], default="pooled")
    arguments = parser.parse_args(argv)
    with random_model.checkpoint(arguments) as folder, tempfile.TemporaryDirectory() as caches:
        settings = Settings(
            model=str(folder),
            target_layers=arguments.target_layers,
            dtype=arguments.dtype,
            max_length=arguments.tokens,
            method=arguments.method,
        )
        seconds, model = timed(load_for, settings, lambda _file: "")
        print(f"{model.bytes_held / 1e9:.3g} GB held on {model.placement}, loaded in {seconds:.1f} s")
        run(model, settings, long_texts(arguments.texts, arguments.tokens), Path(caches), arguments.tokens)
    return 0


def run(model: LoadedModel, settings: Settings, texts: Sequence[str], caches: Path, tokens: int) -> None:
    """Run a corpus twice, the first time to warm up, and print what the second took."""
    for attempt in range(2):
        live = LiveCorpus(model, settings, Store(caches / str(attempt)))
        placements = [Placement(text_id(text), f"concept {i % CONCEPTS}") for i, text in enumerate(texts)]
        if model.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        tally = Tally()
        live.apply(placements, {text_id(text): text for text in texts}, tally=tally)
    cost, depth = tally.cost, max(live.layers) + 1
    weights = sum(weight.numel() for block in model.anatomy.blocks[:depth] for weight in block.parameters())
    attention = 2 * sum(model.anatomy.head_width(layer) for layer in range(depth)) * tokens  # half of T x T is seen
    operations = 2.0 * (weights + attention / 2) * tokens * len(texts)
    reached, best = operations / cost.seconds_forward, peak(model)
    print(f"{len(texts)} texts of {tokens} tokens, {depth} blocks: forward and storing {cost.seconds_forward:.2f} s")
    print(f"{reached / 1e12:.3g} TFLOP/s of {best / 1e12:.3g}: {reached / best:.0%} of the peak (goal: {GOAL:.0%})")
    print(f"statistics {cost.seconds_statistics:.2f} s")
    if model.device.type == "cuda":
        print(f"memory at most {torch.cuda.max_memory_allocated() / 1e9:.1f} GB")


def long_texts(count: int, tokens: int) -> list[str]:
    """Texts that are at least so long, no two alike."""
    words = " ".join(story.text for story in corpora.drawn(None, 100).stories).split()
    return [f"{i}. " + " ".join(words[i : i + tokens]) for i in range(count)]


def peak(model: LoadedModel) -> float:
    """Operations a second of a large matrix product, in the model's number format on its device."""
    side = SIDE[model.device.type]
    a, b = (torch.randn(side, side, device=model.device, dtype=model.dtype) for _ in range(2))
    wait_for_gpu()
    best = min(timed(torch.matmul, a, b)[0] for _ in range(10))
    return 2.0 * side**3 / best


if __name__ == "__main__":
    sys.exit(main())
