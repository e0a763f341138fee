"""What the server and a worker say to each other over the worker's pipe: one JSON document per line.

Each job is answered once, by the message that its docstring names, by `Failed`, `Dropped` or `Unknown`. A worker does
one step of one job at a time, always of the most urgent one; a step is a batch of texts at most.

Server and worker may come to differ about what a corpus is, for instance after a load that failed. So the worker names
what it was told of a corpus with a token: the number of the last `Prepare` or `Apply` that it took in. Each of these
says which token it adds to. A worker that has another one answers `Unknown`, and so it does where a job needs a state
that it does not hold. The server then tells it the whole.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from engine.results import Cost, Draft, Facts, Results
from engine.settings import Settings


class Urgency(IntEnum):
    """Which job goes first: the one of the lowest number."""

    DRAFT = 0
    """Someone is typing."""
    ON_SCREEN = 1
    """A story that someone is looking at."""
    EDIT = 2
    """A few stories that were saved."""
    REASONS = 3
    """Why a story on a screen reads as it does: nobody's numbers wait for that."""
    BULK = 4
    """Everything else: many stories, settling, exports."""


class Placement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One story, as the computation sees it."""

    text_id: str
    concept: str | None
    """None for a baseline."""
    scenario: str | None = None
    """None for an unpaired story."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do for one corpus."""

    corpus: str
    """The corpus's name; the same folder may be open under several names."""
    job: int
    urgency: Urgency


class Telling(Job, frozen=True, kw_only=True):
    """A job that tells the worker more of a corpus."""

    adds_to: int
    """The token of what the worker was told before; 0 where this job tells the whole."""
    settings: Settings
    texts: dict[str, str]
    """Texts that this worker has not been sent before for this corpus, by id."""
    fresh: list[str]
    """Ids of texts that go through the model even if their activations are stored."""


class Prepare(Telling, frozen=True, kw_only=True, tag=True):
    """Have the activations of these texts at hand, and leave the corpus's state as it is; answered by `Prepared`."""

    wanted: list[str]
    """Ids of these texts."""
    first: list[str]
    """Those of `wanted` that go before the others."""
    placements: list[Placement]
    """Every story of the corpus where `target_layers` is `auto`, for the sweep that chooses the blocks; else empty."""


class Apply(Telling, frozen=True, kw_only=True, tag=True):
    """Make a corpus's state that of its stories as they are now; answered by `Applied`.

    The job tells only how they differ from the stories of the last `Apply` that was sent, whether that one was carried
    out or not: ten thousand stories, sent whole at every change, would fill the pipe many times over.
    """

    placements: dict[str, Placement]
    """New or different ones, by path."""
    gone: list[str]
    """Paths of stories that no longer exist."""
    dropped: list[str]
    """Ids of texts that will not be needed again unless they are sent again."""


class Settle(Job, frozen=True, kw_only=True, tag=True):
    """Redo the expensive numbers that are not of the current state; answered by `Settled`."""


class Score(Job, frozen=True, kw_only=True, tag=True):
    """Read a draft; answered by `Scored`."""

    path: str
    """The story's, in whose place the draft stands."""
    text: str
    text_id: str
    instead_of: str | None
    concept: str
    concepts: list[str]
    explain: bool = False
    """Whether to say what makes it read so: its sentences, where it is flagged, and its wording."""


class Write(Job, frozen=True, kw_only=True, tag=True):
    """Write the vectors of the settled state to a file; answered by `Written`."""

    file: str
    """A safetensors file that does not exist yet."""
    with_evidence: bool
    """Whether to judge the stories, as a run from nothing does."""


class Drop(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Do not go on with a job; the activations that it has computed stay in the store."""

    job: int
    begun: bool = True
    """Whether to drop the job even if it has begun."""


class Forget(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Drop a corpus's state and all its jobs."""

    corpus: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The model is in memory."""

    device: str
    seconds: float
    bytes: int
    """Memory that its weights take."""
    warnings: list[str] = []
    """What a person should know of how it was loaded."""


class Advanced(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Texts run so far for a job."""

    job: int
    done: int
    total: int
    """0 where texts came from the store alone."""
    ids: list[str]
    """Texts that were done with since the last such message: their activations came in, or the model cannot take
    them."""
    run: int = 0
    """Texts that went through the model since the last such message. Only `Prepare` counts them here, since its answer
    may never come; `Applied` tells the whole cost of an `Apply`."""
    cached: int = 0
    """Likewise, texts that came from the store."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The texts are at hand."""

    job: int
    seconds: float
    """Spent on them."""


class Applied(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A job's results."""

    corpus: str
    job: int
    results: Results
    cost: Cost


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The state is settled."""

    job: int
    results: Results | None
    """None where the state was settled already, or changed in the meantime."""


class Scored(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A draft was read."""

    job: int
    draft: Draft


class Written(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The vectors are in the file."""

    job: int
    of: int
    """Number of the `Apply` that made this state."""
    results: Results
    norms: dict[int, list[float]]
    """Per layer, the length of each concept's difference of means."""
    facts: Facts


class Dropped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A job was not carried out to its end: it was told so, its corpus was forgotten, or another job of it failed."""

    job: int
    failure: str = ""
    """Where another job of the corpus failed: why. This one would fail likewise, so nobody should ask for it again."""


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The worker does not hold what the job adds to, or the state that the job needs."""

    job: int


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A job, or loading the model (then `corpus` is empty), failed for a reason a person can act on."""

    corpus: str
    job: int
    message: str


AnyJob = Prepare | Apply | Settle | Score | Write
Answer = Prepared | Applied | Settled | Scored | Written | Dropped | Unknown | Failed
ToWorker = AnyJob | Drop | Forget
FromWorker = Loaded | Advanced | Answer
