"""What clients see of one corpus, published to them as it changes."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from engine.corpus import Accepted, Corpus, Problem, Story
from engine.corpus.model import Pair
from engine.errors import AmygdalaError
from engine.results import Cost, Draft, Results
from engine.service.history.recorder import Recorder
from engine.service.hosting import names, views
from engine.service.hosting.moves import State, moved
from engine.service.hosting.plan import Plan
from engine.service.hosting.progress import Announcer
from engine.service.hosting.story_views import Scores, StoryViews
from engine.service.hosting.story_views import problems as problems_of
from engine.settings import Settings
from engine.triage import Verdict
from engine.wire.protocol import Changed, Retrain, Snapshot
from engine.wire.snapshot import Cause, ConceptView, Moved, Stages, StoryView


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The times at which a revision came about, in seconds of `time.perf_counter`; `scanning` alone is a duration."""

    noticed: float
    scanning: float
    computed: float
    """When the results had come."""

    def stages(self, cost: Cost) -> Stages:
        """Where the time went until now; time that went neither into scanning nor into computing counts as waiting."""
        accounted = self.scanning + cost.seconds_forward + cost.seconds_statistics
        return Stages(
            scanning=self.scanning,
            waiting=max(0.0, self.computed - self.noticed - accounted),
            forward=cost.seconds_forward,
            statistics=cost.seconds_statistics,
            showing=time.perf_counter() - self.computed,
        )


@dataclass(frozen=True, kw_only=True)
class Revised:
    """What a new revision is made of."""

    planned: Plan
    before: Mapping[str, Story] | None
    """The stories that the numbers were of until now; None for the first revision."""
    computed: Collection[str]
    """Paths of stories that were computed."""
    results: Results
    cost: Cost
    is_retrain: bool
    """Whether texts were run again on request."""
    timing: Timing


class Published:
    """Stories, concepts and what moved, at one revision.

    Args:
        name: the corpus's name.
        settings: what is computed, with the thresholds of triage.
        announcer: passes events on.
        recorder: numbers and remembers revisions.
    """

    def __init__(self, name: str, settings: Settings, announcer: Announcer, recorder: Recorder) -> None:
        self.revision = 0
        self.results: Results | None = None
        self.concepts: list[ConceptView] = []
        self._name = name
        self._settings = settings
        self._announcer = announcer
        self._recorder = recorder
        self._problems: tuple[Problem, ...] = ()
        self._moved: Moved | None = None
        self._state: State | None = None
        self._scores: Scores | None = None
        self._views = StoryViews()
        self._told: Mapping[str, StoryView] = {}
        """The stories that clients show, by path."""
        self._is_told = False
        self._accepted: Mapping[str, Accepted] = {}
        self._relatives: frozenset[Pair] = frozenset()

    @property
    def stories(self) -> dict[str, StoryView]:
        """What is shown of every story file, by path."""
        return self._views.shown

    def snapshot(self) -> Snapshot:
        """The whole state, for a client that joins or comes back."""
        return Snapshot(
            corpus=self._name,
            revision=self.revision,
            settings=self._settings,
            doing=self._announcer.doing,
            layers=self._layers,
            stories=sorted(self.stories.values(), key=lambda view: view.path),
            concepts=self.concepts,
            problems=list(self._problems),
            moved=self._moved,
        )

    def check(self, request: Retrain, concepts: Collection[str | None]) -> None:
        """Refuse a retrain of what cannot be retrained; `concepts` are those of stories on disk or in the numbers.

        Raises:
            AmygdalaError: it names a concept or a story that the corpus does not have, or a story without text.
        """
        for name in request.concepts:
            if name not in concepts:
                raise AmygdalaError(f"no concept '{name}' in {self._name}")
        for path in request.paths:
            view = self.stories.get(path)
            if view is None:
                raise AmygdalaError(f"no story {path} in {self._name}")
            if view.state in ("empty", "error"):
                raise AmygdalaError(f"{path} cannot be computed: {view.reason}")

    def verdicts(self, draft: Draft) -> tuple[Verdict | None, Verdict | None]:
        """The verdicts on a draft's concept as it is, and as it would become."""
        assert self.results is not None
        return views.verdicts(draft, self._settings, self.results.middle)

    def show(self, disk: Corpus, applied: Mapping[str, Story], computing: Collection[str]) -> None:
        """Publish stories' states where they changed, at the same revision."""
        problems = problems_of(disk, applied, self.results)
        stories = self._views.follow(disk, problems, applied, self._scores, computing)
        if disk.accepted is not self._accepted:
            self._accepted = disk.accepted
            if self._state is not None:  # what the writer accepts is no merit of the next edit
                self._state = State(stories, self.concepts, self._state.middle)
        is_related_anew = self.results is not None and disk.relatives != self._relatives
        if is_related_anew:  # judged anew, and at the same revision: no number is another
            self._relatives = disk.relatives
            self.concepts = views.concept_views(self.results, self._settings, disk.relatives)
            if self._state is not None:
                self._state = State(stories, self.concepts, self._state.middle)
        if is_related_anew or stories != self._told or problems != self._problems:
            self._tell(stories, problems, self.revision, with_concepts=is_related_anew)

    async def revise(self, disk: Corpus, revised: Revised) -> None:
        """Take in the results of a revision: number it, publish it, and have it recorded."""
        stories, results = revised.planned.now, revised.results
        # before anything of the new state can be seen, since the first number and some others come from the disk
        is_first = self.revision == 0
        number = await (self._recorder.first(stories, self._settings, results) if is_first else self._recorder.next())
        problems = problems_of(disk, stories, results)
        before, after = self._evaluate(disk, problems, stories, results, revised.planned.waiting)
        changes = [] if revised.before is None else revised.planned.changes
        cause: Cause = "edited" if revised.planned.changes or not revised.is_retrain else "retrained"
        unnumbered = moved(
            before,
            after,
            cause="opened" if revised.before is None else cause,
            changes=changes,
            renamed=names.renamed(changes, revised.before or {}, stories),
            ended=names.ended(changes, revised.before or {}, stories),
            affected=_affected(revised.computed, revised.before or {}, stories),
            cost=revised.cost,
            stages=revised.timing.stages(revised.cost),
        )
        base, self.revision = self.revision, number
        self._moved = msgspec.structs.replace(unnumbered, revision=number)
        self._tell(after.stories, problems, base, with_concepts=True)
        self._recorder.record(self._moved, stories, self._settings, results, self.concepts)

    def settle(self, disk: Corpus, applied: Mapping[str, Story], results: Results) -> None:
        """Publish the settled results, at the same revision."""
        computing = {path for path, view in self.stories.items() if view.state == "computing"}
        problems = problems_of(disk, applied, results)
        _, after = self._evaluate(disk, problems, applied, results, computing)
        self._tell(after.stories, problems, self.revision, with_concepts=True)

    def _evaluate(
        self,
        disk: Corpus,
        problems: Collection[Problem],
        applied: Mapping[str, Story],
        results: Results,
        computing: Collection[str],
    ) -> tuple[State, State]:
        """Take in results; returns the state shown until now and the new one (twice the new one if none was shown)."""
        self.results = results
        self._relatives = disk.relatives
        self.concepts = views.concept_views(results, self._settings, disk.relatives)
        self._scores = Scores.of(results, applied, self._scores)
        stories = self._views.follow(disk, problems, applied, self._scores, computing)
        after = State(stories, self.concepts, results.middle)
        before, self._state = self._state or after, after
        return before, after

    @property
    def _layers(self) -> list[int]:
        return self.results.layers if self.results else []

    def _tell(
        self,
        stories: Mapping[str, StoryView],
        problems: tuple[Problem, ...],
        base: int,
        *,
        with_concepts: bool = False,
    ) -> None:
        different, removed = views.differing(self._told, stories)
        self._told, self._problems = stories, problems
        if not self._is_told:  # clients may still show the stories of their own scan, or of an earlier engine's
            self._is_told = True
            self._announcer.publish(self.snapshot())
            return
        self._announcer.publish(
            Changed(
                corpus=self._name,
                base=base,
                revision=self.revision,
                layers=self._layers,
                stories=different,
                removed=removed,
                concepts=self.concepts if with_concepts else None,
                problems=list(problems),
                moved=self._moved,
            )
        )


def _affected(computed: Collection[str], before: Mapping[str, Story], after: Mapping[str, Story]) -> set[str]:
    """Concepts of the stories at these paths, as they were and as they are."""
    stories = [story for path in computed for story in (before.get(path), after.get(path))]
    return {story.concept for story in stories if story is not None and story.concept is not None}
