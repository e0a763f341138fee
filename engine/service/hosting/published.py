"""What clients see of one corpus, told to them as it changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from engine.corpus import Corpus, Problem, Story
from engine.results import Results
from engine.service.hosting import views
from engine.service.hosting.progress import Announcer
from engine.settings import Settings
from engine.wire.protocol import Changed, Snapshot
from engine.wire.snapshot import ConceptView, Moved, StoryView


class Picture:
    """Stories, concepts and what moved, at one revision.

    Args:
        name: the corpus's.
        settings: with the thresholds of triage.
        say: passes events on.
    """

    def __init__(self, name: str, settings: Settings, say: Announcer) -> None:
        self.revision = 0
        self.results: Results | None = None
        self.stories: dict[str, StoryView] = {}
        self.concepts: list[ConceptView] = []
        self._name = name
        self._settings = settings
        self._say = say
        self._problems: tuple[Problem, ...] = ()
        self._moved: Moved | None = None
        self._state: views.State | None = None
        self._is_told = False

    def snapshot(self) -> Snapshot:
        """All of it, for a client that comes or comes back."""
        return Snapshot(
            corpus=self._name,
            revision=self.revision,
            settings=self._settings,
            doing=self._say.doing,
            layers=self._layers,
            stories=sorted(self.stories.values(), key=lambda view: view.path),
            concepts=self.concepts,
            problems=list(self._problems),
            moved=self._moved,
        )

    def show(self, disk: Corpus, applied: Mapping[str, Story], computing: Collection[str]) -> None:
        """Tell of stories' states where they changed, at the same revision."""
        stories = views.story_views(disk, applied, self.results, computing)
        if stories != self.stories or disk.problems != self._problems:
            self._tell(stories, disk, self.revision)

    def evaluate(
        self, disk: Corpus, applied: Mapping[str, Story], results: Results, waiting: Collection[str]
    ) -> tuple[views.State, views.State]:
        """Take in results; returns the state that was shown and the one that will be, the same where there was none."""
        self.results = results
        self.concepts = views.concept_views(results, self._settings)
        after = views.State(views.story_views(disk, applied, results, waiting), self.concepts, results.middle)
        before, self._state = self._state or after, after
        return before, after

    def revise(self, disk: Corpus, moved: Moved) -> None:
        """Tell of the revision whose results were taken in last."""
        assert self._state is not None
        base, self.revision, self._moved = self.revision, moved.revision, moved
        self._tell(self._state.stories, disk, base, with_concepts=True)

    def settle(self, disk: Corpus, applied: Mapping[str, Story], results: Results) -> None:
        """Tell of what is settled now, at the same revision."""
        assert self.results is not None
        computing = {path for path, view in self.stories.items() if view.state == "computing"}
        _, after = self.evaluate(disk, applied, msgspec.structs.replace(results, work=self.results.work), computing)
        self._tell(after.stories, disk, self.revision, with_concepts=True)

    @property
    def _layers(self) -> list[int]:
        return self.results.layers if self.results else []

    def _tell(self, stories: Mapping[str, StoryView], disk: Corpus, base: int, *, with_concepts: bool = False) -> None:
        different, removed = views.differing(self.stories, stories)
        self.stories, self._problems = dict(stories), disk.problems
        if not self._is_told:  # until now clients may show stories that an earlier engine, or they, had found
            self._is_told = True
            self._say.publish(self.snapshot())
            return
        self._say.publish(
            Changed(
                corpus=self._name,
                base=base,
                revision=self.revision,
                layers=self._layers,
                stories=different,
                removed=removed,
                concepts=self.concepts if with_concepts else None,
                problems=list(disk.problems),
                moved=self._moved,
            )
        )
