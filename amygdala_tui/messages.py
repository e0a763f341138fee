"""Messages about what happened: the link posts them, the app handles them."""

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

    def can_replace(self, message: Message) -> bool:
        """Of several that wait, the last is enough: each carries the whole state."""
        return isinstance(message, EngineSaid)


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
