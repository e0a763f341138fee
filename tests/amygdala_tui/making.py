"""Small mirrors for tests of what is drawn."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from amygdala_tui.mirror import Mirror
from engine.settings import Settings
from engine.triage import Thresholds, judge
from engine.wire.protocol import Snapshot
from engine.wire.snapshot import ConceptView, Doing, StoryView
from tests.numbers import concept_quality


def story(path: str, **fields: Any) -> StoryView:
    """A story's view; concept and scenario follow from the path."""
    parts = path.removesuffix(".txt").split("/")
    concept = None if parts[-1] == "baseline" else parts[-1]
    scenario = parts[1] if parts[0] == "paired" else None
    return StoryView(path=path, concept=concept, scenario=scenario, **({"state": "ok"} | fields))


def misread(path: str, rival: str, rank: int = 0) -> StoryView:
    """A story that reads as another concept."""
    return story(
        path,
        state="misread",
        strength="fair",
        misfit=0.9,
        reads_as=rival,
        shares=[(PurePosixPath(path).stem, 0.1), (rival, 0.8)],
        rank=rank,
        reason=f"reads as {rival}",
    )


def healthy(path: str, **fields: Any) -> StoryView:
    """A story that reads as what it is filed as."""
    return story(
        path,
        strength="none",
        misfit=0.02,
        reads_as="other",
        shares=[(PurePosixPath(path).stem, 0.98), ("other", 0.01)],
        **fields,
    )


def concept(
    name: str, *, first_pc: float = 0.5, nearest: float = 0.3, r_squared: float = 0.2, n: int = 4
) -> ConceptView:
    """A concept with one layer's numbers and the verdict that follows."""
    quality = concept_quality(
        name, first_pc=first_pc, nearest=nearest, neighbour="other", r_squared=r_squared, stories=n
    )
    return ConceptView(name=name, quality=quality, verdict=judge(quality, 2, Thresholds()))


def mirror(stories: list[StoryView], concepts: list[ConceptView] | None = None, revision: int = 1) -> Mirror:
    """A settled mirror of these."""
    return Mirror(
        stories={view.path: view for view in stories},
        concepts={view.name: view for view in concepts or []},
        layers=(2,),
        revision=revision,
        settings=Settings(),
        doing=Doing(state="ready", device="cpu"),
    )


def snapshot(stories: list[StoryView], revision: int = 1, concepts: list[ConceptView] | None = None) -> Snapshot:
    """What an engine sends on opening."""
    return Snapshot(
        corpus="/c",
        revision=revision,
        settings=Settings(),
        doing=Doing(state="ready"),
        layers=[2],
        stories=stories,
        concepts=concepts or [],
        problems=[],
        moved=None,
    )
