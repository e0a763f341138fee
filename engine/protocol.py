"""Every message between an engine and its clients: tagged structs, one JSON document per line, over a Unix socket.

A client says `Hello`, is answered `Welcome` or `Refused`, and then sends requests, each with an `id` of its own
choosing. Every request gets one reply with that id. Events carry no id and come to those who have the corpus open.
`Changed` says how one revision's snapshot becomes the next; a client that misses one asks again with `Open`.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from engine.corpus.model import Change, Problem
from engine.errors import AmygdalaError
from engine.results import ConceptQuality, Work
from engine.settings import Settings
from engine.triage import Verdict

PROTOCOL = 2
MAX_MESSAGE = 64 << 20
"""Bytes in one line, either way: 64 MiB."""

CorpusState = Literal["scanning", "loading", "computing", "ready", "failed"]
StoryState = Literal["ok", "outlier", "stale", "computing", "error", "empty", "duplicate"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Anything on the wire."""


# What a snapshot is made of


class StoryView(msgspec.Struct, frozen=True, kw_only=True):
    """One story as the engine sees it; scores are those of `engine.results.StoryFit`, None where there are none."""

    path: str
    concept: str | None
    scenario: str | None
    state: StoryState
    alignment: float | None = None
    own: float | None = None
    rival: str | None = None
    rival_score: float | None = None
    misread: bool = False
    rank: int | None = None
    """Place in the queue of outliers, from 0 (the worst)."""
    reason: str = ""
    """Why it is in that state, in a writer's words."""


class ConceptView(msgspec.Struct, frozen=True, kw_only=True):
    """One concept with its numbers; `quality` and `verdict` are None where it has no vector, and `reason` says why."""

    name: str
    quality: ConceptQuality | None
    verdict: Verdict | None
    reason: str = ""


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
    """What a revision did to one changed story: its own concept's score and its rival's, before and after."""

    path: str
    own: tuple[float | None, float | None]
    rival: tuple[str | None, str | None]
    rival_score: tuple[float | None, float | None]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One revision: what caused it and what it moved."""

    revision: int
    changes: list[Change]
    work: Work
    seconds: float
    """From noticing the change to the new numbers."""
    concepts: list[ConceptMove]
    stories: list[StoryMove]
    queue: tuple[int, int]
    """Misread stories before and after."""


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine is at, for one corpus."""

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


class Snapshot(Message, frozen=True, kw_only=True):
    """A corpus's whole state at one revision (reply to `Open`, as an event)."""

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
    """How the snapshot of `base` becomes that of `revision`; equal numbers when only stories' states changed."""

    corpus: str
    base: int
    revision: int
    layers: list[int]
    stories: list[StoryView]
    """New or different ones."""
    removed: list[str]
    """Paths that are gone."""
    concepts: list[ConceptView]
    """All of them: every direction moves with every text."""
    problems: list[Problem]
    moved: Moved | None


class Progressed(Message, frozen=True, kw_only=True):
    """`Doing` changed; at most four a second while only its counts do."""

    corpus: str
    doing: Doing


class Resync(Message, frozen=True, kw_only=True):
    """This client was too slow, and events were dropped: open the corpus again to see its state."""


class Closed(Message, frozen=True, kw_only=True):
    """The corpus is no longer open in the engine."""

    corpus: str
    reason: str


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
    """None takes those in force, or the corpus's own."""
    insist: bool = False
    """Where other settings are in force: reopen with these (otherwise they are told, as `Conflict`)."""


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
    concepts: list[str] = []
    paths: list[str] = []


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


class CorpusStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One open corpus."""

    corpus: str
    revision: int
    stories: int
    concepts: int
    clients: int
    model: str
    doing: Doing


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One model worker."""

    model: str
    device: str
    state: Literal["loading", "idle", "computing", "failed"]
    pid: int | None
    bytes: int
    """Its weights."""
    restarts: int


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


Request = Open | Retrain | SetLive | Close | GetStatus | Stop
Event = Snapshot | Changed | Progressed | Resync | Closed
Reply = Opened | Conflict | Status | Done | Failure
FromServer = Welcome | Refused | Reply | Event

T = TypeVar("T")
_HELLO: msgspec.json.Decoder[Hello] = msgspec.json.Decoder(Hello)
_REQUEST: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_FROM_SERVER: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)


def encode(message: Message) -> bytes:
    """One line."""
    return msgspec.json.encode(message) + b"\n"


def decode_hello(line: bytes) -> Hello:
    """A client's first message; raises ProtocolError."""
    return _decode(_HELLO, line)


def decode_request(line: bytes) -> Request:
    """Any later message of a client; raises ProtocolError."""
    return _decode(_REQUEST, line)


def decode_from_server(line: bytes) -> FromServer:
    """Any message of the engine; raises ProtocolError."""
    return _decode(_FROM_SERVER, line)


def _decode(decoder: msgspec.json.Decoder[T], line: bytes) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not a message of protocol {PROTOCOL}: {error}") from error


class _OnlyId(msgspec.Struct):
    id: int | None = None


def request_id(line: bytes) -> int | None:
    """The id of a request that could not be read, if that much of it can."""

    try:
        return msgspec.json.decode(line, type=_OnlyId).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class ProtocolError(AmygdalaError):
    """A line that is no message."""
