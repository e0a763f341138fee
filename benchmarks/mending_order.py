"""In which order to mend stories: by misfit, or by what mending is expected to bring.

    python -m benchmarks.mending_order CORPUS [--per-concept 5 20] [--seeds 4] [--rate 0.08]
                                       [engine settings, such as --model or --target-layers]

Plants faults (`benchmarks.planting`), judges, and orders stories by each rule. It prints the precision among as many
stories as were planted, and among half as many; then what is gained once as many stories as a quarter, half, all and
twice the planted ones have been mended in that order: the mean AUROC of concepts on stories outside the draw, less that
before, in thousandths, by whitened directions at λ = 1 and the middle layer. Mending puts back what stood there.
Expected gain is the misfit times the concept's AUROC without the story less that with it (`Influence.auroc`).
"""

from __future__ import annotations

import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import flags
from benchmarks.planted_faults import library_of
from benchmarks.planting import Draw, Library, draw, plant
from engine.compute.statistics.directions import contrast, difference, row_sum
from engine.compute.statistics.evidence.influence import influence
from engine.compute.statistics.evidence.judging import State, judge
from engine.compute.statistics.evidence.readouts import left_out
from engine.compute.statistics.evidence.stories import Stories
from engine.compute.statistics.separation import auroc
from engine.compute.statistics.whitening import whitened

FAULTS = ("random", "nearest", "swap", "replace")
MENDED = (0.25, 0.5, 1.0, 2.0)
"""Stories that are mended, as shares of those planted."""
OUTSIDE = 800
"""Stories outside the draw, at most, that vectors are scored on."""
HEADING = f"{'corpus':<14} {'order':<14} {'top':>5} {'half':>5}" + "".join(f"{f'gain {m:g}':>15}" for m in MENDED)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--per-concept", type=int, nargs="+", default=[5, 20], help="stories a concept (5 20)")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.08, help="share of stories that are made faulty (0.08)")
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    library = library_of(arguments.corpus, [], flags.engine_settings(arguments, arguments.corpus))
    print(HEADING)
    for per_concept in arguments.per_concept:
        for whole_scenarios in (False, True):
            corpus = f"{per_concept} {'scenarios' if whole_scenarios else 'mixed'}"
            measured: dict[str, list[list[float]]] = defaultdict(list)
            for fault in FAULTS:
                for seed in range(arguments.seeds):
                    chance = random.Random(f"{corpus} {fault} {seed}")
                    clean = draw(library, per_concept, chance, whole_scenarios=whole_scenarios)
                    drawn = clean and plant(library, clean, fault, arguments.rate, chance)
                    if clean and drawn and drawn.planted.any():
                        for order, figures in measure(library, clean, drawn, chance).items():
                            measured[order].append(figures)
            for order, rows in measured.items():
                print(line(corpus, order, rows), flush=True)
    return 0


def measure(library: Library, clean: Draw, drawn: Draw, chance: random.Random) -> dict[str, list[float]]:
    """For each order: both precisions, and the gain at each of `MENDED`."""
    outside = _outside(library, clean, chance)
    count = int(drawn.planted.sum())
    before = _held_out(library, drawn.stories, outside)
    measured = {}
    for order, scores in orders(judge(drawn.stories)).items():
        worst = scores.sort(descending=True, stable=True).indices
        figures = [float(drawn.planted[worst[:n]].double().mean()) for n in (count, max(1, count // 2))]
        for share in MENDED:
            mended = _mended(clean, drawn, worst[: round(share * count)])
            figures.append(1000 * (_held_out(library, mended, outside) - before))
        measured[order] = figures
    return measured


def orders(state: State) -> Mapping[str, Tensor]:
    """What stories are ordered by, `[N]` each: the largest is mended first."""
    misfit = state.judgement.misfit
    effect, read = torch.zeros_like(misfit), left_out(state)
    for concept in range(state.stories.n_concepts):
        of_concept = None if read is None else influence(read, concept)
        if of_concept is not None:
            effect[of_concept.stories] = of_concept.auroc.nan_to_num(0.0)
    return {"misfit": misfit, "expected gain": misfit * effect, "effect alone": effect}


def line(corpus: str, order: str, rows: Sequence[Sequence[float]]) -> str:
    """A row of the table, with standard errors over draws."""
    top, half, *gains = zip(*rows, strict=True)
    text = f"{corpus:<14} {order:<14} {statistics.mean(top):>5.2f} {statistics.mean(half):>5.2f}"
    for gain in gains:
        error = statistics.stdev(gain) / len(gain) ** 0.5 if len(gain) > 1 else 0.0
        text += f"{f'{statistics.mean(gain):.1f} ± {error:.1f}':>15}"
    return text


def _mended(clean: Draw, drawn: Draw, places: Tensor) -> Stories:
    """The stories drawn, with what stood in these places before."""
    rows, concepts = drawn.stories.rows.clone(), drawn.stories.concepts.clone()
    rows[:, places], concepts[places] = clean.stories.rows[:, places], clean.stories.concepts[places]
    return Stories(rows=rows, concepts=concepts, scenarios=drawn.stories.scenarios, n_concepts=drawn.stories.n_concepts)


def _outside(library: Library, clean: Draw, chance: random.Random) -> Tensor:
    """Places of stories in the library outside the draw."""
    places = sorted(set(range(len(library.stories))) - set(clean.places))
    return torch.tensor(chance.sample(places, min(OUTSIDE, len(places))))


def _held_out(library: Library, stories: Stories, outside: Tensor) -> float:
    """The mean over concepts of the AUROC on stories outside."""
    middle = len(stories.rows) // 2
    rows, concepts = stories.rows[middle], stories.concepts
    groups = [rows[concepts == c] for c in range(stories.n_concepts)]
    sums = [row_sum(group[None]) for group in groups]
    summed = contrast(sums, [len(group) for group in groups], row_sum(rows[None]), len(rows))
    directions = whitened(groups, difference(summed)[0], 1.0)
    scores = library.rows[middle][outside].double() @ directions.T
    aurocs = [auroc(scores[:, c], library.concepts[outside] == c) for c in range(stories.n_concepts)]
    return statistics.mean(value for value in aurocs if value is not None)


if __name__ == "__main__":
    sys.exit(main())
