"""Faults planted in a corpus: stories drawn from it, some of which are then filed wrongly, replaced, cut or copied."""

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

CLEAN = "nothing"
FAULTS_OF_STORIES = ("random", "nearest", "swap", "replace", "off", "trunc", "copies")
FAULTS_OF_CONCEPTS = ("merge", "split")
FAULTS = (*FAULTS_OF_STORIES, *FAULTS_OF_CONCEPTS)
KEPT_WORDS = 0.25
"""The share of its words that a truncated story keeps."""
CHANGED_WORDS = 0.1
"""The share of its words that a near-copy has from elsewhere."""
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
    texts: list[str]
    stories: Stories
    planted: Tensor
    """Which are faulty: stories, `[N]`, or for `FAULTS_OF_CONCEPTS` concepts, `[C]`; bool."""

    def only(self, kept: Tensor) -> Draw:
        """The draw without all other stories: `kept` are their numbers, ascending."""
        stories = self.stories
        return Draw(
            places=[self.places[i] for i in kept.tolist()],
            texts=[self.texts[i] for i in kept.tolist()],
            stories=replace(
                stories,
                rows=stories.rows[:, kept],
                concepts=stories.concepts[kept],
                scenarios=stories.scenarios[kept],
            ),
            planted=self.planted,
        )


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
    texts = [library.stories[place].text for place in places]
    return Draw(places, texts, stories, torch.zeros(len(places), dtype=torch.bool))


def plant(library: Library, clean: Draw, fault: str, rate: float, chance: random.Random) -> Draw | None:
    """Make a share of the stories, or of the concepts, faulty.

    Args:
        fault: one of `FAULTS`, or `CLEAN`. `random` and `nearest` file a story under another concept; `swap` has two
            stories, of one scenario where there are scenarios, change names; `replace` puts a story of another
            concept, from outside the draw, in a story's place; `off` puts a text of no concept there; `trunc` cuts a
            story short; `copies` makes one of two stories of a concept a copy of the other but for a few words, and
            both count as faulty. `merge` files half of a concept's stories and half of another's under one name, and
            drops the rest; `split` files half of a concept's stories under a new name, and both concepts count.
        rate: the share that is made faulty; above 0, of concepts at least one.

    Returns:
        None where the library does not have what it takes.
    """
    if fault == CLEAN:
        return clean
    if fault in FAULTS_OF_CONCEPTS:
        return (_merged if fault == "merge" else _split)(clean, rate, chance)
    count = round(rate * len(clean.places))
    if fault in {"swap", "random", "nearest"}:
        return _filed_elsewhere(library, clean, fault, count, chance)
    if fault == "copies":
        pairs = _pairs_within(clean.stories.concepts, count // 2, chance)
        words = [word for text in clean.texts for word in text.split()]
        texts = [_near_copy(clean.texts[one], words, chance) for one, _ in pairs]
        changed = _with_texts(clean, [other for _, other in pairs], texts, library.read(texts)) if pairs else clean
        return replace(changed, planted=_these([i for pair in pairs for i in pair], clean))
    chosen = chance.sample(range(len(clean.places)), count)
    if fault == "replace":
        instead = _from_elsewhere(library, clean, chosen, chance)
        if instead is None:
            return None
        changed = _with_texts(clean, chosen, [library.stories[p].text for p in instead], library.rows[:, instead])
        return replace(changed, planted=_these(chosen, clean))
    if fault == "off":
        if len(library.off_topic) < count:
            return None
        texts = chance.sample(list(library.off_topic), count)
    else:
        texts = [_cut(clean.texts[i].split()) for i in chosen]
    return replace(_with_texts(clean, chosen, texts, library.read(texts)), planted=_these(chosen, clean))


def _these(chosen: Sequence[int], of: Draw) -> Tensor:
    """Which of a draw's stories are among the chosen."""
    planted = torch.zeros(len(of.places), dtype=torch.bool)
    planted[list(chosen)] = True
    return planted


def _with_texts(clean: Draw, chosen: list[int], texts: Sequence[str], rows: Tensor) -> Draw:
    """The draw with other texts, of activations `[L, chosen, H]`, in the chosen stories' places."""
    new_texts, new_rows = list(clean.texts), clean.stories.rows.clone()
    for i, text in zip(chosen, texts, strict=True):
        new_texts[i] = text
    new_rows[:, chosen] = rows
    return replace(clean, texts=new_texts, stories=replace(clean.stories, rows=new_rows))


def _cut(words: list[str]) -> str:
    return " ".join(words[: max(1, round(KEPT_WORDS * len(words)))])


def _near_copy(text: str, words: Sequence[str], chance: random.Random) -> str:
    """The text with some of its words from elsewhere."""
    copy = text.split()
    for i in chance.sample(range(len(copy)), round(CHANGED_WORDS * len(copy))):
        copy[i] = chance.choice(words)
    return " ".join(copy)


def _pairs_within(concepts: Tensor, count: int, chance: random.Random) -> list[tuple[int, int]]:
    """So many pairs of stories of one concept, none in two of them."""
    pairs: list[tuple[int, int]] = []
    alone: dict[int, int] = {}
    for i in chance.sample(range(len(concepts)), len(concepts)):
        concept = int(concepts[i])
        if concept in alone:
            pairs.append((alone.pop(concept), i))
        else:
            alone[concept] = i
    return chance.sample(pairs, min(count, len(pairs)))


def _filed_elsewhere(library: Library, clean: Draw, fault: str, count: int, chance: random.Random) -> Draw:
    concepts = clean.stories.concepts.clone()
    if fault == "swap":
        chosen = _swapped(clean.stories, concepts, count, chance)
    else:
        chosen = chance.sample(range(len(concepts)), count)
        nearest = library.nearest()
        for i in chosen:
            own = int(concepts[i])
            others = [c for c in range(library.n_concepts) if c != own]
            concepts[i] = nearest[own] if fault == "nearest" else chance.choice(others)
    return replace(clean, stories=replace(clean.stories, concepts=concepts), planted=_these(chosen, clean))


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


def _from_elsewhere(library: Library, clean: Draw, chosen: list[int], chance: random.Random) -> list[int] | None:
    """Places of stories outside the draw, for each chosen story one of another concept; None where they run out."""
    drawn = set(clean.places)
    outside = [place for place in range(len(library.stories)) if place not in drawn]
    instead: list[int] = []
    for i in chosen:
        others = [place for place in outside if library.concepts[place] != clean.stories.concepts[i]]
        if not others:
            return None
        instead.append(chance.choice(others))
        outside.remove(instead[-1])
    return instead


def _concepts_to_plant(rate: float, n_concepts: int) -> int:
    return max(1, round(rate * n_concepts)) if rate else 0


def _merged(clean: Draw, rate: float, chance: random.Random) -> Draw | None:
    """Pairs of concepts under the name of the first: half of the stories of each, and of each scenario one."""
    stories = clean.stories
    count = _concepts_to_plant(rate, stories.n_concepts)
    if 2 * count > stories.n_concepts:
        return None
    taken = chance.sample(range(stories.n_concepts), 2 * count)
    concepts, kept = stories.concepts.clone(), torch.ones(len(stories), dtype=torch.bool)
    for first, second in zip(taken[:count], taken[count:], strict=True):
        of_first, of_second = (_by_slot(stories, concept) for concept in (first, second))
        slots = sorted(of_first.keys() | of_second.keys())
        of_the_first = set(chance.sample(slots, len(slots) // 2))
        kept[[i for slot, i in of_first.items() if slot not in of_the_first]] = False
        kept[[i for slot, i in of_second.items() if slot in of_the_first]] = False
        concepts[list(of_second.values())] = first
    left = torch.ones(stories.n_concepts, dtype=torch.bool)
    left[taken[count:]] = False
    planted = torch.zeros(stories.n_concepts, dtype=torch.bool)
    planted[taken[:count]] = True
    names = left.cumsum(0) - 1  # those of the second ones go
    concepts = names[concepts]
    merged = replace(stories, concepts=concepts, n_concepts=stories.n_concepts - count)
    return replace(clean, stories=merged, planted=planted[left]).only(kept.nonzero()[:, 0])


def _by_slot(stories: Stories, concept: int) -> dict[int, int]:
    """A concept's stories by their scenario; by their number in the concept where scenarios are unknown."""
    own = (stories.concepts == concept).nonzero()[:, 0].tolist()
    scenarios = stories.scenarios[own].tolist()
    return {
        number if slot == UNPAIRED else slot: i for number, (slot, i) in enumerate(zip(scenarios, own, strict=True))
    }


def _split(clean: Draw, rate: float, chance: random.Random) -> Draw:
    """Concepts half of whose stories have another name."""
    stories = clean.stories
    taken = chance.sample(range(stories.n_concepts), _concepts_to_plant(rate, stories.n_concepts))
    concepts = stories.concepts.clone()
    planted = torch.zeros(stories.n_concepts + len(taken), dtype=torch.bool)
    for new, concept in enumerate(taken, stories.n_concepts):
        own = (stories.concepts == concept).nonzero()[:, 0].tolist()
        concepts[chance.sample(own, len(own) // 2)] = new
        planted[[concept, new]] = True
    return replace(clean, stories=replace(stories, concepts=concepts, n_concepts=len(planted)), planted=planted)


def documentation() -> list[str]:
    """Paragraphs of this repository's documentation: texts about no feeling at all."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    paragraphs = [part for page in pages for part in re.split(r"\n\s*\n", page.read_text("utf-8"))]
    return [part for part in paragraphs if len(part) >= LONG_PARAGRAPH and not part.startswith(("|", "```", "    "))]
