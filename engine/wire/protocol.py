"""Every message between an engine and its clients: tagged structs, one JSON document per line, over a Unix socket.

A client says `Hello`, is answered `Welcome` or `Refused`, and then sends requests, each with an `id` of its own
choosing. Every request gets one reply with that id. Events carry no id and come to the clients that have the corpus
open. `Changed` says how one revision's snapshot becomes the next one; a client that misses one asks again with `Open`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from engine.corpus.model import Problem
from engine.results import Cost, Draft, Facts, Results
from engine.settings import Settings
from engine.triage import Verdict
from engine.wire.revisions import Comparison, Revision
from engine.wire.snapshot import ConceptView, Doing, Moved, StoryView
from engine.wire.status import CorpusStatus, ModelStatus

PROTOCOL = 9
MAX_MESSAGE = 64 << 20
"""Bytes in one line, either way: 64 MiB."""
MAX_NAMES = 100_000
"""Concepts or paths that a request may name."""
MAX_DRAFT = 1 << 20
"""Characters of a draft: as many as a story may have bytes."""

Names = Annotated[list[str], Meta(max_length=MAX_NAMES)]
Count = Annotated[int, Meta(ge=1, le=1000)]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Anything on the wire."""


class Snapshot(Message, frozen=True, kw_only=True):
    """A corpus's whole state at one revision: the event that follows the reply to `Open`."""

    corpus: str
    revision: int
    """0 before the first results."""
    settings: Settings
    doing: Doing
    layers: list[int]
    stories: list[StoryView]
    concepts: list[ConceptView]
    problems: list[Problem]
    moved: Moved | None


class Changed(Message, frozen=True, kw_only=True):
    """How the snapshot of `base` becomes that of `revision`. The two numbers are equal where only stories' states
    changed, or where the expensive numbers were settled."""

    corpus: str
    base: int
    revision: int
    layers: list[int]
    stories: list[StoryView]
    """New or different ones."""
    removed: list[str]
    """Paths that are gone."""
    concepts: list[ConceptView] | None
    """All of them, since every direction moves with every text; None where none of them changed."""
    problems: list[Problem]
    moved: Moved | None


class Progressed(Message, frozen=True, kw_only=True):
    """`doing` changed; comes at most four times a second while only its counts change."""

    corpus: str
    doing: Doing


class Resync(Message, frozen=True, kw_only=True):
    """This client was too slow, and events were dropped: open the corpus again to see its state."""


class Closed(Message, frozen=True, kw_only=True):
    """The corpus is no longer open in the engine."""

    corpus: str
    reason: str


class Exporting(Message, frozen=True, kw_only=True):
    """An export goes on; comes to the client that asked for it, at most four times a second."""

    id: int
    """The request's."""
    done: int
    total: int
    """Texts through the model."""


# Requests and replies


class Hello(Message, frozen=True, kw_only=True):
    """First message of a client."""

    protocol: int
    version: str


class Welcome(Message, frozen=True, kw_only=True):
    """First message of the engine."""

    protocol: int
    version: str
    pid: int


class Refused(Message, frozen=True, kw_only=True):
    """The engine will not talk to this client; the connection ends."""

    message: str


class Open(Message, frozen=True, kw_only=True):
    """Open a corpus, or join it where it is open; its snapshot follows, then its events."""

    id: int
    corpus: str
    """Absolute path."""
    settings: Settings | None = None
    """None takes the settings in force where the corpus is open, else the corpus's own."""
    insist: bool = False
    """Whether to reopen the corpus with these settings where others are in force; if not, the answer is `Conflict`."""


class Opened(Message, frozen=True, kw_only=True):
    """The corpus is open; the snapshot comes as an event."""

    id: int
    corpus: str
    """Its real path, which names it from now on."""


class Conflict(Message, frozen=True, kw_only=True):
    """The corpus is open with other settings: field -> (asked for, in force)."""

    id: int
    corpus: str
    differences: dict[str, tuple[str, str]]


class Retrain(Message, frozen=True, kw_only=True):
    """Run stories through the model again, whether they changed or not, and compute what follows.

    Takes every story of `concepts` and of `paths`; with both empty, all of the corpus.
    """

    id: int
    corpus: str
    concepts: Names = []
    paths: Names = []


class Cancel(Message, frozen=True, kw_only=True):
    """Drop the retrains and the stories that wait for the model; these stay stale until they change or are retrained.

    What has gone through the model by then is kept."""

    id: int
    corpus: str


class Showing(Message, frozen=True, kw_only=True):
    """This client shows a story (or none): if it waits for the model, it goes before others."""

    id: int
    corpus: str
    path: str | None


class Score(Message, frozen=True, kw_only=True):
    """How would a text do in place of a story? Answered by `Scored`, or by `Superseded` where this client sent a
    newer draft before the turn of this one."""

    id: int
    corpus: str
    path: str
    """The story's; it need not exist yet."""
    text: Annotated[str, Meta(max_length=MAX_DRAFT)]
    concepts: Annotated[list[str], Meta(max_length=1000)] = []
    """The concepts to read each token by; an empty list means the story's own and its rival."""
    explain: bool = False
    """Whether to say why it reads so (`Draft.effects`, `Draft.prose`). That runs the draft without each of its
    sentences, and goes behind all edits: ask for it once a text stands still."""


class Scored(Message, frozen=True, kw_only=True):
    """A draft was read."""

    id: int
    revision: int
    """The revision whose vectors read the draft."""
    draft: Draft
    verdicts: tuple[Verdict | None, Verdict | None]
    """On its concept as it is, and as it would become with the draft."""


class Superseded(Message, frozen=True, kw_only=True):
    """A newer draft of the same client came before this one's turn: it was not read."""

    id: int


class Export(Message, frozen=True, kw_only=True):
    """Have a corpus's settled vectors written to a file that the client reads and removes; answered by `Exported`."""

    id: int
    settings: Settings
    stories: str | None
    """The folder of unpaired stories, an absolute path."""
    paired: str | None
    root: str | None
    """The corpus's folder, where it is one."""
    with_evidence: bool = False
    """Whether to judge the stories, too: `results.evidence`, as a run from nothing gives it."""


class Exported(Message, frozen=True, kw_only=True):
    """Vectors, and what an export writes beside them."""

    id: int
    digest: str
    """Digest of the stories that the vectors were made from (`engine.corpus.Corpus.digest`)."""
    vectors: str
    """A safetensors file: `[C, H]` fp16 by block, rows in the order of `results.concepts`."""
    norms: dict[int, list[float]]
    results: Results
    cost: Cost
    facts: Facts


class GetRevisions(Message, frozen=True, kw_only=True):
    """The corpus's history; answered by `Revisions`."""

    id: int
    corpus: str
    limit: Count = 50
    before: int | None = None
    """Only revisions before this one."""


class Revisions(Message, frozen=True, kw_only=True):
    """Revisions, the newest first."""

    id: int
    revisions: list[Revision]


class Compare(Message, frozen=True, kw_only=True):
    """What differs between two revisions? Answered by `Compared`."""

    id: int
    corpus: str
    before: int
    after: int


class Compared(Message, frozen=True, kw_only=True):
    """What differs between the two."""

    id: int
    comparison: Comparison


class GetText(Message, frozen=True, kw_only=True):
    """A story's text as it was at a revision; answered by `EarlierText`."""

    id: int
    corpus: str
    revision: int
    path: str


class EarlierText(Message, frozen=True, kw_only=True):
    """A story's text as it was; None where there was none."""

    id: int
    text: str | None


class SetLive(Message, frozen=True, kw_only=True):
    """Compute changes as they come, or leave changed stories stale until a retrain."""

    id: int
    corpus: str
    live: bool


class Close(Message, frozen=True, kw_only=True):
    """Let go of a corpus, for every client."""

    id: int
    corpus: str


class GetStatus(Message, frozen=True, kw_only=True):
    """What is the engine doing?"""

    id: int


class Stop(Message, frozen=True, kw_only=True):
    """Finish what is being written and exit."""

    id: int


class Done(Message, frozen=True, kw_only=True):
    """The request was carried out, or is under way where it takes long."""

    id: int


class Failure(Message, frozen=True, kw_only=True):
    """The request was refused or failed; `id` is None when the message could not even be read."""

    id: int | None
    message: str


class Status(Message, frozen=True, kw_only=True):
    """The reply to `GetStatus`."""

    id: int
    version: str
    pid: int
    uptime: float
    """Seconds."""
    socket: str
    log: str
    clients: int
    corpora: list[CorpusStatus]
    models: list[ModelStatus]


CorpusRequest = Retrain | Cancel | Showing | Score | GetRevisions | Compare | GetText | SetLive
"""About a corpus that is open."""
Request = CorpusRequest | Open | Export | GetStatus | Close | Stop
Event = Snapshot | Changed | Progressed | Exporting | Resync | Closed
Reply = (
    Opened | Conflict | Scored | Superseded | Exported | Revisions | Compared | EarlierText | Status | Done | Failure
)
FromServer = Welcome | Refused | Reply | Event
