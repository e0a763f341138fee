"""What moved between two revisions, from what each showed. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from engine.corpus import Change
from engine.results import Cost
from engine.service.hosting.views import rounded
from engine.wire.snapshot import Cause, ConceptMove, ConceptView, Ended, Moved, Renamed, Stages, StoryMove, StoryView


class State:
    """What one revision showed: enough to say what the next one moved."""

    def __init__(self, stories: Mapping[str, StoryView], concepts: Iterable[ConceptView], middle: int | None) -> None:
        self.stories = stories
        self.concepts = {view.name: view for view in concepts}
        self.middle = middle
        self.n_misread = sum(view.misread for view in stories.values())


def moved(
    before: State,
    after: State,
    *,
    cause: Cause,
    changes: list[Change],
    renamed: Sequence[Renamed] = (),
    ended: Sequence[Ended] = (),
    affected: Collection[str],
    cost: Cost,
    stages: Stages,
) -> Moved:
    """What a revision changed: the concepts that moved by 0.005 or changed their bucket, the affected ones first.

    Its number is 0: the recorder (`engine.service.history`) numbers it later.
    """
    former = {each.new: each.old for each in renamed if each.kind == "concept"}
    names = (before.concepts.keys() | after.concepts.keys()) - set(former.values())
    moves = [
        _concept_move(name, former.get(name, name), name in affected, before, after)
        for name in sorted(names, key=lambda name: (name not in affected, name))
    ]
    return Moved(
        revision=0,
        cause=cause,
        changes=changes,
        renamed=list(renamed),
        ended=list(ended),
        cost=cost,
        seconds=sum(msgspec.structs.astuple(stages)),
        stages=stages,
        concepts=[move for move in moves if _is_visible(move)],
        stories=[_story_move(change, before, after, former) for change in changes],
        queue=(before.n_misread, after.n_misread),
    )


def _concept_move(name: str, former: str, affected: bool, before: State, after: State) -> ConceptMove:
    """A concept's move; `former` is its name before."""
    old, new = before.concepts.get(former), after.concepts.get(name)
    old_numbers, new_numbers = _numbers(old, before.middle), _numbers(new, after.middle)
    return ConceptMove(
        concept=name,
        affected=affected,
        bucket=(_label(old), _label(new)),
        first_pc=(old_numbers[0], new_numbers[0]),
        nearest=(old_numbers[1], new_numbers[1]),
        r_squared=(old_numbers[2], new_numbers[2]),
    )


def _numbers(view: ConceptView | None, middle: int | None) -> tuple[float | None, float | None, float | None]:
    if view is None or view.quality is None or middle is None:
        return None, None, None
    first_pc, nearest, r_squared = view.quality.headline(middle)
    return rounded(first_pc), rounded(nearest), rounded(r_squared)


def _label(view: ConceptView | None) -> str | None:
    return view.verdict.label if view is not None and view.verdict is not None else None


def _is_visible(move: ConceptMove) -> bool:
    pairs = (move.first_pc, move.nearest, move.r_squared)
    return move.bucket[0] != move.bucket[1] or any(_differs(*pair) for pair in pairs)


def _differs(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is not new
    return abs(old - new) >= 0.005


def _story_move(change: Change, before: State, after: State, former: Mapping[str, str]) -> StoryMove:
    """A story's move; `former` gives renamed concepts their old names."""
    old, new = before.stories.get(change.old or change.path), after.stories.get(change.path)
    concept = None if new is None else former.get(new.concept or "", new.concept)
    return StoryMove(
        path=change.path,
        misfit=(old.misfit if old else None, new.misfit if new else None),
        own_share=(_own_share(old) if concept is None else _share(old, concept), _own_share(new)),
        strength=(old.strength if old else None, new.strength if new else None),
    )


def _own_share(view: StoryView | None) -> float | None:
    return view.shares[0][1] if view is not None and view.shares else None


def _share(view: StoryView | None, concept: str) -> float | None:
    """How likely a story was to belong to a concept, be it its own or another one; None where that was not told."""
    return None if view is None else dict(view.shares).get(concept)
