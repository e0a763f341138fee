"""Which stories are left out together, and a sample of them that leaves no group half."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine.wire.jobs import Placement

AT_LEAST = 2
"""Groups of each concept in a sample: one to learn from, one to read."""


def groups_of(placements: Sequence[Placement]) -> list[frozenset[str]]:
    """Text ids that are left out together: those of a scenario, or one text that has none; scenarios that share a text
    go together. By their first id, which is a hash: in a random order that stays."""
    group_of = {placement.text_id: {placement.text_id} for placement in placements}
    scenarios: dict[str, set[str]] = {}
    for placement in placements:
        if placement.scenario is not None:
            scenarios.setdefault(placement.scenario, set()).add(placement.text_id)
    for told in scenarios.values():
        together = set().union(*(group_of[text_id] for text_id in told))
        group_of |= dict.fromkeys(together, together)
    return sorted({frozenset(group) for group in group_of.values()}, key=min)


def sampled(placements: Sequence[Placement], at_most: int) -> list[Placement]:
    """The placements of whole groups of about `at_most` texts, the same number of groups for each concept while there
    are some, and `AT_LEAST` in any case.

    The last group is taken whole, so that a sample may have somewhat more texts.
    """
    concepts_of: dict[str, set[str | None]] = {}
    for placement in placements:
        concepts_of.setdefault(placement.text_id, set()).add(placement.concept)
    taken: Counter[str | None] = Counter()
    ranked = []
    for group in groups_of(placements):
        concepts = set().union(*(concepts_of[text_id] for text_id in group))
        ranked.append((min(taken[concept] for concept in concepts), group))
        taken.update(concepts)
    sample: set[str] = set()
    for rank, group in sorted(ranked, key=lambda pair: (pair[0], min(pair[1]))):
        if rank < AT_LEAST or len(sample) < at_most:
            sample |= group
    return [placement for placement in placements if placement.text_id in sample]
