"""From numbers to words: which bucket a concept falls into, which stories a writer should look at, and why.

Pure functions of `engine.results` and thresholds. Every reason names the number and the threshold that decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from engine.results import ConceptQuality, Null, StoryFit


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


class Outlier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A story worth a writer's look."""

    text_id: str
    concept: str
    misread: bool
    """It reads as another concept once it no longer defines its own; otherwise it is its concept's least aligned."""
    severity: float
    """Larger is worse: the rival's lead for a misread story, minus the alignment otherwise."""
    reason: str


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


def outliers(fits: Mapping[tuple[str, str], StoryFit], concepts: Iterable[ConceptQuality]) -> list[Outlier]:
    """Stories to look at, worst first, from the fits by (text id, concept) and what is said of concepts.

    First the misread ones: made without the story, its own concept's direction points away from it (a score below
    zero) and another concept's scores it higher. A rival in the lead is not enough: among overlapping concepts that
    holds for half of all healthy stories. Then each concept's two least aligned stories (`quality.json`'s
    `outlier_stories`), where the alignment is below zero; these are relative, so every concept has some, and the
    reason says so.
    """
    misread = [
        _misread(fit, fit.own)
        for fit in fits.values()
        if fit.rival is not None and fit.own is not None and fit.own < 0 < fit.rival_score
    ]
    misread_pairs = {(outlier.text_id, outlier.concept) for outlier in misread}
    lowest = [
        _least_aligned(fits[pair], quality)
        for quality in concepts
        for text_id, alignment in quality.outliers
        if alignment < 0 and (pair := (text_id, quality.concept)) in fits and pair not in misread_pairs
    ]
    return sorted(misread, key=_worst_first) + sorted(lowest, key=_worst_first)


def _misread(fit: StoryFit, own: float) -> Outlier:
    return Outlier(
        text_id=fit.text_id,
        concept=fit.concept,
        misread=True,
        severity=fit.rival_score - own,
        reason=f"reads as {fit.rival}: {fit.concept} scores it {own:.2f}, {fit.rival} {fit.rival_score:.2f}",
    )


def _least_aligned(fit: StoryFit, quality: ConceptQuality) -> Outlier:
    return Outlier(
        text_id=fit.text_id,
        concept=fit.concept,
        misread=False,
        severity=-fit.alignment,
        reason=f"alignment {fit.alignment:+.2f}, one of the two lowest of {quality.n_positive_stories}",
    )


def _worst_first(outlier: Outlier) -> tuple[float, str, str]:
    return -outlier.severity, outlier.concept, outlier.text_id


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
