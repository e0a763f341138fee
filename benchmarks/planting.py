"""Faults planted in a corpus: stories drawn from it, some of which are then filed wrongly, replaced or cut."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.corpora import ROOT
from engine.compute.statistics.evidence.stories import UNPAIRED, Stories
from engine.corpus import Story

FAULTS = ("clean", "random", "nearest", "swap", "replace", "off-topic", "truncated")
KEPT_WORDS = 0.25
"""The share of its words that a truncated story keeps."""
LONG_PARAGRAPH = 200
"""Characters from which a paragraph of the documentation is a text."""

Read = Callable[[Sequence[str]], Tensor]
"""From texts to their activations, `[L, texts, H]`."""


@dataclass(frozen=True)
class Library:
    """All stories that a corpus can be drawn from."""

    stories: Sequence[Story]
    rows: Tensor
    """`[L, N, H]`."""
    concepts: Tensor
    """`[N]`."""
    scenarios: Tensor
    """`[N]`."""
    n_concepts: int
    off_topic: Sequence[str]
    read: Read

    @classmethod
    def of(cls, stories: Sequence[Story], off_topic: Sequence[str], read: Read) -> Library:
        """From stories with concepts; their texts are read at once."""
        concepts = sorted({story.concept or "" for story in stories})
        scenarios = sorted({story.scenario or "" for story in stories} - {""})
        return cls(
            stories=stories,
            rows=read([story.text for story in stories]),
            concepts=torch.tensor([concepts.index(story.concept or "") for story in stories]),
            scenarios=torch.tensor([scenarios.index(s.scenario) if s.scenario else UNPAIRED for s in stories]),
            n_concepts=len(concepts),
            off_topic=off_topic,
            read=read,
        )

    def nearest(self) -> list[int]:
        """For each concept, the one whose mean lies closest at the middle layer."""
        x = self.rows[len(self.rows) // 2].double()
        means = torch.stack([x[self.concepts == c].mean(0) for c in range(self.n_concepts)])
        return [int(row) for row in torch.cdist(means, means).fill_diagonal_(torch.inf).argmin(1)]


@dataclass(frozen=True)
class Draw:
    """Stories drawn from a library, some of them faulty."""

    places: list[int]
    """In the library."""
    stories: Stories
    planted: Tensor
    """Which are faulty: `[N]`, bool."""


def draw(library: Library, per_concept: int, chance: random.Random, *, whole_scenarios: bool) -> Draw | None:
    """A corpus of so many stories a concept: of whole scenarios, or whatever their scenario, which is then unknown.

    Returns:
        None where the library has too few.
    """
    names = sorted(set(library.scenarios.tolist()) - {UNPAIRED})
    by_concept = [(library.concepts == c).nonzero()[:, 0].tolist() for c in range(library.n_concepts)]
    if (len(names) if whole_scenarios else min(map(len, by_concept))) < per_concept:
        return None
    if whole_scenarios:
        chosen = torch.tensor(chance.sample(names, per_concept))
        places = torch.isin(library.scenarios, chosen).nonzero()[:, 0].tolist()
    else:
        places = [place for own in by_concept for place in sorted(chance.sample(own, per_concept))]
    scenarios = library.scenarios[places]
    stories = Stories(
        rows=library.rows[:, places],
        concepts=library.concepts[places],
        scenarios=scenarios if whole_scenarios else torch.full_like(scenarios, UNPAIRED),
        n_concepts=library.n_concepts,
    )
    return Draw(places, stories, torch.zeros(len(places), dtype=torch.bool))


def plant(library: Library, clean: Draw, fault: str, rate: float, chance: random.Random) -> Draw | None:
    """Make a share of the stories faulty.

    Args:
        fault: one of `FAULTS`. `random` and `nearest` file a story under another concept; `swap` has two stories, of
            one scenario where there are scenarios, change names; `replace` puts a story of another concept, from
            outside the draw, in a story's place; `off-topic` puts a text of no concept there; `truncated` cuts a story
            short.

    Returns:
        None where the library does not have what it takes.
    """
    n = len(clean.places)
    chosen = chance.sample(range(n), round(rate * n))
    concepts, rows = clean.stories.concepts.clone(), clean.stories.rows.clone()
    if fault == "clean":
        return clean
    if fault in {"random", "nearest"}:
        nearest = library.nearest()
        for i in chosen:
            own = int(concepts[i])
            others = [c for c in range(library.n_concepts) if c != own]
            concepts[i] = nearest[own] if fault == "nearest" else chance.choice(others)
    elif fault == "swap":
        chosen = _swapped(clean.stories, concepts, len(chosen), chance)
    else:
        new = _texts_instead(library, clean, chosen, fault, chance)
        if new is None:
            return None
        rows[:, chosen] = new
    planted = torch.zeros(n, dtype=torch.bool)
    planted[chosen] = True
    return replace(clean, stories=replace(clean.stories, rows=rows, concepts=concepts), planted=planted)


def _swapped(stories: Stories, concepts: Tensor, count: int, chance: random.Random) -> list[int]:
    """Has pairs of stories change names, in place; those that did."""
    swapped: list[int] = []
    free = set(range(len(concepts)))
    for i in chance.sample(range(len(concepts)), len(concepts)):
        if len(swapped) + 2 > count:
            break
        partners = [j for j in free if concepts[j] != concepts[i] and stories.scenarios[j] == stories.scenarios[i]]
        if i not in free or not partners:
            continue
        j = chance.choice(sorted(partners))
        concepts[i], concepts[j] = int(concepts[j]), int(concepts[i])
        free -= {i, j}
        swapped += [i, j]
    return swapped


def _texts_instead(
    library: Library, clean: Draw, chosen: list[int], fault: str, chance: random.Random
) -> Tensor | None:  # fmt: skip
    """Activations of what stands in the chosen stories' places, `[L, chosen, H]`."""
    if fault == "replace":
        drawn = set(clean.places)
        outside = [place for place in range(len(library.stories)) if place not in drawn]
        instead: list[int] = []
        for i in chosen:
            others = [p for p in outside if library.concepts[p] != clean.stories.concepts[i]]
            if not others:
                return None
            instead.append(chance.choice(others))
            outside.remove(instead[-1])
        return library.rows[:, instead]
    if fault == "off-topic":
        if len(library.off_topic) < len(chosen):
            return None
        return library.read(chance.sample(list(library.off_topic), len(chosen)))
    texts = [library.stories[clean.places[i]].text.split() for i in chosen]
    return library.read([" ".join(words[: max(1, round(KEPT_WORDS * len(words)))]) for words in texts])


def documentation() -> list[str]:
    """Paragraphs of this repository's documentation: texts about no feeling at all."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    paragraphs = [part for page in pages for part in re.split(r"\n\s*\n", page.read_text("utf-8"))]
    return [part for part in paragraphs if len(part) >= LONG_PARAGRAPH and not part.startswith(("|", "```", "    "))]
