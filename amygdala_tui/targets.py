"""Where stories can go: the concepts that they can be filed under, and whether each place is free. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from amygdala_tui.words import rival_in_lead
from engine.corpus.mending.names import tidied, trouble_with_concept, trouble_with_neighbours
from engine.corpus.mending.operations import path_as, short
from engine.wire.snapshot import StoryView

STRONG = ("strong", "fair")
"""How sure it must be that a story reads as its rival for that to be offered first."""


@dataclass(frozen=True)
class Target:
    """A concept that stories may be filed under."""

    concept: str
    words: str
    """Whether its place is free: "power-cut/disgusted.txt is free"."""
    is_free: bool


def targets(
    marked: Sequence[str], concepts: Collection[str], paths: Collection[str], rival: str | None = None
) -> list[Target]:
    """The concepts that stories may be filed under; the rival first, then the free ones, each in order of their names.

    Args:
        marked: paths of the stories.
        concepts: all of the corpus.
        paths: all files of the corpus.
        rival: the concept to offer first.
    """
    own = {concept_at(path) for path in marked}
    names = sorted(name for name in concepts if {name} != own)
    listed = [target(marked, name, paths) for name in names]
    return sorted(listed, key=lambda each: (each.concept != rival or not each.is_free, not each.is_free))


def target(marked: Sequence[str], concept: str, paths: Collection[str]) -> Target:
    """One concept, be it in the corpus or a new one; the first place that is not free is named."""
    concept = tidied(concept)
    trouble = trouble_with_concept(concept)
    if trouble:
        return Target(concept, trouble, is_free=False)
    places = {path: path_as(path, concept) for path in marked if path != path_as(path, concept)}
    for path, place in places.items():
        if list(places.values()).count(place) > 1:
            return Target(concept, f"two of these would become {short(place)}", is_free=False)
        folder = PurePosixPath(place).parent
        names = [
            PurePosixPath(other).name for other in paths if PurePosixPath(other).parent == folder and other != path
        ]
        if trouble := trouble_with_neighbours(PurePosixPath(place).name, names):
            return Target(concept, f"{short(str(folder))}: {trouble}", is_free=False)
    if not places:
        return Target(concept, "it is filed there already", is_free=False)
    first, *more = places.values()
    return Target(concept, f"{len(places)} places are free" if more else f"{short(first)} is free", is_free=True)


def offered_rival(view: StoryView | None) -> str | None:
    """The concept that a story reads as more than as its own, where that is sure enough to offer it first."""
    return rival_in_lead(view) if view is not None and view.strength in STRONG else None


def concept_at(path: str) -> str:
    """The concept that a story's file names."""
    return unicodedata.normalize("NFC", PurePosixPath(path).stem)
