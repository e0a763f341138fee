"""From evidence to words: which concepts are worth a look, because more is wrong with them than chance explains.

Pure functions of `engine.results`. A healthy concept has no word. With many concepts some number is always extreme, so
what is said of one concept depends on how many were asked about. Every reason names the number and what chance gives.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from enum import StrEnum
from statistics import NormalDist

import msgspec

from engine.evidence import ConceptEvidence, Measured
from engine.results import ConceptQuality, Null, Results

FEWEST_STORIES = 3
"""Below, nothing is said of a concept."""
ENOUGH_STORIES = 10
"""From here on a concept that does not read better than chance is said to be at fault, and not its size."""
HARDLY_APART = 0.75
"""Two concepts are told alike only where surely at least every fourth pair of their stories is read the wrong way."""
CHANCE = 0.5
SURE_AT = 0.01
"""The p-value above which a split in two is never told of."""
FALSE_SPLITS = 0.1
"""The share of the splits told of that may be chance's (Benjamini & Hochberg 1995)."""
FALSE_ALARMS = 0.05
"""How often one concept of a whole corpus may be called a mix of others by chance alone."""
NULL_QUANTILE = 0.95
"""What `Null.high` is."""


class Finding(StrEnum):
    """What is worth a look, worst first; then the concepts of which nothing can be said, and the healthy ones."""

    DISAGREE = "its stories disagree"
    ALIKE = "told like"
    MIX = "made of others"
    UNKNOWN = "no verdict yet"
    HEALTHY = "healthy"


class ConceptVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence comes to for one concept."""

    finding: Finding
    rival: str | None = None
    """The concept that it is told like; of a healthy concept, a relative."""
    missing: int = 0
    """Stories to write before anything can be said."""
    has_camps: bool = False
    """Whether its stories surely fall into two camps."""
    reasons: list[str]
    """The numbers that decided, with their intervals and what chance gives."""

    @property
    def worth_a_look(self) -> bool:
        """Whether something is wrong beyond chance."""
        return self.finding in (Finding.DISAGREE, Finding.ALIKE, Finding.MIX)

    @property
    def label(self) -> str:
        """The verdict in a writer's words; empty for a healthy concept, unless it is told like a relative."""
        match self.finding:
            case Finding.HEALTHY if self.rival is not None:
                return f"{Finding.ALIKE} {self.rival}, a relative"
            case Finding.HEALTHY:
                return ""
            case Finding.ALIKE:
                return f"{self.finding} {self.rival}"
            case Finding.UNKNOWN if self.missing:
                return f"{self.finding}: write {self.missing} more"
            case _:
                return str(self.finding)


def concept_verdicts(
    results: Results, redundant_r2: float, relatives: Collection[tuple[str, str]] = ()
) -> dict[str, ConceptVerdict]:
    """The verdict on each concept that has a vector and evidence.

    Args:
        results: of the corpus.
        redundant_r2: the R² below which no concept is called a mix of others (`Thresholds`).
        relatives: pairs of concepts, each in order, of which it is expected that they are told alike.
    """
    qualities = {quality.concept: quality for quality in results.concepts}
    split = _surely_split(results.concept_evidence)
    return {
        evidence.concept: _verdict(
            evidence,
            _Asked(
                quality=qualities[evidence.concept],
                is_split=evidence.concept in split,
                middle=results.middle,
                redundant_r2=redundant_r2,
                n_concepts=len(results.concept_evidence),
                has_relative=tuple(sorted((evidence.concept, evidence.rival or ""))) in relatives,
            ),
        )
        for evidence in results.concept_evidence
        if evidence.concept in qualities
    }


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a concept beside its evidence."""

    quality: ConceptQuality
    is_split: bool
    middle: int
    redundant_r2: float
    n_concepts: int
    has_relative: bool
    """Whether its closest concept is a relative."""


def _verdict(evidence: ConceptEvidence, asked: _Asked) -> ConceptVerdict:
    n = asked.quality.n_positive_stories
    if n < FEWEST_STORIES:
        reason = f"{_stories(n)}: nothing can be said of fewer than {FEWEST_STORIES}"
        return ConceptVerdict(finding=Finding.UNKNOWN, missing=FEWEST_STORIES - n, reasons=[reason])
    if evidence.auroc is None or asked.n_concepts < FEWEST_STORIES:
        reason = f"too few concepts to compare it with: write stories of at least {FEWEST_STORIES}"
        return ConceptVerdict(finding=Finding.UNKNOWN, reasons=[reason])
    reads = f"reads {pairs_right(evidence.auroc)} against all other stories; chance gives 50"
    if asked.is_split and evidence.camps is not None:
        of = f"{len(evidence.camps.smaller)} of its {n} stories stand apart from the others"
        reason = (
            f"{of}: a concept that is one splits so well once in {1 / max(evidence.camps.p_value, 1e-6):,.0f} times"
        )
        return ConceptVerdict(finding=Finding.DISAGREE, has_camps=True, reasons=[reason, reads])
    if evidence.auroc.low <= CHANCE:
        missing = _missing(evidence.auroc, n)
        finding = Finding.UNKNOWN if missing else Finding.DISAGREE
        return ConceptVerdict(finding=finding, missing=missing, reasons=[f"{reads}, so it may be no more than chance"])
    apart = evidence.rival_auroc
    if n >= ENOUGH_STORIES and apart is not None and apart.low <= CHANCE and apart.high < HARDLY_APART:
        reason = f"{pairs_right(apart)} against the stories of {evidence.rival}; chance gives 50"
        finding = Finding.HEALTHY if asked.has_relative else Finding.ALIKE
        return ConceptVerdict(finding=finding, rival=evidence.rival, reasons=[reason, reads])
    mix = _mix(evidence, asked) if n >= ENOUGH_STORIES else ""
    if mix:
        return ConceptVerdict(finding=Finding.MIX, reasons=[mix, reads])
    return ConceptVerdict(finding=Finding.HEALTHY, reasons=[reads])


def pairs_right(auroc: Measured) -> str:
    """An AUROC and its interval in words: of a story of the concept and another one, how often it tells which is which.

    "98 of 100 pairs right (96–99)".
    """
    return f"{100 * auroc.value:.0f} of 100 pairs right ({100 * auroc.low:.0f}–{100 * auroc.high:.0f})"


def _surely_split(all_evidence: Sequence[ConceptEvidence]) -> set[str]:
    """Concepts whose stories surely fall into two camps, given how many concepts were asked about."""
    p_values = sorted(
        (evidence.camps.p_value, evidence.concept) for evidence in all_evidence if evidence.camps is not None
    )
    told = 0
    for place, (p_value, _) in enumerate(p_values, 1):
        if p_value <= min(SURE_AT, FALSE_SPLITS * place / len(p_values)):
            told = place
    return {concept for _, concept in p_values[:told]}


def _missing(auroc: Measured, n: int) -> int:
    """Stories until an AUROC that stays as it is would be beyond chance, at most until a verdict is due; 0 if it is.

    The interval is symmetric in logits, and its width shrinks with the square root of the stories.
    """
    if n >= ENOUGH_STORIES:
        return 0
    low, high = _logit(auroc.low), _logit(auroc.high)
    middle, half = (low + high) / 2, (high - low) / 2
    needed = math.floor(n * (half / middle) ** 2) + 1 if middle > 0 else ENOUGH_STORIES
    return min(max(needed, n + 1), ENOUGH_STORIES) - n


def _logit(share: float) -> float:
    share = min(max(share, 1e-9), 1 - 1e-9)
    return math.log(share / (1 - share))


def _mix(evidence: ConceptEvidence, asked: _Asked) -> str:
    """Why it is a mix of others beyond what chance gives; empty where it is none.

    A high R² alone marks good concepts too, so what is a concept's own must hardly tell its stories.
    """
    own = evidence.own_auroc
    if own is not None and own.value >= HARDLY_APART:
        return ""
    r_squared, null = asked.quality.linear_combination[asked.middle].r_squared, asked.quality.r_squared_null
    if null is None:
        return ""
    if r_squared <= max(asked.redundant_r2, null.high, _extreme(null, asked.n_concepts)):
        return ""
    chance = f"labels dealt at random give {null.low:.0%} to {null.high:.0%}"
    reason = f"{r_squared:.0%} of it is a mix of other concepts; {chance}"
    if own is not None:
        reason += f"; what is its own reads {pairs_right(own)} against the closest few"
    return reason


def _extreme(null: Null, n_concepts: int) -> float:
    """The R² that labels dealt at random reach in one of so many concepts, in `FALSE_ALARMS` of corpora.

    What is left, `1 - R²`, is taken to be log-normal.
    """
    usual, least = math.log(max(1 - null.mean, 1e-9)), math.log(max(1 - null.high, 1e-9))
    normal = NormalDist()
    reach = normal.inv_cdf(1 - FALSE_ALARMS / n_concepts) / normal.inv_cdf(NULL_QUANTILE)
    return 1 - math.exp(usual - reach * (usual - least))


def _stories(count: int) -> str:
    return f"{count} {'story' if count == 1 else 'stories'}"
