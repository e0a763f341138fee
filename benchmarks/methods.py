"""How well vectors made by each method read stories they were not made of: held-out AUROC.

    python -m benchmarks.methods CORPUS [--block 2] [--seeds 8] [--per-concept 5 20] [--methods pooled whitened ...]

A quarter of the scenarios is held out whole; vectors are made of so many stories per concept from the others, by the
engine itself, and score the held-out stories. A concept's AUROC is the chance that one of its stories scores higher on
it than another concept's does; 0.5 is chance. Reads with the embedded model and mean pooling.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks import flags
from engine import paths
from engine.compute.activations.source import Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.live import methods
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.checkpoint import load
from engine.compute.model.loaded import LoadedModel
from engine.compute.statistics.separation import auroc
from engine.compute.statistics.subspace import Solved, Subspaces, filtered
from engine.compute.statistics.whitening import whitened
from engine.corpus import Layout, Story, scan
from engine.settings import Settings
from engine.wire.jobs import Placement

METHODS: dict[str, dict[str, Any]] = {
    "pooled": {},
    "whitened": {"method": "whitened"},
    "whitened, 0.1": {"method": "whitened", "shrinkage": 0.1},
    "diagonal": {"method": "whitened"},
    "diagonal, 0.1": {"method": "whitened", "shrinkage": 0.1},
    "filter": {"method": "subspace"},
    "filter, k=16": {"method": "subspace", "subspace_k": 16},
    "top-k": {"method": "subspace", "subspace_direction": "top-k"},
    "relu": {"method": "subspace"},
}
"""Only here: `relu`, the filter that was not chosen, the positive part of `M_c` applied to the difference; `diagonal`,
`whitened` with its scatter shrunk towards its own diagonal."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, method by method."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--block", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--per-concept", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args(argv)
    stories = [
        story for story in scan(Layout.of(arguments.corpus)).stories if story.scenario and story.concept is not None
    ]
    store = Store(paths.cache_dir())
    model = load(Settings(), store.digest, last_layer=arguments.block)
    for count in arguments.per_concept:
        for name in arguments.methods:
            with (
                mock.patch.object(methods, "filtered", positive_part if name == "relu" else filtered),
                mock.patch.object(methods, "whitened", to_diagonal if name.startswith("diagonal") else whitened),
            ):
                means = [
                    held_out(model, store, stories, METHODS[name], arguments.block, count, seed)
                    for seed in range(arguments.seeds)
                ]
            spread = statistics.stdev(means) if len(means) > 1 else 0.0
            print(f"{count:>3} stories per concept  {name:<14} {statistics.mean(means):.3f} ± {spread:.3f}", flush=True)
    return 0


def held_out(
    model: LoadedModel, store: Store, stories: list[Story], method: dict[str, Any], block: int, count: int, seed: int
) -> float:
    """The mean over concepts of the AUROC on held-out scenarios, of vectors made of `count` stories a concept."""
    made_of, kept = split(stories, count, seed)
    live = LiveCorpus(model, Settings(target_layers=str(block), **method), store)
    live.apply([Placement(*story.place) for story in made_of], texts(made_of))
    readout = live.readout()
    activations = dict(Source(live.extractor, store).fetch(texts(kept), (), silent, Tally()))
    x = torch.stack([activations[story.text_id].x[0] for story in kept]).double()  # (stories, H)
    scores = x @ readout.vectors[block].double().T
    aurocs = [
        auroc(scores[:, c], torch.tensor([story.concept == concept for story in kept]))
        for c, concept in enumerate(readout.concepts)
    ]
    return statistics.mean(value for value in aurocs if value is not None)


def positive_part(spaces: Subspaces, differences: Tensor) -> Solved:
    """`relu(M_c) d0`, from all eigenpairs."""
    directions = []
    for own, of_own, of_total, difference in zip(spaces.own, *spaces.weights, differences, strict=True):
        matrix = of_own * sum(part.dense().double() for part in own) - of_total * spaces.total
        values, vectors = torch.linalg.eigh(matrix)
        directions.append(vectors @ (values.clamp_min(0) * (difference @ vectors)))
    return Solved(torch.stack(directions), differences.new_zeros(len(differences), 0))


def to_diagonal(rows: Sequence[Tensor], differences: Tensor, shrinkage: float) -> Tensor:
    """`(Σ_w + λ diag Σ_w)⁻¹ d₀`: whitened where each dimension has been divided by its spread within concepts."""
    centred = torch.cat([group.double() - group.double().mean(0) for group in rows])
    spreads = centred.square().sum(0).sqrt()
    return whitened([group.double() / spreads for group in rows], differences / spreads, shrinkage) / spreads


def split(stories: list[Story], count: int, seed: int) -> tuple[list[Story], list[Story]]:
    """Stories to make vectors of, and those of the scenarios held out."""
    chance = random.Random(seed)
    scenarios = sorted({story.scenario or "" for story in stories})
    out = set(chance.sample(scenarios, max(1, len(scenarios) // 4)))
    by_concept: dict[str, list[Story]] = {}
    for story in stories:
        if story.scenario not in out:
            by_concept.setdefault(story.concept or "", []).append(story)
    made_of = [story for own in by_concept.values() for story in chance.sample(own, min(count, len(own)))]
    return made_of, [story for story in stories if story.scenario in out]


def texts(stories: list[Story]) -> dict[str, str]:
    """Texts by id."""
    return {story.text_id: story.text for story in stories}


if __name__ == "__main__":
    sys.exit(main())
