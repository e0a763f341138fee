"""Which stories are off, kept from change to change: an edited story is judged at once, the others when it settles.

What is said of concepts follows once all stories are judged; until then it stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite

import torch
from msgspec.structs import replace
from torch import Tensor

from engine.compute.live.concept_judge import NOTHING_SAID, OfConcepts, of_concepts
from engine.compute.live.filing import Filing
from engine.compute.live.rows import Rows
from engine.compute.statistics.evidence.judgement import Judgement
from engine.compute.statistics.evidence.judging import State, judge_in_steps
from engine.compute.statistics.evidence.neighbours import neighbours
from engine.compute.statistics.evidence.rejudging import regrouped
from engine.compute.statistics.evidence.sentences import Place, SentenceEffects, sentence_effects
from engine.compute.statistics.evidence.stories import UNPAIRED, Stories
from engine.evidence import Evidence
from engine.wire.jobs import Placement

N_NEIGHBOURS = 3
A_FEW = 16
"""Stories judged at once: each takes some milliseconds, and where more changed the whole is due anyway."""
SHOWN_SHARES = 3
WRITTEN_SHARES = 5

Group = tuple[str | None, str | None]
"""What is left out together: None and a scenario; or a concept, of whose story that is in no scenario, and None."""
EffectsOf = Callable[[Tensor, Tensor], SentenceEffects]
"""From a text's mean activations `[L, H]`, and from those of what is left without each sentence, `[L, J, H]`."""


@dataclass(frozen=True)
class Verdicts:
    """What is said of the stories and concepts of one state."""

    of: Mapping[Placement, Evidence]
    new: Sequence[Evidence] = ()
    """Of the stories that the last change touched."""
    concepts: OfConcepts = NOTHING_SAID
    """Of all concepts, as they were when it settled last."""
    are_settled: bool = True

    @property
    def all(self) -> list[Evidence]:
        """Of every story, by concept, scenario and text."""
        return list(self.of.values())


NOTHING = Verdicts({})


class StoryJudge:
    """Judges the stories of one corpus by the mean of all their tokens, whatever pooling its vectors are of."""

    def __init__(self) -> None:
        self._judged: _Judged | None = None
        self._renewed: set[str] = set()
        """Texts that were read afresh since all stories were judged."""

    @property
    def has_judged(self) -> bool:
        """Whether all stories were judged at any time."""
        return self._judged is not None

    def at_once(self, last: Verdicts, filing: Filing, means: Rows, renewed: Collection[str] = ()) -> Verdicts:
        """What a change makes of the stories that it touches and of their scenarios; the others stay as they were.

        Each scenario is judged as it is now, and as if it alone had changed since all were judged. Leaves no trace
        here, so that a draft can be judged as well.

        Args:
            last: what was said before the change.
            filing: that the change led to.
            means: of all its texts.
            renewed: texts that the change read afresh.
        """
        touched = {story for story in filing.differing if story.concept is not None}
        if renewed:
            touched |= {story for story in filing.placements if story.text_id in renewed and story.concept is not None}
        new: dict[Placement, Evidence] = {}
        if self._judged is not None and len({(story.concept, story.scenario) for story in touched}) <= A_FEW:
            groups = {_group(story) for story in touched}
            new = dict(self._judged.after(groups, filing.placements, means, self._renewed | set(renewed)))
        of = {**last.of, **new}
        for story in touched - filing.placements:
            of.pop(story, None)
        return Verdicts(of, list(new.values()), last.concepts, are_settled=False)

    def effects_at(self, story: Placement, rival: str) -> EffectsOf | None:
        """What tells the sentences of a text at this story's place apart, by the stories as they were last judged.

        Args:
            story: the place; its text need not be among the stories.
            rival: the other concept that is asked about.

        Returns:
            None where nothing can be told.
        """
        judged = self._judged
        if judged is None or judged.state.reading is None or not {story.concept, rival} <= judged.number.keys():
            return None
        return partial(sentence_effects, judged.state, judged.place(story), judged.number[rival])

    def note(self, renewed: Collection[str]) -> None:
        """Texts were read afresh: their stories count as changed until all are judged."""
        self._renewed |= set(renewed)

    def settle(self, stories: Collection[Placement], means: Rows) -> Generator[None, None, Verdicts]:
        """Judge every story, in steps: with the settings that stand, or with new ones where too many stories changed.

        Then every concept.

        Args:
            stories: all of them, baselines left out.
            means: of all texts of the corpus.
        """
        if not stories:
            self._judged, self._renewed = None, set()
            return NOTHING
        judged = yield from _judge(sorted(set(stories), key=_order), means, self._judged, self._renewed)
        concepts = yield from of_concepts(judged.stories, judged.concepts, judged.state, means)
        self._judged, self._renewed = judged, set()
        return Verdicts(dict(judged.told(judged.stories, judged.state.judgement)), concepts=concepts)

    def for_files(
        self, last: Verdicts, stories: Collection[Placement], means: Rows
    ) -> Generator[None, None, tuple[list[Evidence], OfConcepts]]:
        """Every story, in full, and every concept as a run from nothing judges them: a file must not tell of edits.

        Arguments as of `settle`, and what is said now. What stands here stays as it is.
        """
        if not stories:
            return [], NOTHING_SAID
        ordered = tuple(sorted(set(stories), key=_order))
        judged = self._judged
        if judged is None or self._renewed or judged.stories != ordered or not judged.is_from_nothing:
            judged = yield from _judge(ordered, means, None, ())
        concepts = last.concepts
        if judged is not self._judged or not last.are_settled:
            concepts = yield from of_concepts(judged.stories, judged.concepts, judged.state, means)
        return judged.in_full(), concepts


@dataclass(frozen=True)
class _Judged:
    """All stories judged together."""

    stories: tuple[Placement, ...]
    """In the order of the state's."""
    concepts: tuple[str, ...]
    """By number."""
    scenarios: Mapping[str | None, int]
    state: State

    @cached_property
    def index(self) -> dict[Placement, int]:
        """Each story's place."""
        return {story: i for i, story in enumerate(self.stories)}

    @cached_property
    def number(self) -> dict[str, int]:
        """Each concept's."""
        return {name: c for c, name in enumerate(self.concepts)}

    @cached_property
    def members(self) -> dict[Group, list[int]]:
        """The places of each group's stories, ascending."""
        members: dict[Group, list[int]] = {}
        for i, story in enumerate(self.stories):
            members.setdefault(_group(story), []).append(i)
        return members

    @property
    def is_from_nothing(self) -> bool:
        """Whether all was chosen from exactly these stories."""
        return self.state.reading is None or self.state.reading.tuning.n_changed == 0

    def in_full(self) -> list[Evidence]:
        """What is said of every story, with more shares and with its neighbours."""
        told = [each for _, each in self.told(self.stories, self.state.judgement, WRITTEN_SHARES)]
        if self.state.reading is None:
            return told
        others, cosines = neighbours(self.state.reading.middle, N_NEIGHBOURS)
        return [
            replace(each, neighbours=[(*_place(self.stories[i]), cosine) for i, cosine in zip(*near, strict=True)])
            for each, *near in zip(told, others.tolist(), cosines.tolist(), strict=True)
        ]

    def place(self, story: Placement) -> Place:
        """Where a story stands or would stand; its concept is one of these."""
        group = self.members.get(_group(story), [])
        old = [i for i in group if self.stories[i].concept == story.concept]
        device = self.state.stories.scenarios.device
        return Place(
            concept=self.number[story.concept or ""],
            group=torch.tensor(group, dtype=torch.long, device=device),
            story=old[-1] if old else None,
        )

    def after(
        self, groups: Set[Group], now: Set[Placement], means: Rows, renewed: Set[str]
    ) -> Iterator[tuple[Placement, Evidence]]:
        """What is said of the stories of these groups as they are now; of one of a new concept, nothing.

        Args:
            groups: those that changed.
            now: all stories.
            means: of all their texts.
            renewed: texts that were read afresh since all were judged.
        """
        standing: dict[Group, list[Placement]] = {group: [] for group in sorted(groups, key=str)}
        for story in now:
            if story.concept in self.number and (group := _group(story)) in standing:
                standing[group].append(story)
        for group, stories in standing.items():
            had = self.members.get(group, [])
            kept = [i for i in had if self.stories[i] in now and self.stories[i].text_id not in renewed]
            as_before = {self.stories[i] for i in kept}
            came = sorted((story for story in stories if story not in as_before), key=_order)
            if kept or came:
                told = self.told([*(self.stories[i] for i in kept), *came], self._regrouped(had, kept, came, means))
                yield from told

    def _regrouped(self, had: Sequence[int], kept: Sequence[int], came: Sequence[Placement], means: Rows) -> Judgement:
        """A group that had these stories, some of which it keeps, and to which others came."""
        stories = self.state.stories
        device = stories.scenarios.device
        rows = means.take([story.text_id for story in came]) if came else stories.rows[:, :0]
        concepts = [self.number[story.concept or ""] for story in came]
        group, staying, filed = (torch.tensor(each, dtype=torch.long, device=device) for each in (had, kept, concepts))
        return regrouped(self.state, group, staying, rows, filed)

    def told(
        self, stories: Sequence[Placement], judgement: Judgement, n_shares: int = SHOWN_SHARES
    ) -> Iterator[tuple[Placement, Evidence]]:
        """A judgement of these stories, in words and names; of a story with a number that is not finite, nothing."""
        own = torch.tensor([self.number[story.concept or ""] for story in stories], dtype=torch.long)
        shares = judgement.shares.cpu().clone()
        is_finite = (shares.isfinite().all(1) & judgement.strange.cpu().isfinite()).tolist()
        shares[torch.arange(len(own)), own] = -1.0
        top = shares.topk(min(n_shares, len(self.concepts) - 1), dim=1)
        columns = (
            stories, is_finite, judgement.strange.tolist(), judgement.misfiled.tolist(), judgement.strengths,
            judgement.reads_as.tolist(), judgement.margin.tolist(), top.indices.tolist(), top.values.tolist(),
        )  # fmt: skip
        for story, is_told, strange, misfiled, strength, reads_as, margin, others, values in zip(*columns, strict=True):
            yield (
                story,
                Evidence(
                    text_id=story.text_id,
                    concept=story.concept or "",
                    scenario=story.scenario,
                    strange=strange if is_told else 0.0,
                    misfiled=misfiled if is_told else 0.0,
                    strength=strength if is_told else "too few to tell",
                    reads_as=self.concepts[reads_as] if is_told and reads_as >= 0 else None,
                    shares=[(self.concepts[c], share) for c, share in zip(others, values, strict=True)]
                    if is_told
                    else [],
                    margin=margin if is_told and isfinite(margin) else None,
                ),
            )


def _judge(
    ordered: Sequence[Placement], means: Rows, last: _Judged | None, renewed: Collection[str]
) -> Generator[None, None, _Judged]:
    concepts = tuple(sorted({story.concept or "" for story in ordered}))
    number = {name: c for c, name in enumerate(concepts)}
    names = sorted({story.scenario for story in ordered if story.scenario is not None})
    scenarios: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    rows = means.take([story.text_id for story in ordered])
    stories = Stories(
        rows=rows,
        concepts=torch.tensor([number[story.concept or ""] for story in ordered], device=rows.device),
        scenarios=torch.tensor([scenarios.get(story.scenario, UNPAIRED) for story in ordered], device=rows.device),
        n_concepts=len(concepts),
    )
    tuning = None
    if last is not None and last.state.reading is not None:
        origins = [-1 if story.text_id in renewed else last.index.get(story, -1) for story in ordered]
        tuning = last.state.reading.tuning.carried(torch.tensor(origins, device=rows.device))
    state = yield from judge_in_steps(stories, None if tuning is None or tuning.is_outdated else tuning)
    return _Judged(tuple(ordered), concepts, scenarios, state)


def _group(story: Placement) -> Group:
    return (story.concept, None) if story.scenario is None else (None, story.scenario)


def _place(story: Placement) -> tuple[str, str, str | None]:
    return story.text_id, story.concept or "", story.scenario


def _order(story: Placement) -> tuple[str, str, str]:
    return story.concept or "", story.scenario or "", story.text_id
