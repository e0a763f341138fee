"""What the evidence says of concepts, once all their stories are judged: in steps, a part of one concept at a time."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from engine.compute.live.rows import Rows
from engine.compute.statistics.evidence.aurocs import Auroc
from engine.compute.statistics.evidence.influence import Influence, influence_in_steps
from engine.compute.statistics.evidence.judging import State
from engine.compute.statistics.evidence.pairs import OwnPart, Pooled, own_part
from engine.compute.statistics.evidence.readouts import LeftOut, concept_readout, left_out
from engine.compute.statistics.evidence.two_groups import (
    Projections,
    can_be_told,
    projections_in_steps,
    two_groups,
)
from engine.evidence import Camps, ConceptEvidence, Measured, StoryEffect
from engine.wire.jobs import Placement

SHOWN_TEXTS = 3
"""Texts that are named where only the most telling ones help."""


class OfConcepts(NamedTuple):
    """What is said of all concepts, in the order of their names."""

    evidence: Sequence[ConceptEvidence] = ()
    effects: Sequence[StoryEffect] = ()
    """Of each concept's stories, from the one that harms most to the best."""


NOTHING_SAID = OfConcepts()


def of_concepts(
    stories: Sequence[Placement], concepts: Sequence[str], state: State, means: Rows
) -> Generator[None, None, OfConcepts]:
    """Of every concept, in the order of their names.

    Args:
        stories: those of the state, in its order.
        concepts: their names, by number.
        state: all stories judged.
        means: of all texts of the corpus, baselines too.
    """
    of_all = left_out(state)
    yield
    if of_all is None:
        return OfConcepts([_nothing_told(name) for name in concepts])
    projections = None
    if can_be_told(state.stories.counts):
        projections = yield from projections_in_steps(of_all.layer)
    judge = _ConceptJudge(stories, concepts, of_all, projections, means)
    evidence, effects = [], []
    for concept in range(len(concepts)):
        influence = yield from influence_in_steps(of_all, concept)
        if influence is not None:
            effects += judge.effects(concept, influence)
        evidence.append(judge.told(concept))
        yield
    return OfConcepts(evidence, effects)


def _nothing_told(name: str) -> ConceptEvidence:
    return ConceptEvidence(
        concept=name,
        auroc=None,
        rival=None,
        rival_auroc=None,
        stability=None,
        camps=None,
        pulls=[],
        own_share=None,
        own_auroc=None,
        without_own=[],
    )


class _ConceptJudge:
    """Puts together what is said of one concept after the other."""

    def __init__(
        self,
        stories: Sequence[Placement],
        concepts: Sequence[str],
        of_all: LeftOut,
        projections: Projections | None,
        means: Rows,
    ) -> None:
        self._stories = stories
        self._concepts = concepts
        self._of_all = of_all
        self._projections = projections
        self._text_ids = sorted(means.text_ids)
        self._text_of = {text_id: place for place, text_id in enumerate(self._text_ids)}
        members = torch.zeros(len(self._text_ids), len(concepts), dtype=torch.bool)
        self._texts = torch.tensor([self._text_of[story.text_id] for story in stories])
        members[self._texts, of_all.concepts.cpu()] = True
        rows = means.take_at(means.n_layers // 2, self._text_ids)
        self._pooled = Pooled(rows, members.to(rows.device))

    def told(self, concept: int) -> ConceptEvidence:
        """Of one concept."""
        of_all = self._of_all
        readout = concept_readout(of_all, concept)
        others = [c for c in of_all.closest[concept].tolist() if c != concept]
        own = own_part(of_all, concept, others) if others and readout.auroc is not None else None
        return ConceptEvidence(
            concept=self._concepts[concept],
            auroc=_measured(readout.auroc),
            rival=None if readout.rival is None else self._concepts[readout.rival],
            rival_auroc=_measured(readout.rival_auroc),
            stability=_finite(readout.stability),
            camps=self._camps(concept),
            pulls=[] if readout.rival is None else self._pulls(concept, readout.rival),
            own_share=None if own is None else _finite(own.share),
            own_auroc=None if own is None else _measured(own.auroc),
            without_own=[] if own is None else self._without_own(concept, own),
        )

    def _camps(self, concept: int) -> Camps | None:
        if self._projections is None:
            return None
        groups = two_groups(self._of_all.layer, self._projections, concept)
        if groups is None or not math.isfinite(groups.p_value):
            return None
        smaller = [self._stories[i] for i in groups.stories[groups.smaller].tolist()]
        return Camps(p_value=groups.p_value, smaller=[(story.text_id, story.scenario) for story in smaller])

    def effects(self, concept: int, influence: Influence) -> list[StoryEffect]:
        """What each story of a concept does to it, from the one that harms most to the best."""
        columns = influence.stories.tolist(), influence.auroc.tolist(), influence.turn.tolist()
        told = [
            StoryEffect(
                text_id=self._stories[i].text_id,
                concept=self._concepts[concept],
                scenario=self._stories[i].scenario,
                auroc=auroc,
                turn=turn,
            )
            for i, auroc, turn in zip(*columns, strict=True)
            if math.isfinite(auroc) and math.isfinite(turn)
        ]
        return sorted(told, key=lambda effect: -effect.auroc)

    def _pulls(self, concept: int, rival: int) -> list[tuple[str, str, str | None, float]]:
        of_two = (self._of_all.concepts == concept) | (self._of_all.concepts == rival)
        story_of = {int(self._texts[i]): self._stories[i] for i in of_two.nonzero()[:, 0].tolist()}
        texts = torch.tensor(sorted(story_of))
        pulls = self._pooled.pulls(concept, rival, texts.to(of_two.device)).nan_to_num(0.0)
        strongest = [(story_of[int(texts[i])], float(pulls[i])) for i in _highest(pulls) if pulls[i] > 0]
        return [(story.text_id, story.concept or "", story.scenario, pull) for story, pull in strongest]

    def _without_own(self, concept: int, own: OwnPart) -> list[tuple[str, str | None]]:
        stories = self._of_all.own(concept)
        carried = own.carried[stories]
        known = stories[~carried.isnan()]
        least = [self._stories[int(known[i])] for i in _highest(-carried[~carried.isnan()])]
        return [(story.text_id, story.scenario) for story in least]


def _highest(values: Tensor) -> list[int]:
    """The places of the few highest values, highest first."""
    places: list[int] = values.argsort(descending=True, stable=True)[:SHOWN_TEXTS].tolist()
    return places


def _measured(auroc: Auroc | None) -> Measured | None:
    if auroc is None or not math.isfinite(auroc.value):
        return None
    return Measured(value=auroc.value, low=auroc.low, high=auroc.high)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
