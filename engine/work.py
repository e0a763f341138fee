"""What the server and a worker say to each other over the worker's pipe: one JSON document per line."""

from __future__ import annotations

import msgspec

from engine.results import Results
from engine.settings import Settings


class Placement(msgspec.Struct, frozen=True, array_like=True):
    """One story, as the computation sees it."""

    text_id: str
    concept: str | None
    """None for a baseline."""


class Apply(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Make a corpus's state that of exactly these stories; answered by `Applied` or `Failed`."""

    corpus: str
    job: int
    settings: Settings
    placements: list[Placement]
    texts: dict[str, str]
    """Texts that this worker has not been sent before for this corpus, by id."""
    fresh: list[str]
    """Ids of texts that go through the model even if their activations are known."""


class Forget(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Drop a corpus's state."""

    corpus: str


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The model is in memory."""

    device: str
    seconds: float
    bytes: int
    """What its weights take on the device."""


class Advanced(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Texts run so far for a job."""

    corpus: str
    job: int
    done: int
    total: int


class Applied(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A job's results."""

    corpus: str
    job: int
    results: Results


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A job, or loading the model (then `corpus` is empty), failed for a reason a person can act on."""

    corpus: str
    job: int
    message: str


ToWorker = Apply | Forget
FromWorker = Loaded | Advanced | Applied | Failed
