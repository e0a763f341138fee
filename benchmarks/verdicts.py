"""How often the verdicts on concepts are false alarms, and how often they find what is wrong.

    python -m benchmarks.verdicts CORPUS [--clean 5 10 20 50] [--sizes 10 20 50] [--draws 10]
                                  [engine settings, such as --model or --target-layers]

Draws whole scenarios and judges their concepts as the engine does. First as they are, `--clean` scenarios at a time,
then the whole corpus: each concept that is worth a look counts as a false alarm, though no corpus is without faults.
By chance, one draw in ten may have a split in two (`engine.verdicts.FALSE_SPLITS`), at any size.
Then with one fault, at `--sizes` stories of the faulty name: one concept filed under two names, half of its stories
each, to be found as told like the other; and two concepts filed under one name, half of each, whose stories disagree.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import flags
from engine import paths
from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.model.checkpoint import load
from engine.compute.model.layers import target_layers
from engine.corpus import Layout, Story, scan
from engine.results import Results
from engine.settings import Settings
from engine.verdicts import ConceptVerdict, Finding, concept_verdicts
from engine.wire.jobs import Placement

SECOND_NAME = "another name"
"""What half of the stories of a concept are filed under."""

Verdicts = Mapping[str, ConceptVerdict]
Judge = Callable[[Sequence[Placement]], Verdicts]
"""From stories to the verdicts on their concepts."""
Compute = Callable[[Sequence[Placement]], Results]
"""From stories to all that a computation says of them."""


@dataclass(frozen=True)
class Faulty:
    """Stories with one fault, and the verdict that it should get."""

    placements: Sequence[Placement]
    names: frozenset[str]
    """The concepts that are at fault: each is found, or not."""
    finding: Finding


@dataclass
class Counted:
    """What was said of concepts, over draws."""

    n_draws: int = 0
    n_raised: int = 0
    """Draws with a false alarm."""
    n_sound: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    """Of sound concepts that are worth a look, by finding."""
    n_found: int = 0
    """Faulty concepts that got the verdict they should get."""
    missed: Counter[str] = field(default_factory=Counter)
    """What was said of the others, by finding."""

    def add(self, verdicts: Verdicts, names: frozenset[str] = frozenset(), finding: Finding | None = None) -> None:
        """Count the verdicts of one draw, of which the concepts of these names are faulty."""
        self.n_draws += 1
        self.n_raised += any(verdict.worth_a_look for concept, verdict in verdicts.items() if concept not in names)
        for concept, verdict in verdicts.items():
            if concept in names:
                self.n_found += verdict.finding is finding
                self.missed.update([] if verdict.finding is finding else [verdict.finding])
            else:
                self.n_sound += 1
                self.alarms.update([verdict.finding] if verdict.worth_a_look else [])

    def line(self, drawn: str) -> str:
        """A row of the table."""
        n_faulty = self.n_found + self.missed.total()
        found = f"; found {self.n_found} of {n_faulty}{_listed(self.missed)}" if n_faulty else ""
        alarms = f"{self.alarms.total()} false alarms of {self.n_sound}{_listed(self.alarms)}"
        return f"{drawn}: {alarms}, in {self.n_raised} of {self.n_draws} draws{found}"


def _listed(findings: Counter[str]) -> str:
    return f" ({', '.join(f'{finding}: {n}' for finding, n in sorted(findings.items()))})" if findings else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument(
        "--clean", type=int, nargs="*", default=[5, 10, 20, 50], help="scenarios of sound draws (5 10 20 50)"
    )
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[10, 20, 50], help="stories of a faulty name (10 20 50)"
    )
    parser.add_argument("--draws", type=int, default=10, help="of each kind (10)")
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    stories = [story for story in scan(Layout.of(arguments.corpus)).stories if story.concept is not None]
    n_scenarios = len({story.scenario for story in stories} - {None})
    if max([1, *arguments.clean, *(2 * n for n in arguments.sizes)]) > n_scenarios:
        parser.error(f"{arguments.corpus} has {n_scenarios} scenarios; two names need twice their stories")
    judge = judge_of(stories, flags.engine_settings(arguments, arguments.corpus))
    for n in arguments.clean:
        counted = Counted()
        for seed in range(arguments.draws):
            counted.add(judge(whole_scenarios(stories, n, random.Random(f"clean {n} {seed}"))))
        print(counted.line(f"as it is, {n} scenarios"), flush=True)
    counted = Counted()
    counted.add(judge(placed(stories)))
    print(counted.line(f"as it is, all {len(stories)} stories"), flush=True)
    for label, spoil in (("under two names", filed_twice), ("two under one name", merged)):
        for n in arguments.sizes:
            counted = Counted()
            for seed in range(arguments.draws):
                faulty = spoil(stories, n, random.Random(f"{label} {n} {seed}"))
                counted.add(judge(faulty.placements), faulty.names, faulty.finding)
            print(counted.line(f"{label}, {n} stories each"), flush=True)
    return 0


def judge_of(stories: Sequence[Story], settings: Settings) -> Judge:
    """Judges the concepts of draws of these stories."""
    compute = computing(stories, settings)
    return lambda placements: concept_verdicts(compute(placements), settings.redundant_r2)


def computing(stories: Sequence[Story], settings: Settings) -> Compute:
    """Computes draws of these stories, each from nothing; the store keeps what is read of them."""
    store = Store(paths.cache_dir())
    model = load(settings, store.digest)
    layers = target_layers(settings, model.anatomy.n_blocks) or list(range(model.anatomy.n_blocks))
    texts = {story.text_id: story.text for story in stories}

    def compute(placements: Sequence[Placement]) -> Results:
        live = LiveCorpus(model, settings, store, layers, with_evidence=True, with_neurons=False)
        return live.apply(placements, {placement.text_id: texts[placement.text_id] for placement in placements})

    return compute


def placed(stories: Sequence[Story]) -> list[Placement]:
    """Stories as they are filed."""
    return [Placement(*story.place) for story in stories]


def whole_scenarios(stories: Sequence[Story], n: int, chance: random.Random) -> list[Placement]:
    """The stories of so many scenarios."""
    names = sorted({story.scenario for story in stories if story.scenario is not None})
    drawn = set(chance.sample(names, n))
    return placed([story for story in stories if story.scenario in drawn])


def filed_twice(stories: Sequence[Story], n: int, chance: random.Random) -> Faulty:
    """Of twice as many scenarios, with n of one concept's stories filed under a second name."""
    placements = whole_scenarios(stories, 2 * n, chance)
    concept = chance.choice(_concepts(placements))
    own = [placement for placement in placements if placement.concept == concept]
    moved = set(chance.sample(own, len(own) // 2))
    return Faulty(
        [_renamed(each, SECOND_NAME) if each in moved else each for each in placements],
        frozenset({concept, SECOND_NAME}),
        Finding.ALIKE,
    )


def merged(stories: Sequence[Story], n: int, chance: random.Random) -> Faulty:
    """Of n scenarios, with two concepts under the name of one: half of the scenarios have a story of either."""
    placements = whole_scenarios(stories, n, chance)
    kept, other = chance.sample(_concepts(placements), 2)
    scenarios = sorted({str(placement.scenario) for placement in placements})
    of_other = set(chance.sample(scenarios, len(scenarios) // 2))
    left_out = {(kept, scenario) for scenario in of_other} | {
        (other, scenario) for scenario in scenarios if scenario not in of_other
    }
    left = [each for each in placements if (each.concept, each.scenario) not in left_out]
    return Faulty(
        [_renamed(each, kept) if each.concept == other else each for each in left], frozenset({kept}), Finding.DISAGREE
    )


def _concepts(placements: Sequence[Placement]) -> list[str]:
    return sorted({str(placement.concept) for placement in placements})


def _renamed(placement: Placement, concept: str) -> Placement:
    return Placement(placement.text_id, concept, placement.scenario)


if __name__ == "__main__":
    sys.exit(main())
