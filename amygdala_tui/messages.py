"""Messages about what happened: the link and the widgets post them, the app and the screen handle them."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from amygdala_tui.mirror import Mirror


@dataclass
class CorpusFound(Message):
    """The corpus on disk was scanned, before any engine answered."""

    mirror: Mirror


@dataclass
class EngineSaid(Message):
    """The mirror of the engine's state changed."""

    mirror: Mirror


@dataclass
class EngineAway(Message):
    """No engine is connected just now."""

    words: str
    """What happened and what is being done about it."""
    retrying: bool
    """Whether the link tries again by itself; otherwise it waits until the writer starts the engine."""


@dataclass
class SettingsDiffer(Message):
    """The corpus is open in the engine with other settings: field -> (asked for, in force)."""

    differences: dict[str, tuple[str, str]]


@dataclass
class StorySelected(Message):
    """A widget's cursor came to a story."""

    path: str


@dataclass
class ConceptSelected(Message):
    """A widget's cursor came to a concept."""

    concept: str


@dataclass
class StoryOpened(Message):
    """A story was chosen (Enter): show it."""

    path: str


@dataclass
class ConceptOpened(Message):
    """A concept was chosen (Enter): show it."""

    concept: str
