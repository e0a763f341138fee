"""What is selected: the one thing that the lit row stands for, and that every key acts on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from amygdala_tui.mirror import Mirror

CONCEPT = "concept:"
"""The prefix of the key of a concept's row; its name follows."""
BRANCH = "branch:"
"""The prefix of a branch's key in the tree; the branch's path follows: `stories`, `paired/<scenario>` or
`concept/<name>`."""
PROBLEM = "problem:"
"""The prefix of the key of a file that is no story; its path follows."""


@dataclass(frozen=True)
class Selection:
    """What one row stands for."""

    key: str | None = None
    """The row's key in every list that has such a row; None where nothing is selected."""
    path: str | None = None
    """The story, if it is one."""
    concept: str | None = None
    """The concept, or that of the story."""

    @classmethod
    def of(cls, key: str | None, mirror: Mirror) -> Selection:
        """What a row's key stands for in a corpus."""
        if key is None:
            return cls()
        if (view := mirror.stories.get(key)) is not None:
            return cls(key, key, view.concept)
        for prefix in (CONCEPT, f"{BRANCH}concept/"):
            if key.startswith(prefix):
                name = key.removeprefix(prefix)
                is_concept = name in mirror.concepts or bool(mirror.stories_of(name))
                return cls(key, None, name if is_concept else None)
        return cls(key)

    @property
    def scenario(self) -> str | None:
        """The scenario whose branch it is in the tree, if it is one."""
        prefix = f"{BRANCH}paired/"
        return self.key.removeprefix(prefix) if self.key is not None and self.key.startswith(prefix) else None

    @property
    def folder(self) -> str | None:
        """The path of that scenario's folder."""
        return f"paired/{self.scenario}" if self.scenario is not None else None

    @property
    def problem(self) -> str | None:
        """The path of the file that is no story, if it is one."""
        return self.key.removeprefix(PROBLEM) if self.key is not None and self.key.startswith(PROBLEM) else None
