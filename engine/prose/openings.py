"""Stories that begin or end with the same words, more often than the corpus does.

A vector of stories that all begin `The sun rose` may be one of sunrises. What the whole corpus shares tells no concept
from another; it is told as well, since a writer may want it otherwise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.prose.words import Told

Where = Literal["beginning", "end"]
Words = tuple[str, ...]

LEAST_WORDS = 2
MOST_WORDS = 12
LEAST_STORIES = 3
LEAST_SHARE = 0.1
"""The share of a group's stories that must have the words."""
TIMES_ELSEWHERE = 3.0
"""How many times as common the words must be in a concept as in the rest of the corpus."""


@dataclass(frozen=True, slots=True)
class SharedWords:
    """Words with which several stories begin, or end."""

    where: Where
    words: Words
    """Folded; as many as all these stories have in common."""
    concept: str | None
    """None: stories of the whole corpus."""
    paths: tuple[str, ...]
    """The stories, sorted."""
    n_stories: int
    """The stories of the concept, or of the corpus."""
    n_elsewhere: int
    """The stories of other concepts, baselines included, that have these words there too."""
    n_others: int
    """All those other stories."""


def shared_words(stories: Mapping[str, Told]) -> list[SharedWords]:
    """Beginnings and ends that the stories of a concept, or all stories, have in common; the most common first.

    Longer words stand for the shorter ones that they hold, unless more stories have the shorter. A corpus of one
    concept has no others: what its stories share is told of the corpus alone.
    """
    told: list[SharedWords] = []
    for where in ("beginning", "end"):
        edges = {path: _edge(story.words, where) for path, story in stories.items()}
        everywhere = Counter(edge for own in edges.values() for edge in _parts(own))
        concepts: dict[str | None, list[str]] = defaultdict(list)
        for path, story in stories.items():
            concepts[story.concept].append(path)
        for concept, paths in [*((c, p) for c, p in concepts.items() if c is not None), (None, list(stories))]:
            for edge, sharing in _longest(paths, edges).items():
                n_elsewhere, n_others = everywhere[edge] - len(sharing), len(stories) - len(paths)
                if concept is None or _is_its_own(len(sharing), len(paths), n_elsewhere, n_others):
                    said = edge if where == "beginning" else edge[::-1]
                    told.append(
                        SharedWords(where, said, concept, tuple(sorted(sharing)), len(paths), n_elsewhere, n_others)
                    )
    return sorted(told, key=lambda shared: (-len(shared.paths) / shared.n_stories, shared.concept or "", shared.words))


def _edge(story_words: Sequence[str], where: Where) -> Words:
    """The words at an edge of a story, from the edge inwards."""
    return tuple(story_words[:MOST_WORDS] if where == "beginning" else story_words[: -MOST_WORDS - 1 : -1])


def _parts(edge: Words) -> Iterable[Words]:
    return (edge[:n] for n in range(LEAST_WORDS, len(edge) + 1))


def _longest(paths: Sequence[str], edges: Mapping[str, Words]) -> dict[Words, list[str]]:
    """The edges that enough stories share, with these stories; each as long as those all share it."""
    sharing: dict[Words, list[str]] = defaultdict(list)
    for path in paths:
        for edge in _parts(edges[path]):
            sharing[edge].append(path)
    least = max(LEAST_STORIES, LEAST_SHARE * len(paths))
    common = {edge: those for edge, those in sharing.items() if len(those) >= least}
    held = {(edge[:-1], len(those)) for edge, those in common.items()}
    return {edge: those for edge, those in common.items() if (edge, len(those)) not in held}


def _is_its_own(n: int, n_stories: int, n_elsewhere: int, n_others: int) -> bool:
    """Whether an edge is so much more common in a concept than elsewhere that it tells it apart."""
    return n_others > 0 and n / n_stories >= TIMES_ELSEWHERE * n_elsewhere / n_others
