"""The client's copy of a corpus's snapshot. Pure: events in, state out; screens are functions of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from amygdala_tui.titles import titles
from engine.corpus import Corpus, Problem
from engine.settings import Settings
from engine.triage import accepted_words, by_bucket, rank
from engine.wire.protocol import Changed, Progressed, Snapshot
from engine.wire.snapshot import ConceptView, Doing, Moved, StoryView

KEPT_MOVES = 50


@dataclass(frozen=True)
class Mirror:
    """The studio's copy of one corpus's state. Before any engine answers: the stories on disk alone (revision 0)."""

    stories: dict[str, StoryView] = field(default_factory=dict)
    concepts: dict[str, ConceptView] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    layers: tuple[int, ...] = ()
    revision: int = 0
    settings: Settings | None = None
    doing: Doing | None = None
    """None while no engine is connected."""
    moves: tuple[Moved, ...] = ()
    """What each revision seen here moved, the newest first."""
    is_from_before: bool = False
    """Whether the numbers are the last ones known, of before this engine: it has not given any yet."""

    @property
    def middle(self) -> int | None:
        """The layer whose numbers stand for all."""
        return self.layers[len(self.layers) // 2] if self.layers else None

    @property
    def queue(self) -> list[StoryView]:
        """Stories worth a look, worst first."""
        ranked = [view for view in self.stories.values() if view.rank is not None]
        return sorted(ranked, key=lambda view: (view.rank or 0, view.path))

    @property
    def titles(self) -> Mapping[str, str]:
        """Short titles of the scenarios, by name."""
        return titles(self.scenarios)

    @property
    def scenarios(self) -> set[str]:
        """The names of all scenarios."""
        return {view.scenario for view in self.stories.values() if view.scenario is not None}

    @property
    def story_concepts(self) -> set[str]:
        """The names of all concepts that have stories, with a vector or without."""
        return {view.concept for view in self.stories.values() if view.concept is not None}

    @property
    def is_judged(self) -> bool:
        """Whether anything is said of how stories read."""
        return any(view.strength for view in self.stories.values())

    @property
    def n_accepted(self) -> int:
        """Stories that a writer accepts as they are."""
        return sum(view.accepted is not None for view in self.stories.values())

    @property
    def misread(self) -> frozenset[str]:
        """Paths of the stories that a writer should look at."""
        return frozenset(path for path, view in self.stories.items() if view.misread)

    def buckets(self) -> dict[str, list[str]]:
        """Concept names by bucket, and by mark (redundant, thin)."""
        return by_bucket((name, view.verdict) for name, view in self.concepts.items() if view.verdict is not None)

    def stories_of(self, concept: str) -> list[StoryView]:
        """A concept's stories: the likeliest to be off first, those that were not judged last."""
        views = [view for view in self.stories.values() if view.concept == concept]
        return sorted(views, key=lambda view: (view.misfit is None, -(view.misfit or 0.0), view.path))


class OutOfStep(Exception):
    """An event starts from another revision than the mirror has: the corpus must be opened again."""


def from_disk(corpus: Corpus) -> Mirror:
    """A mirror of a scan: its stories, with no numbers yet."""
    stories = {
        story.path: StoryView(
            path=story.path,
            concept=story.concept,
            scenario=story.scenario,
            state="stale",
            accepted=(accepted := corpus.acceptance(story)),
            reason="" if accepted is None else accepted_words(accepted),
        )
        for story in corpus.stories
    }
    return Mirror(stories=stories, problems=corpus.problems)


def accepting(mirror: Mirror, path: str, accepted: str | None) -> Mirror:
    """The state once a story is accepted, or not any more (None): what an engine will say, where there is one.

    Why a story is flagged only an engine can say, so that nothing stands there until it does.
    """
    before = mirror.stories.get(path)
    if before is None:
        return mirror
    view = msgspec.structs.replace(before, accepted=accepted, rank=None)
    place = None
    if accepted is None and view.misfit is not None and view.strength is not None:
        place = rank(view.misfit, view.strength)
    state = view.state if view.state not in ("ok", "misread") else "misread" if view.misread else "ok"
    reason = "" if accepted is None else accepted_words(accepted)
    view = msgspec.structs.replace(view, rank=place, state=state, reason=reason)
    return replace(mirror, stories=mirror.stories | {path: view})


def follow(mirror: Mirror, event: Snapshot | Changed | Progressed) -> Mirror:
    """The state after an event.

    Raises:
        OutOfStep: the event starts from another revision than this state's.
    """
    match event:
        case Progressed(doing=doing):
            return replace(mirror, doing=doing)
        case Snapshot():
            # until it has scanned, the engine may lack stories and problems that are on disk
            scanned = event.doing.state != "scanning"
            stories = {view.path: view for view in event.stories} if scanned else mirror.stories
            problems = tuple(event.problems) if scanned else mirror.problems
            state = replace(mirror, problems=problems, settings=event.settings, doing=event.doing)
            if event.revision == 0 and (mirror.revision or mirror.is_from_before):
                numbered = {path: _with_last_numbers(view, mirror.stories.get(path)) for path, view in stories.items()}
                return replace(state, stories=numbered, revision=0, is_from_before=True)
            return replace(
                state,
                stories=stories,
                concepts={view.name: view for view in event.concepts},
                layers=tuple(event.layers),
                revision=event.revision,
                moves=_remember(mirror.moves, event.moved),
                is_from_before=False,
            )
        case Changed():
            return _change(mirror, event)


def _with_last_numbers(view: StoryView, before: StoryView | None) -> StoryView:
    """A story that an engine has no numbers of yet, as it was last seen with some."""
    waits = view.state in ("computing", "stale")
    if before is None or before.state not in ("ok", "misread") or not waits or before.accepted != view.accepted:
        return view
    return before


def _change(mirror: Mirror, event: Changed) -> Mirror:
    if event.base != mirror.revision:
        raise OutOfStep
    stories = mirror.stories | {view.path: view for view in event.stories}
    for path in event.removed:
        stories.pop(path, None)
    concepts = mirror.concepts
    if event.concepts is not None:
        concepts = {view.name: view for view in event.concepts}
    return replace(
        mirror,
        stories=stories,
        concepts=concepts,
        problems=tuple(event.problems),
        layers=tuple(event.layers),
        revision=event.revision,
        moves=_remember(mirror.moves, event.moved),
        is_from_before=mirror.is_from_before and event.revision == 0,
    )


def _remember(moves: tuple[Moved, ...], moved: Moved | None) -> tuple[Moved, ...]:
    if moved is None or (moves and moves[0].revision == moved.revision):
        return moves
    return (moved, *moves)[:KEPT_MOVES]
