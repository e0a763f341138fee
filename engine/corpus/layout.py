"""Where a corpus keeps its stories."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.errors import UsageError


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where a corpus keeps its unpaired stories and its scenarios; either may be missing, not both."""

    stories: Path | None
    paired: Path | None
    root: Path | None = None
    """The folder that links may lead into; without one, they may lead only into `stories` and `paired`."""

    @classmethod
    def of(cls, corpus: Path) -> Layout:
        """The layout of a corpus folder: `stories/` and `paired/` beneath it.

        Raises:
            UsageError: there is no such folder, or it holds neither.
        """
        if not corpus.is_dir():
            raise UsageError(f"{corpus}: no such folder")
        layout = cls.below(corpus)
        if not any(folder and folder.is_dir() for folder in (layout.stories, layout.paired)):
            raise UsageError(
                f"{corpus}: not a corpus: it has neither stories/ nor paired/\n"
                "Put stories into stories/<concept>.txt, or retellings into paired/<scenario>/<concept>.txt."
            )
        return layout

    @classmethod
    def below(cls, corpus: Path) -> Layout:
        """The same, whatever is there: no file system is asked."""
        return cls(stories=corpus / "stories", paired=corpus / "paired", root=corpus)
