"""How well faults that were planted in a corpus are found, and whether probabilities keep their word.

    python -m benchmarks.evidence CORPUS [--per-concept 5 20] [--seeds 5] [--rate 0.08] [--faults random swap ...]
                                  [--off-topic FOLDER] [engine settings, such as --model or --target-layers]

Draws stories, as whole scenarios and as a mixture, plants one kind of fault in a share of them (`benchmarks.planting`),
and judges. For each kind it prints the AUROC of the misfit with its standard error over seeds, the precision among as
many stories as were planted (`top`), and for flags their share, recall and precision; then the error rate that the
judgement expects, and its seconds. A second table says, of stories of which a probability was said, how many were
planted.
Off-topic texts are those of FOLDER, else paragraphs of this project's documentation. What a clean corpus is flagged for
may be right: no corpus is without faults.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import flags
from benchmarks.planting import FAULTS, Draw, Library, Read, documentation, draw, plant
from benchmarks.timing import timed
from engine import paths
from engine.compute.activations.source import Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.model.checkpoint import load
from engine.compute.model.depth import extractor_for
from engine.compute.model.layers import target_layers
from engine.compute.statistics.evidence.judging import judge
from engine.compute.statistics.separation import auroc
from engine.corpus import Layout, scan, text_id
from engine.settings import Settings

BANDS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
HEADING = (
    f"{'corpus':<14} {'fault':<10} {'AUROC':>15} {'top':>5} {'flagged':>8} {'recall':>7} {'precision':>10} "
    f"{'rate':>6} {'s':>6}"
)


@dataclass
class Measured:
    """One kind of fault in one kind of corpus, over seeds."""

    aurocs: list[float] = field(default_factory=list)
    top: list[float] = field(default_factory=list)
    """Precision among as many stories as were planted."""
    flagged: list[float] = field(default_factory=list)
    n_flagged: int = 0
    n_planted: int = 0
    n_right: int = 0
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def line(self, corpus: str, fault: str) -> str:
        """A row of the table."""
        spread = statistics.stdev(self.aurocs) / math.sqrt(len(self.aurocs)) if len(self.aurocs) > 1 else 0.0
        ranked = f"{statistics.mean(self.aurocs):.3f} ± {spread:.3f}" if self.aurocs else "–"
        top = f"{statistics.mean(self.top):.2f}" if self.top else "–"
        recall = f"{self.n_right / self.n_planted:.2f}" if self.n_planted else "–"
        precision = f"{self.n_right / self.n_flagged:.2f}" if self.n_flagged and self.n_planted else "–"
        return (
            f"{corpus:<14} {fault:<10} {ranked:>15} {top:>5} {statistics.mean(self.flagged):>8.3f} {recall:>7} "
            f"{precision:>10} {statistics.mean(self.rates):>6.3f} {statistics.mean(self.seconds):>6.2f}"
        )


@dataclass
class Said:
    """Probabilities that were said, and whether the story was planted."""

    misfits: list[Tensor] = field(default_factory=list)
    planted: list[Tensor] = field(default_factory=list)

    def lines(self, corpus: str) -> list[str]:
        """For each band of probabilities: what was said on average, what share was planted, of how many stories."""
        if not self.misfits:
            return []
        misfits, planted = torch.cat(self.misfits), torch.cat(self.planted).double()
        lines = []
        for low, high in itertools.pairwise(BANDS):
            within = (misfits >= low) & ((misfits < high) | (high == 1))
            if within.any():
                lines.append(
                    f"{corpus:<14} {low:>5.2f} to {high:.2f}: said {float(misfits[within].mean()):.3f}, "
                    f"was {float(planted[within].mean()):.3f} of {int(within.sum())}"
                )
        return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--per-concept", type=int, nargs="+", default=[5, 20], help="stories a concept (5 20)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.08, help="share of stories that are made faulty (0.08)")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--off-topic", type=Path, help="a folder of texts of no concept (else documentation)")
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    stories = [story for story in scan(Layout.of(arguments.corpus)).stories if story.concept is not None]
    off_topic = (
        [file.read_text("utf-8") for file in sorted(arguments.off_topic.glob("*.txt"))]
        if arguments.off_topic
        else documentation()
    )
    library = Library.of(stories, off_topic, _reader(flags.engine_settings(arguments, arguments.corpus)))
    reliability = []
    print(HEADING)
    for per_concept in arguments.per_concept:
        for whole_scenarios in (False, True):
            corpus, said = f"{per_concept} {'scenarios' if whole_scenarios else 'mixed'}", Said()
            for fault in arguments.faults:
                measured = Measured()
                for seed in range(arguments.seeds):
                    chance = random.Random(f"{corpus} {fault} {seed}")
                    clean = draw(library, per_concept, chance, whole_scenarios=whole_scenarios)
                    planted = clean and plant(library, clean, fault, arguments.rate, chance)
                    if planted is not None:
                        _measure(planted, measured, said)
                if measured.flagged:
                    print(measured.line(corpus, fault), flush=True)
            reliability += said.lines(corpus)
    print("\nmisfit that was said, and the share that was planted (clean corpora count as without faults)")
    print("\n".join(reliability))
    return 0


def _reader(settings: Settings) -> Read:
    """Reads texts, from the store where it has them."""
    store = Store(paths.cache_dir())
    model = load(settings, store.digest)
    n_blocks = model.anatomy.n_blocks
    extractor = extractor_for(model, target_layers(settings, n_blocks) or list(range(n_blocks)), settings)

    def read(texts: Sequence[str]) -> Tensor:
        ids = [text_id(text) for text in texts]
        by_id = dict(zip(ids, texts, strict=True))
        activations = dict(Source(extractor, store).fetch(by_id, (), silent, Tally()))
        return torch.stack([activations[one].x for one in ids], 1)

    return read


def _measure(drawn: Draw, measured: Measured, said: Said) -> None:
    seconds, state = timed(judge, drawn.stories)
    misfit, flagged, planted = state.judgement.misfit, state.judgement.flagged, drawn.planted
    count = int(planted.sum())
    value = auroc(misfit, planted)
    if value is not None:
        measured.aurocs.append(value)
        measured.top.append(float(planted[misfit.topk(count).indices].double().mean()))
    measured.flagged.append(float(flagged.double().mean()))
    measured.n_flagged += int(flagged.sum())
    measured.n_planted += count
    measured.n_right += int((flagged & planted).sum())
    measured.rates.append(state.error_rate)
    measured.seconds.append(seconds)
    said.misfits.append(misfit)
    said.planted.append(planted)


if __name__ == "__main__":
    sys.exit(main())
