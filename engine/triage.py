"""From numbers to words: which bucket a concept falls into, which stories a writer should look at, and why.

Pure functions of `engine.results` and thresholds. Every reason names the number that decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from engine.evidence import MISREAD, Evidence, Strength
from engine.results import ConceptQuality, Null

MAYBE_FROM = 0.1
"""The misfit from which a story that is not misread is listed too; of those below, one in ten is off at most."""


class Bucket(StrEnum):
    """What a concept's vector looks like, worst news first (the order in which views list them)."""

    CONTAMINATED = "contaminated"
    FRAGMENTED = "fragmented"
    MIXED = "mixed"
    CLEAN_CIRCUIT = "clean (circuit)"
    CLEAN_NEURON = "clean (single neuron)"


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Where one bucket ends and the next begins; all but `thin_below` are dimensionless, in [-1, 1]."""

    redundant_r2: float = 0.9
    contaminated_cosine: float = 0.8
    clean_first_pc: float = 0.7
    single_neuron_cosine: float = 0.6
    fragmented_first_pc: float = 0.4
    thin_below: int = 3


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A concept's bucket, the marks that may stand beside it, and the numbers that decided, in words."""

    bucket: Bucket
    redundant: bool
    thin: bool
    reasons: list[str]

    @property
    def label(self) -> str:
        """The bucket with its marks, as every view shows it: a thin concept is never called clean without saying so."""
        return " · ".join([self.bucket.value, *["redundant"] * self.redundant, *["thin"] * self.thin])


def judge(quality: ConceptQuality, layer: int, thresholds: Thresholds) -> Verdict:
    """The bucket of one concept at `layer` (`readout` contract, section 5).

    The buckets are the classic ones; where a number that decided is no evidence, its reason says so.
    """
    at_layer = quality.per_layer[layer]
    combination = quality.linear_combination[layer]
    first_pc = at_layer.first_pc_variance_ratio
    nearest, cosine = quality.nearest_concepts[0] if quality.nearest_concepts else ("", -1.0)
    share = f"one axis explains {first_pc:.0%} of its stories"
    null = quality.first_pc_null
    reasons = []

    if cosine > thresholds.contaminated_cosine:
        bucket = Bucket.CONTAMINATED
        reasons.append(f"{cosine:.2f} close to {nearest} (above {thresholds.contaminated_cosine:g})")
    elif first_pc > thresholds.clean_first_pc:
        neuron = abs(at_layer.best_neuron_cosine or 0.0)
        bucket = Bucket.CLEAN_NEURON if neuron > thresholds.single_neuron_cosine else Bucket.CLEAN_CIRCUIT
        reasons.append(f"{share} (above {thresholds.clean_first_pc:.0%}{_by_chance(null, first_pc <= null.high)})")
        if bucket is Bucket.CLEAN_NEURON:
            reasons.append(
                f"neuron {at_layer.best_neuron_idx} matches it {neuron:.2f} (above {thresholds.single_neuron_cosine:g})"
            )
    elif first_pc < thresholds.fragmented_first_pc:
        bucket = Bucket.FRAGMENTED
        reasons.append(f"{share} (below {thresholds.fragmented_first_pc:.0%}{_by_chance(null, first_pc >= null.low)})")
    else:
        bucket = Bucket.MIXED
        reasons.append(share)

    redundant = combination.r_squared > thresholds.redundant_r2
    if redundant:
        r_squared_null = quality.r_squared_null
        chance = (
            _by_chance(r_squared_null, combination.r_squared <= r_squared_null.high)
            if r_squared_null is not None
            else ""
        )
        limit = f"above {thresholds.redundant_r2:.0%}{chance}"
        reasons.append(f"{combination.r_squared:.0%} of it is a mix of other concepts ({limit})")
    thin = quality.n_positive_stories < thresholds.thin_below
    if thin:
        stories = "story looks" if quality.n_positive_stories == 1 else "stories look"
        reasons.append(f"only {quality.n_positive_stories} {stories} perfect whatever the text: write more")
    return Verdict(bucket=bucket, redundant=redundant, thin=thin, reasons=reasons)


def _by_chance(null: Null, as_likely: bool) -> str:
    """A clause for a number that is no evidence, since labels dealt at random do no worse; else nothing."""
    return f"; labels dealt at random give {null.low:.0%} to {null.high:.0%}" if as_likely else ""


def queue(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Stories to look at, worst first: the misread ones, then those that may be off, from a misfit of `MAYBE_FROM`."""
    ranked = [(rank(story.misfit, story.strength), story) for story in evidence]
    return sorted((story for place, story in ranked if place is not None), key=_worst_first)


def _worst_first(story: Evidence) -> tuple[float, str, str, str]:
    return rank(story.misfit, story.strength) or 0.0, story.concept, story.scenario or "", story.text_id


def rank(misfit: float, strength: Strength) -> float | None:
    """Where a story stands in the queue: the less, the further ahead; None where it is not in it.

    It follows from the story alone: where another one goes, no rank moves.
    """
    if misfit < MAYBE_FROM or strength == "too few to tell":
        return None
    return round((strength not in MISREAD) + 1 - misfit, 6)


def why(story: Evidence) -> str:
    """Why a story of the queue is in it."""
    if story.strange > story.misfiled:
        unlike = f"unlike the other {story.concept} stories ({story.strange:.0%} sure)"
        return unlike if story.misread else f"maybe {unlike}"
    own = 1 - story.misfiled
    rival, share = story.shares[0]
    if not story.misread:
        return f"maybe: as {story.concept} {own:.0%}, as {rival} {share:.0%}"
    if share > own:
        return f"reads as {rival} ({share:.0%}), not as {story.concept} ({own:.0%})"
    return f"reads as {story.concept} by {own:.0%} only, then as {rival} ({share:.0%}) and others"


def accepted_words(reason: str) -> str:
    """That a writer accepts a story as it is, with the reason if there is one."""
    return f"accepted: {reason}" if reason else "accepted as it is"


def by_bucket(verdicts: Iterable[tuple[str, Verdict]]) -> dict[str, list[str]]:
    """Concept names by bucket, in the order of `Bucket`, then under the marks `redundant` and `thin`."""
    names: dict[str, list[str]] = {name: [] for name in [*(bucket.value for bucket in Bucket), "redundant", "thin"]}
    for concept, verdict in verdicts:
        names[verdict.bucket.value].append(concept)
        if verdict.redundant:
            names["redundant"].append(concept)
        if verdict.thin:
            names["thin"].append(concept)
    return names
