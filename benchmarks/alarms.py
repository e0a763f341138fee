"""How many rows call for action on a clean corpus: stories to fix and concepts worth a look, in Queue and in Triage.

    python -m benchmarks.alarms CORPUS [--scenarios 10] [--draws 10] [engine settings, such as --model]

Draws whole scenarios and judges them as the engine does. Nothing was planted, so that each row counts as a false alarm,
though no corpus is without faults. Queue has a row for every misread story and for every concept that is worth a look;
Triage has one for every concept that is worth a look. Folded maybes call for nothing and are told apart. Beside them
stands what the alarms of old would have been: concepts that a classic bucket names, whatever chance gives. Last, over
all draws, stands what the evidence itself says: of a story that it flags, `1 - misfit` is the chance that nothing is
wrong with it.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks import flags
from benchmarks.verdicts import computing, whole_scenarios
from engine.corpus import Layout, scan
from engine.evidence import Evidence
from engine.results import Results
from engine.settings import Settings
from engine.triage import Bucket, judge, queue
from engine.verdicts import concept_verdicts

CLASSIC_ALARMS = (Bucket.CONTAMINATED, Bucket.FRAGMENTED)


@dataclass(frozen=True)
class Called:
    """What one draw's rows call for."""

    n_stories: int
    n_concepts: int
    misread: Sequence[Evidence]
    n_maybes: int
    findings: Counter[str]
    """Concepts that are worth a look, by finding."""
    n_classic: int
    """Concepts that are contaminated, fragmented or redundant by the classic numbers."""

    @classmethod
    def of(cls, results: Results, settings: Settings) -> Called:
        """From what a computation says of a corpus."""
        queued = queue(results.evidence)
        misread = [story for story in queued if story.misread]
        verdicts = concept_verdicts(results, settings.redundant_r2).values()
        classic = [judge(quality, results.middle, settings.thresholds) for quality in results.concepts]
        return cls(
            n_stories=len(results.evidence),
            n_concepts=len(results.concepts),
            misread=misread,
            n_maybes=len(queued) - len(misread),
            findings=Counter(str(verdict.finding) for verdict in verdicts if verdict.worth_a_look),
            n_classic=sum(verdict.bucket in CLASSIC_ALARMS or verdict.redundant for verdict in classic),
        )

    @property
    def in_triage(self) -> int:
        """Rows of Triage that call for action."""
        return self.findings.total()

    @property
    def in_queue(self) -> int:
        """Rows of Queue that call for action."""
        return len(self.misread) + self.in_triage

    def line(self, draw: int) -> str:
        """A row of the table."""
        listed = ", ".join(f"{finding}: {count}" for finding, count in sorted(self.findings.items()))
        return (
            f"{draw:>4} {self.n_stories:>8} {self.in_queue:>6} {self.in_triage:>7} {len(self.misread):>8} "
            f"{self.n_maybes:>7} {self.n_classic:>8}  {listed}"
        ).rstrip()


HEADING = f"{'draw':>4} {'stories':>8} {'Queue':>6} {'Triage':>7} {'misread':>8} {'maybes':>7} {'classic':>8}"


def told(draws: Sequence[Called]) -> str:
    """What all draws come to."""
    misread = [story for called in draws for story in called.misread]
    n_stories, n_concepts = (sum(getattr(called, name) for called in draws) for name in ("n_stories", "n_concepts"))
    in_triage = sum(called.in_triage for called in draws)
    harmless = sum(1 - story.misfit for story in misread)
    return "\n".join(
        [
            f"Queue: {mean(called.in_queue for called in draws):.2f} rows a draw; "
            f"Triage: {mean(called.in_triage for called in draws):.2f}; "
            f"classic buckets: {mean(called.n_classic for called in draws):.1f}",
            f"misread: {len(misread)} of {n_stories} stories ({len(misread) / n_stories:.1%}), of which the evidence "
            f"takes {harmless:.1f} for false alarms itself",
            f"worth a look: {in_triage} of {n_concepts} concepts ({in_triage / n_concepts:.1%}), in "
            f"{sum(called.in_triage > 0 for called in draws)} of {len(draws)} draws",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--scenarios", type=int, default=10, help="of each draw (10)")
    parser.add_argument("--draws", type=int, default=10, help="how many (10)")
    flags.add_engine_settings(parser)
    arguments = parser.parse_args(argv)
    stories = [story for story in scan(Layout.of(arguments.corpus)).stories if story.concept is not None]
    n_scenarios = len({story.scenario for story in stories} - {None})
    if not 1 <= arguments.scenarios <= n_scenarios or arguments.draws < 1:
        parser.error(f"{arguments.corpus} has {n_scenarios} scenarios to draw from, and at least one draw is needed")
    settings = flags.engine_settings(arguments, arguments.corpus)
    compute = computing(stories, settings)
    draws: list[Called] = []
    print(HEADING)
    for draw in range(arguments.draws):
        chance = random.Random(f"clean {arguments.scenarios} {draw}")
        draws.append(Called.of(compute(whole_scenarios(stories, arguments.scenarios, chance)), settings))
        print(draws[-1].line(draw), flush=True)
    print(told(draws))
    return 0


if __name__ == "__main__":
    sys.exit(main())
