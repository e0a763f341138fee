"""A whole export against the plain implementation (`textbook.py`) and against the floor (`bare.py`).

    python -m benchmarks.export [--corpus C] [--stories 64] [--repeat 3] [--part runs wide start truncated]

The parts:
- `runs`: the methods pooled and subspace, both with the quality report, in the same process and in turn, loading apart.
  Ours starts from an empty cache and fills it, and writes its files; the other does neither.
- `wide`: the subspace directions alone, with simulated stories in the width of a large model (`wide.py`).
- `start`, `truncated`: what loading takes, in processes of their own (`loading.py`).

Run it on an idle machine. Seconds are the best of the repetitions unless `--of median`; ratios are of these.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import torch

from benchmarks import bare, flags, loading, ours, random_model, wide
from benchmarks.textbook.extraction import Extracted, Method, extract, load
from benchmarks.textbook.stories import Stories
from benchmarks.timing import timed
from engine.compute.model.depth import load_for
from engine.compute.model.layers import target_layers
from engine.corpus import Corpus
from engine.settings import Settings

PARTS = ("runs", "wide", "start", "truncated")
STAGES = {
    "forward": ("residual pass", "tokens pass", "heads pass"),
    "statistics": ("directions", "subspace bases", "subspace matrices", "subspace eigenvectors", "quality"),
    "files and the rest": (),
}
"""Ours, and what does the same in the textbook."""
FASTER = {"pooled": 3.5, "subspace": 5.5}
"""How many times faster than the textbook we want to be."""
ABOVE_FLOOR = 1.15
LEAST_COSINE = 0.9999
MOST_R2 = 1e-3

Seconds = dict[str, float]
"""By stage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, part by part."""
    parser = flags.parser(__doc__)
    flags.add_drawn_stories(parser)
    random_model.add_checkpoint_flag(parser)
    parser.add_argument("--layers", help="target blocks (the default, which ends at two thirds of the depth)")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--method", nargs="+", choices=FASTER, default=list(FASTER))
    parser.add_argument("--direction", choices=["filter", "top-k"], default="filter", help="of the subspace method")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--of", choices=["best", "median"], default="best", help="what is made of the repetitions")
    random_model.add_flags(parser)
    wide.add_flags(parser)
    arguments = parser.parse_args(argv)
    with random_model.checkpoint(arguments) as folder:
        settings = Settings(
            model=str(folder),
            target_layers=arguments.layers,
            dtype=arguments.dtype,
            subspace_direction=arguments.direction,
        )
        if "runs" in arguments.part:
            corpus = flags.drawn_stories(arguments)
            runs(settings, corpus, arguments.method, arguments.repeat, of_median=arguments.of == "median")
        if "wide" in arguments.part:
            wide.compare(wide.from_flags(arguments))
        if "start" in arguments.part:
            loading.start(settings, max(arguments.repeat, 3))
        if "truncated" in arguments.part:
            loading.truncated(settings)
    return 0


def runs(settings: Settings, corpus: Corpus, methods: Sequence[Method], repeat: int, *, of_median: bool) -> None:
    """Floor, ours and textbook in turn, `repeat` times."""
    model = load_for(settings, lambda _file: "")
    whole, tokenizer = load(Path(settings.model), model.dtype, model.device)
    stories = Stories.of(corpus)
    layers = target_layers(settings, model.anatomy.n_blocks)
    assert layers is not None
    print(
        f"{len(stories.texts)} texts, {len(stories.positives)} concepts; blocks {layers} of {model.anatomy.n_blocks}; "
        f"{model.dtype} on {model.device}, {torch.get_num_threads()} threads"
    )
    last_block = whole.model.layers[max(layers)]
    bare.floor(whole.model, tokenizer, stories.texts[:4], last_block)  # to warm up
    floors: list[Seconds] = []
    plain: dict[str, list[Seconds]] = {method: [] for method in methods}
    own: dict[str, list[Seconds]] = {method: [] for method in methods}
    for _ in range(repeat):
        seconds, _ = timed(bare.floor, whole.model, tokenizer, stories.texts, last_block)
        floors.append({"floor": seconds})
        for method in methods:
            exported = ours.export(model, msgspec.structs.replace(settings, method=method), corpus)
            own[method].append(exported.seconds)
            extracted = extract(whole, tokenizer, stories, layers, method=method, direction=settings.subspace_direction)
            plain[method].append(extracted.seconds)
            agree(extracted, exported)
    for method in methods:
        report(method, *(typical(repetitions, of_median) for repetitions in (plain[method], own[method], floors)))


def typical(repetitions: list[Seconds], of_median: bool) -> Seconds:
    """The repetition that took least, or the median one."""
    ranked = sorted(repetitions, key=lambda seconds: sum(seconds.values()))
    return ranked[len(ranked) // 2 if of_median else 0]


def agree(plain: Extracted, own: ours.Exported) -> None:
    """Make sure that both came to the same.

    Raises:
        AssertionError: they did not.
    """
    cosines = [
        torch.nn.functional.cosine_similarity(plain.directions[layer].double().cpu(), vectors.double(), dim=1).min()
        for layer, vectors in own.readout.vectors.items()
    ]
    apart = [
        abs(plain.quality[quality.concept]["linear_combination"][layer]["r_squared"] - fit.r_squared)
        for quality in own.results.concepts
        for layer, fit in quality.linear_combination.items()
    ]
    print(f"agreement: lowest cosine {float(min(cosines)):.6f}, R² within {max(apart):.1e}", flush=True)
    assert min(cosines) > LEAST_COSINE
    assert max(apart) < MOST_R2


def report(method: str, plain: Seconds, own: Seconds, floor: Seconds) -> None:
    """One table: stage by stage, together, and against the floor."""
    print(f"\n{method + ', with quality':26}{'textbook':>10}{'ours':>10}")
    for stage, theirs in STAGES.items():
        for name in theirs:
            if name in plain:
                print(f"  {name:24}{plain[name]:8.2f} s")
        _row(stage, sum(plain.get(name, 0.0) for name in theirs), own[stage])
    together = sum(own.values())
    _row("together", sum(plain.values()), together, f"(goal: at least {FASTER[method]})")
    over = together / floor["floor"]
    print(f"{'floor, and ours over it':26}{floor['floor']:8.2f} s{'':10}{over:8.2f} x  (goal: at most {ABOVE_FLOOR})")


def _row(name: str, plain: float, own: float, note: str = "") -> None:
    ratio = f"{plain / own:8.2f} x" if plain else ""
    print(f"{name:26}{plain:8.2f} s{own:8.2f} s{ratio}  {note}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
