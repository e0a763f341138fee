"""What an engine tells its clients of a corpus: stories, concepts, what moved, and what is being done."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.corpus.model import Change
from engine.evidence import MISREAD, ConceptEvidence, Ranked, Strength
from engine.results import ConceptQuality, Cost
from engine.triage import Verdict
from engine.verdicts import ConceptVerdict

CorpusState = Literal["scanning", "loading", "computing", "ready", "failed"]
StoryState = Literal["ok", "misread", "stale", "computing", "error", "empty", "duplicate", "left-out"]
Cause = Literal["opened", "edited", "retrained"]


class StoryView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One story as the engine sees it.

    What is said of it is the evidence's (`engine.evidence.Evidence`). Beside it stand the classic scores
    (`engine.results.StoryFit`), None where there are none.
    """

    path: str
    concept: str | None
    scenario: str | None
    state: StoryState
    alignment: float | None = None
    own: float | None = None
    rival: str | None = None
    rival_score: float | None = None
    rank: float | None = None
    """Where it stands in the queue (`engine.triage.rank`), the worst first; None where it is not in it."""
    accepted: str | None = None
    """The reason for which a writer accepts its text as it is, "" without one; None where nobody does."""
    reason: str = ""
    """Why it is in that state or in the queue, in a writer's words."""
    misfit: float | None = None
    """The probability that something is off with it; None until it was judged."""
    strength: Strength | None = None
    """How strongly to say so."""
    reads_as: str | None = None
    """The other concept that it reads as most."""
    shares: list[Ranked] = []
    """How likely it is to belong to its own concept, then to the likeliest others."""
    effect: float | None = None
    """What its concept's AUROC gains without it: above zero, it harms. None until all stories were judged with it."""

    @property
    def misread(self) -> bool:
        """Whether a writer should look at it: never where it is accepted, whatever the evidence says."""
        return self.strength in MISREAD and self.accepted is None


class ConceptView(msgspec.Struct, frozen=True, kw_only=True):
    """One concept with its numbers; `quality` and `verdict` are None where it has no vector, and `reason` says why."""

    name: str
    quality: ConceptQuality | None
    verdict: Verdict | None
    """Its classic bucket."""
    reason: str = ""
    evidence: ConceptEvidence | None = None
    """How it reads; None until all stories were judged. Camps are told only where the verdict does."""
    evidence_verdict: ConceptVerdict | None = None
    """What that comes to."""


class ConceptMove(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision did to one concept; None stands for a concept that was or is without a vector."""

    concept: str
    affected: bool
    """Its own texts changed; the others move because they share negatives with those."""
    bucket: tuple[str | None, str | None]
    first_pc: tuple[float | None, float | None]
    nearest: tuple[float | None, float | None]
    r_squared: tuple[float | None, float | None]


class StoryMove(msgspec.Struct, frozen=True, kw_only=True):
    """How one changed story read before a revision and after it; None where it was not judged."""

    path: str
    misfit: tuple[float | None, float | None]
    own_share: tuple[float | None, float | None]
    """The share of its own concept."""
    strength: tuple[Strength | None, Strength | None]


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """A concept or a scenario has another name: all its stories moved, and to nothing that was there before."""

    kind: Literal["concept", "scenario"]
    old: str
    new: str


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A concept that has no story any more, and was not renamed."""

    concept: str
    n_deleted: int
    n_moved: int
    """Of its last stories, how many went where."""


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Where a revision's time went, in seconds; together they are `Moved.seconds`."""

    scanning: float
    """From noticing the change to knowing what it is, including the wait for changes that came before it."""
    waiting: float
    """For the model's process: loading, other work, the way there and back."""
    forward: float
    """Activations: through the model, or from the store."""
    statistics: float
    """Directions, quality, fits."""
    showing: float
    """From numbers to words and to what moved."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One revision: what caused it and what it moved."""

    revision: int
    cause: Cause
    changes: list[Change]
    cost: Cost
    seconds: float
    """From noticing the change to the new numbers."""
    stages: Stages
    concepts: list[ConceptMove]
    stories: list[StoryMove]
    queue: tuple[int, int]
    """Misread stories before and after."""
    renamed: list[Renamed] = []
    ended: list[Ended] = []


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine is doing for one corpus."""

    state: CorpusState
    detail: str = ""
    """What is loading, or what failed, in full."""
    device: str = ""
    live: bool = True
    """Whether changes are computed as they come; if not, changed stories are stale until a retrain."""
    done: int = 0
    total: int = 0
    """Texts through the model, of those to do; 0 of 0 when there is no forward pass."""
    rate: float = 0.0
    """Texts per second."""
    left: float | None = None
    """Seconds until they are done, at that rate."""
    waiting: int = 0
    """Stories that changed since the numbers were computed."""
    note: str = ""
    """What else a person should know: a folder that is polled, a model that does not fit on its GPU."""
