"""What the evidence says of stories and concepts: plain numbers, free of torch, ready for the wire and for JSON.

`engine.compute.statistics.evidence` works them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Ranked = tuple[str, float]
Place = tuple[str, str | None, str | None]
"""One story, whatever its file is called: its text's id, its concept (None for a baseline), its scenario."""
Strength = Literal["none", "borderline", "fair", "strong", "too few to tell"]
"""How strongly to say that a story is off."""
DOTS: Mapping[Strength, str] = {"strong": "●●●", "fair": "●●", "borderline": "●"}
"""How sure it is that a story is off, as a reader sees it."""
MISREAD: frozenset[Strength] = frozenset({"borderline", "fair", "strong"})
"""The strengths of stories that a writer should look at."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How one story is judged, at all target layers together (`engine.compute.statistics.evidence`)."""

    text_id: str
    concept: str
    scenario: str | None
    strange: float
    """The probability that it lies too far from its concept's other stories, whatever else it is."""
    misfiled: float
    """The probability that it belongs to another concept. Its own concept's share is one minus this."""
    strength: Strength
    reads_as: str | None
    """The other concept that it reads as most; None where nothing can be told."""
    shares: list[Ranked]
    """The other concepts that it may belong to, each with its probability: the likeliest three, in a file five."""
    margin: float | None = None
    """The log odds of any other concept against its own; None where it cannot be judged."""
    neighbours: list[tuple[str, str, str | None, float]] = []
    """The stories that it is most like, as (text id, concept, scenario, cosine); only in what is written to files."""

    @property
    def place(self) -> Place:
        """Of the story."""
        return self.text_id, self.concept, self.scenario

    @property
    def misfit(self) -> float:
        """The probability that something is off, by which stories are ranked."""
        return 1 - (1 - self.misfiled) * (1 - self.strange)

    @property
    def misread(self) -> bool:
        """Whether a writer should look at it."""
        return self.strength in MISREAD


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """An AUROC, with the 90 % interval about it; 0.5 is chance."""

    value: float
    low: float
    high: float


class StoryEffect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one story does to its concept, left out."""

    text_id: str
    concept: str
    scenario: str | None
    auroc: float
    """What the concept's AUROC gains without it: above zero, the story harms."""
    turn: float
    """The cosine of the concept's direction without it with that of all: low where one story decides."""

    @property
    def place(self) -> Place:
        """Of the story."""
        return self.text_id, self.concept, self.scenario


class Camps(msgspec.Struct, frozen=True, kw_only=True):
    """The best split of a concept's stories in two, as where two concepts were filed under one name."""

    p_value: float
    """How often a concept that is one would split so well."""
    smaller: list[tuple[str, str | None]]
    """The stories of the smaller camp, as (text id, scenario)."""


class ConceptEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """How well a concept reads stories that it was not made from, and what stands in its way."""

    concept: str
    auroc: Measured | None
    """Against the stories of all other concepts; None where it cannot be scored."""
    rival: str | None
    """Of the closest other concepts the one that it is told apart from worst; None where nothing can be told."""
    rival_auroc: Measured | None
    """How well its stories are told from the rival's, by the readouts of both."""
    stability: float | None
    """The mean cosine of the directions that two halves of its stories give; None below two stories."""
    camps: Camps | None
    """None where one cannot tell, for want of stories or of concepts that have as many."""
    pulls: list[tuple[str, str, str | None, float]]
    """The stories of the two that pull it and its rival together most, as (text id, concept, scenario, what the cosine
    of the two owes to it)."""
    own_share: float | None
    """Of the squared length of its mean, what no mix of the few closest concepts gives; near 0, it has nothing of its
    own. None where nothing can be told."""
    own_auroc: Measured | None
    """How well what is its own tells its stories from those of the few closest concepts."""
    without_own: list[tuple[str, str | None]]
    """Its stories that have the least of what is its own, least first, as (text id, scenario): they say what the others
    say too."""


class HeldOutConcept(msgspec.Struct, frozen=True, kw_only=True):
    """How the vectors read a concept's stories of `held-out/`, none of which they are made of."""

    n: int
    """Stories, as unique texts."""
    auroc: float | None
    """Of the concept's vector, against all other held-out texts, baselines included; None where one side has none."""
    auroc_interval: tuple[float, float] | None
    """The 90 % interval."""
    reads_as: dict[str, int]
    """How many of them each concept reads highest, the most frequent first."""
