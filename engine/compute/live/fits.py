"""How each story sits in its concept: those of a change at once, all others once they are settled."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from engine.compute.live.rows import Rows
from engine.compute.live.state import Group, View
from engine.compute.statistics.leave_one_out import CHUNK, Pooled, leave_one_out, membership, rivals
from engine.compute.statistics.quality import StoryMeasures
from engine.results import StoryFit

FitsOf = Mapping[str, Mapping[str, StoryFit]]
"""By concept and text id."""


@dataclass(frozen=True)
class Fits:
    """The fit of every (text, concept) pair of one view.

    One story's edit moves every other story's scores by a hair. So the pairs that a change brought are exact at once;
    the others keep the fits of an earlier view until they are settled.
    """

    of: FitsOf
    new: Sequence[StoryFit] = ()
    """Those of the pairs that the last change brought."""
    are_settled: bool = True

    @property
    def all(self) -> list[StoryFit]:
        """Of every pair, by concept."""
        return [fit for fits in self.of.values() for fit in fits.values()]


@dataclass(frozen=True)
class Scoring:
    """What stories are scored by, at one layer."""

    rows: Rows
    position: int
    """The layer's place among the target layers."""
    groups: Mapping[str, Group]
    """The C concepts."""
    measures: Sequence[StoryMeasures]
    """Theirs, in the same order."""
    pooled: Pooled

    @classmethod
    def of(
        cls, rows: Rows, position: int, view: View, names: Sequence[str], measures: Sequence[StoryMeasures]
    ) -> Scoring:
        """From sums alone: no product with all rows is needed to score a few of them."""
        groups = {name: view.groups[name] for name in names}
        total = view.total[position]
        counts = torch.tensor([len(group.text_ids) for group in groups.values()]).to(total)
        centre = total / view.n_texts
        sums = torch.stack([view.sums(name)[position] for name in names]) - counts[:, None] * centre
        return cls(
            rows,
            position,
            groups,
            measures,
            Pooled(centre=centre, sums=sums, counts=counts, n_texts=view.n_texts),
        )

    def fits(self, text_ids: Sequence[str]) -> Iterator[StoryFit]:
        """Of these texts, with each of the concepts that they stand under."""
        wanted = set(text_ids)
        positives = {name: [i for i in group.text_ids if i in wanted] for name, group in self.groups.items()}
        names = list(positives)
        rows = self.rows.take_at(self.position, text_ids)
        member = membership(text_ids, positives).to(rows.device)
        scores = leave_one_out(rows, member, self.pooled)
        rival_of, own = rivals(scores, member, names), scores[member].tolist()
        for (i, c), score in zip(member.nonzero().tolist(), own, strict=True):
            yield StoryFit(
                text_id=text_ids[i],
                concept=names[c],
                alignment=self._alignment(c, names[c], text_ids[i]),
                own=None if math.isnan(score) else score,
                rival=rival_of[i][0],
                rival_score=rival_of[i][1],
            )

    def _alignment(self, c: int, name: str, text_id: str) -> float:
        return float(self.measures[c].alignments[bisect_left(self.groups[name].text_ids, text_id)])


def changed(last: Fits, scoring: Scoring, affected: Collection[str], renewed: Collection[str]) -> Fits:
    """The fits after a change that left the set of concepts as it was.

    Args:
        last: before the change.
        scoring: after it.
        affected: concepts whose own texts changed.
        renewed: texts that were read afresh.
    """
    new_ids = {
        text_id
        for name in affected
        if name in scoring.groups
        for text_id in scoring.groups[name].text_ids
        if text_id in renewed or text_id not in last.of[name]
    }
    new = sorted(scoring.fits(sorted(new_ids)), key=lambda fit: (fit.concept, fit.text_id))
    of = dict(last.of)
    for name in affected:
        if name in scoring.groups:
            fits = {fit.text_id: fit for fit in new if fit.concept == name}
            of[name] = {i: fits[i] if i in fits else last.of[name][i] for i in scoring.groups[name].text_ids}
    return Fits(of, new, are_settled=False)


def settled(scoring: Scoring, text_ids: Sequence[str]) -> Generator[None, None, Fits]:
    """The fits of all texts of a corpus, in steps."""
    of: dict[str, dict[str, StoryFit]] = {name: {} for name in scoring.groups}
    for start in range(0, len(text_ids), CHUNK):
        for fit in scoring.fits(text_ids[start : start + CHUNK]):
            of[fit.concept][fit.text_id] = fit
        yield
    return Fits(of)
