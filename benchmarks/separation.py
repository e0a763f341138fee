"""How well each block separates a corpus's concepts: the mean over concepts of the leave-one-out AUROC.

    python benchmarks/separation.py CORPUS [engine settings, such as --model or --pooling]

Every story is scored by directions made without it; a concept's AUROC is the chance that one of its stories scores
higher on it than a story of another concept does. 0.5 is chance.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from engine import paths, settings
from engine.compute.fits import leave_one_out
from engine.compute.live import extractor_for
from engine.compute.models import load
from engine.compute.source import Source, silent
from engine.compute.store import Store
from engine.corpus import Layout, scan


def main() -> int:
    """Measure and print, block by block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    settings.add_flags(parser)
    arguments = parser.parse_args()
    chosen = settings.load(arguments.corpus, settings.from_flags(arguments))
    corpus = scan(Layout.of(arguments.corpus))
    texts = {story.text_id: story.text for story in corpus.stories}
    store = Store(paths.cache_dir())
    extractor = extractor_for(load(chosen, store.digest), chosen)
    activations = Source(extractor, store).fetch(texts, (), silent).activations
    row = {text_id: place for place, text_id in enumerate(texts)}
    member = torch.zeros(len(texts), len(corpus.concepts), dtype=torch.bool)
    for story in corpus.stories:
        if story.concept is not None:
            member[row[story.text_id], corpus.concepts.index(story.concept)] = True
    rows = torch.stack([activations[text_id].x for text_id in texts], 1)
    for place, layer in enumerate(extractor.layers):
        scores = leave_one_out(rows[place], member)
        found = [auroc(scores[:, c], member[:, c]) for c in range(len(corpus.concepts))]
        print(f"block {layer}: mean leave-one-out AUROC {sum(found) / len(found):.3f}, lowest {min(found):.3f}")
    return 0


def auroc(scores: Tensor, positive: Tensor) -> float:
    """The chance that a positive scores higher than a negative, ties counted half; unscored ones are left out."""
    scored = ~scores.isnan()
    ours, others = scores[positive & scored], scores[~positive & scored]
    above = (ours[:, None] > others).double() + 0.5 * (ours[:, None] == others).double()
    return float(above.mean())


if __name__ == "__main__":
    sys.exit(main())
