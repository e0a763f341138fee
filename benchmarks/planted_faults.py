"""How well faults that were planted in a corpus are found, by whom, and whether probabilities keep their word.

    python -m benchmarks.planted_faults CORPUS [--per-concept 5 20] [--seeds 5] [--rates 0 0.04 0.08 0.16]
        [--faults random swap ...] [--off-topic FOLDER] [engine settings, such as --model or --target-layers]

Draws stories, as whole scenarios and as a mixture, plants one kind of fault in a share of them (`benchmarks.planting`),
and asks every judge (`benchmarks.judges`) about the same stories:

    evidence    the engine's misfit
    alignment   the classic list: stories that read below zero as their own, and lowest alignments
    cleanlab    the library of this name, on probabilities of a logistic regression (extra `bench`; else left out)
    margin      whitened directions at λ = 3

Of near-copies, two concepts under one name and one concept under two names, it asks what looks for these alone.

For each: AUROC with its standard error over seeds; precision among as many as were planted (`top`); false alarms, the
share flagged of what was not planted; recall and precision of flags; seconds. Then, of stories of which the evidence
said a probability, how many were planted. Rate 0 plants nothing: what is flagged then may still be right, as no corpus
is without faults. Off-topic texts are those of FOLDER, else paragraphs of this project's documentation.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import flags
from benchmarks.judges import DETECTORS, HAS_CLEANLAB, JUDGES, Verdicts, by_evidence
from benchmarks.planting import CLEAN, FAULTS, Draw, Library, Read, documentation, draw, plant
from benchmarks.timing import timed
from engine import paths
from engine.compute.activations.source import Source, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.model.checkpoint import load
from engine.compute.model.depth import extractor_for
from engine.compute.model.layers import target_layers
from engine.compute.statistics.separation import auroc
from engine.corpus import Layout, scan, text_id
from engine.settings import Settings

EVIDENCE = "evidence"
BANDS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
HEADING = (
    f"{'corpus':<14} {'fault':<8} {'rate':>4} {'judge':<10} {'AUROC':>13} {'top':>5} {'alarms':>7} {'recall':>7} "
    f"{'precision':>9} {'s':>6}"
)


@dataclass
class Measured:
    """One judge of one kind of fault in one kind of corpus, over seeds."""

    aurocs: list[float] = field(default_factory=list)
    top: list[float] = field(default_factory=list)
    """Precision among as many as were planted."""
    alarms: list[float] = field(default_factory=list)
    """The share flagged of what was not planted."""
    n_flagged: int = 0
    n_planted: int = 0
    n_right: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, seconds: float, verdicts: Verdicts, planted: Tensor) -> None:
        """One more draw."""
        count = int(planted.sum())
        value = auroc(verdicts.scores, planted)
        if value is not None:
            worst = verdicts.scores.nan_to_num(-torch.inf).topk(count).indices
            self.aurocs.append(value)
            self.top.append(float(planted[worst].double().mean()))
        self.alarms.append(float(verdicts.flagged[~planted].double().mean()))
        self.n_flagged += int(verdicts.flagged.sum())
        self.n_planted += count
        self.n_right += int((verdicts.flagged & planted).sum())
        self.seconds.append(seconds)

    def line(self, corpus: str, fault: str, rate: float, judge: str) -> str:
        """A row of the table."""
        ranked = f"{statistics.mean(self.aurocs):.3f}" if self.aurocs else "–"
        if len(self.aurocs) > 1:
            ranked += f" ± {statistics.stdev(self.aurocs) / math.sqrt(len(self.aurocs)):.3f}"
        top = f"{statistics.mean(self.top):.2f}" if self.top else "–"
        recall = f"{self.n_right / self.n_planted:.2f}" if self.n_planted else "–"
        precision = f"{self.n_right / self.n_flagged:.2f}" if self.n_flagged and self.n_planted else "–"
        return (
            f"{corpus:<14} {fault:<8} {rate:>4.2f} {judge:<10} {ranked:>13} {top:>5} "
            f"{statistics.mean(self.alarms):>7.3f} {recall:>7} {precision:>9} {statistics.mean(self.seconds):>6.2f}"
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
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[0.0, 0.04, 0.08, 0.16], help="shares made faulty (0 0.04 0.08 0.16)"
    )
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--off-topic", type=Path, help="a folder of texts of no concept (else documentation)")
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    off_topic = (
        [file.read_text("utf-8") for file in sorted(arguments.off_topic.glob("*.txt"))]
        if arguments.off_topic
        else documentation()
    )
    library = library_of(arguments.corpus, off_topic, flags.engine_settings(arguments, arguments.corpus))
    if not HAS_CLEANLAB:
        print("Cleanlab is not installed and is left out: pip install 'amygdala-studio[bench]'")
    print(HEADING)
    reliability = []
    for per_concept in arguments.per_concept:
        for whole_scenarios in (False, True):
            said = Said()
            corpus = f"{per_concept} {'scenarios' if whole_scenarios else 'mixed'}"
            for fault, rate in _cases(arguments.faults, arguments.rates):
                measured: dict[str, Measured] = defaultdict(Measured)
                for seed in range(arguments.seeds):
                    chance = random.Random(f"{corpus} {fault} {seed}")
                    clean = draw(library, per_concept, chance, whole_scenarios=whole_scenarios)
                    planted = clean and plant(library, clean, fault, rate, chance)
                    if planted is not None:
                        _measure(planted, fault, measured, said)
                for judge, of_judge in measured.items():
                    print(of_judge.line(corpus, fault, rate, judge), flush=True)
            reliability += said.lines(corpus)
    print("\nmisfit that was said, and the share that was planted (clean corpora count as without faults)")
    print("\n".join(reliability))
    return 0


def library_of(corpus: Path, off_topic: Sequence[str], settings: Settings) -> Library:
    """All stories of a corpus that have a concept, read; and texts of no concept."""
    stories = [story for story in scan(Layout.of(corpus)).stories if story.concept is not None]
    return Library.of(stories, off_topic, _reader(settings))


def _cases(faults: Sequence[str], rates: Sequence[float]) -> list[tuple[str, float]]:
    """Kinds of faults with their rates; a clean corpus once for all kinds that the same judges look for."""
    cases = [(fault, rate) for fault in faults for rate in rates if rate]
    if 0 in rates:
        cases = [(CLEAN, 0.0), *((fault, 0.0) for fault in faults if fault in DETECTORS), *cases]
    return cases


def _measure(drawn: Draw, fault: str, measured: dict[str, Measured], said: Said) -> None:
    """Ask the judges of one kind of fault."""
    if fault in DETECTORS:
        judges: dict[str, Callable[[Draw], Verdicts]] = {"own": DETECTORS[fault]}
    else:
        seconds, (verdicts, state) = timed(by_evidence, drawn)
        measured[EVIDENCE].add(seconds, verdicts, drawn.planted)
        said.misfits.append(state.judgement.misfit)
        said.planted.append(drawn.planted)
        judges = {name: judge for name, judge in JUDGES.items() if name != "cleanlab" or HAS_CLEANLAB}
    for name, judge in judges.items():
        seconds, verdicts = timed(judge, drawn)
        measured[name].add(seconds, verdicts, drawn.planted)


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


if __name__ == "__main__":
    sys.exit(main())
