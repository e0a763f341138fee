"""How well each block separates a corpus's concepts: the mean over concepts of the leave-one-out AUROC.

    python -m benchmarks.separation CORPUS [--all] [engine settings, such as --model or --pooling]

Every story is scored by pooled directions made without it; a concept's AUROC is the chance that one of its stories
scores higher on it than a story of another concept does. 0.5 is chance. `--all` looks at every block, not only at the
target layers. (`amygdala-engine advise` and `--target-layers auto` hold out whole scenarios instead.)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import flags
from engine import paths
from engine.compute.activations.source import Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.model.checkpoint import load
from engine.compute.model.depth import extractor_for
from engine.compute.model.layers import target_layers
from engine.compute.statistics.leave_one_out import membership
from engine.compute.statistics.separation import separation
from engine.corpus import Layout, scan


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, block by block."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--all", action="store_true", help="every block")
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    settings = flags.engine_settings(arguments, arguments.corpus)
    corpus = scan(Layout.of(arguments.corpus))
    store = Store(paths.cache_dir())
    model = load(settings, store.digest)
    every = list(range(model.anatomy.n_blocks))
    layers = every if arguments.all else target_layers(settings, model.anatomy.n_blocks) or every
    texts = {story.text_id: story.text for story in corpus.stories}
    activations = dict(Source(extractor_for(model, layers, settings), store).fetch(texts, (), silent, Tally()))
    rows = torch.stack([activations[text_id].x for text_id in texts], 1)
    own = {
        concept: sorted({story.text_id for story in corpus.stories if story.concept == concept})
        for concept in corpus.concepts
    }
    scores = separation(rows, membership(list(texts), own))
    for layer, score in zip(layers, scores or [], strict=False):
        print(f"block {layer}: mean leave-one-out AUROC {score:.3f}")
    return 0 if scores else 1


if __name__ == "__main__":
    sys.exit(main())
