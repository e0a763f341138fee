"""What to compute next: pure functions of what is on disk, what is prepared, and what was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, replace

from engine.corpus import Change, Story, changed_paths, diff
from engine.wire.protocol import Retrain

A_FEW = 16
"""Up to so many new texts go through the model at once, as edits; more are prepared in the background first."""


@dataclass(frozen=True)
class Wishes:
    """What has been asked for and not been done yet. Its methods return the wishes after something happened."""

    live: bool = True
    """Follow every change; otherwise only what `asked` names."""
    asked: frozenset[str] = frozenset()
    """Paths whose stories are to be as they are on disk, although changes are not followed."""
    fresh: frozenset[str] = frozenset()
    """Ids of texts to go through the model again."""
    declined: frozenset[str] = frozenset()
    """Ids of texts that someone cancelled: they are not run until they are asked for."""
    held: frozenset[str] = frozenset()
    """Ids of texts that are being prepared: their stories stay as they were until all of these are at hand."""

    def retrain(self, request: Retrain, stories: Mapping[str, Story], applied: Mapping[str, Story]) -> Wishes:
        """After a request to retrain: with the stories that it covers, which are on disk (`stories`) or gone from there
        but still in the numbers (`applied`). A request that names nothing covers all."""
        concepts, paths = set(request.concepts), set(request.paths)
        covered = {path: stories.get(path) or applied[path] for path in stories.keys() | applied.keys()}
        if concepts or paths:
            covered = {path: story for path, story in covered.items() if story.concept in concepts or path in paths}
        text_ids = {story.text_id for path, story in covered.items() if path in stories}
        return replace(
            self,
            asked=self.asked | covered.keys(),
            fresh=self.fresh | text_ids,
            declined=self.declined - text_ids,
        )

    def cancel(self, prepared_ids: Set[str]) -> Wishes:
        """After a cancel: nothing is asked for any more; texts that wait for the model are declined."""
        empty = frozenset[str]()
        declined = self.declined | (self.held - prepared_ids)
        return replace(self, asked=empty, fresh=empty, declined=declined, held=empty)

    def arrived(self, text_ids: Set[str]) -> Wishes:
        """After these texts went through the model, or came from the store."""
        return replace(self, fresh=self.fresh - text_ids)

    def released(self) -> Wishes:
        """After all texts were prepared, or given up: no story waits for them any more."""
        return replace(self, held=frozenset())

    def done(self, plan: Plan) -> Wishes:
        """After the numbers of a plan were computed."""
        return replace(
            self,
            fresh=self.fresh - plan.fresh,
            declined=self.declined - {story.text_id for story in plan.now.values()},
            asked=self.asked & plan.waiting,
        )


@dataclass(frozen=True)
class Plan:
    """The stories that the numbers shall be of next, and the texts that must go through the model for that."""

    now: dict[str, Story]
    """The stories that the numbers shall be of, by path."""
    changes: list[Change]
    """What differs in `now` from the stories that the numbers are of."""
    fresh: frozenset[str]
    """Ids of texts of `now` that go through the model again."""
    prepare: list[str]
    """Ids of texts to prepare in the background."""
    first: tuple[str, ...]
    """Those of `prepare` whose stories are on someone's screen."""
    waiting: frozenset[str]
    """Paths of stories that wait until their texts are prepared."""
    stale: int
    """How many stories on disk differ from `now` and do not wait for anything."""
    wishes: Wishes
    """What is still wished for while this plan is followed: more texts may be held, and those of no story are gone."""

    @property
    def is_idle(self) -> bool:
        """Whether the numbers are of these stories already."""
        return not self.changes and not self.fresh


def plan(
    disk: Mapping[str, Story],
    applied: Mapping[str, Story] | None,
    prepared_ids: Set[str],
    wishes: Wishes,
    shown: Collection[str] = (),
) -> Plan:
    """Plan what the numbers shall be of next.

    Args:
        disk: stories by path.
        applied: those that the numbers are of; None before there are any.
        prepared_ids: ids of texts whose activations are at hand.
        wishes: what has been asked for.
        shown: paths of stories that are on someone's screen: their new texts do not wait with the others, and their
            texts that are to be run again go first.
    """
    target = _target(disk, applied or {}, applied is None, wishes)
    text_ids = {story.text_id for story in target.values()}
    fresh = wishes.fresh & text_ids
    missing = (text_ids - prepared_ids) | fresh
    on_screen = [target[path].text_id for path in shown if path in target]
    urgent = set() if applied is None else set(on_screen) - prepared_ids
    held = (wishes.held & text_ids) - urgent
    new = missing - held
    if len(new) > A_FEW or (applied is None and held):
        held |= new - urgent
    waiting = {path for path, story in target.items() if story.text_id in held} if held else set[str]()
    before, now = applied or {}, target
    if waiting:
        now = {path: story for path, story in target.items() if path not in waiting}
        now |= {path: before[path] for path in waiting if path in before}
    unplanned = (changed_paths(now, disk) & disk.keys()) - waiting
    stale = sum(1 for path in unplanned if not _has_same_text(disk[path], now.get(path)))
    different = changed_paths(before, now)
    first = tuple(text_id for text_id in dict.fromkeys(on_screen) if text_id in held & missing)
    rest = sorted((held & missing).difference(first))
    return Plan(
        now=now,
        changes=diff(*([stories[path] for path in different if path in stories] for stories in (before, now))),
        fresh=fresh - held,
        prepare=[*first, *rest],
        first=first,
        waiting=frozenset(waiting),
        stale=stale,
        wishes=replace(wishes, fresh=fresh, held=held),
    )


def _target(
    disk: Mapping[str, Story], applied: Mapping[str, Story], is_first: bool, wishes: Wishes
) -> dict[str, Story]:
    """The stories that the numbers shall be of once all that was asked for is done."""
    follow = wishes.live or is_first
    if follow and not wishes.declined:
        return dict(disk)
    target = {}
    for path in disk.keys() | applied.keys():
        is_asked = path in wishes.asked
        story = disk.get(path) if follow or is_asked else applied.get(path)
        if story is not None and story.text_id in wishes.declined and not is_asked:
            story = applied.get(path)
        if story is not None:
            target[path] = story
    return target


def _has_same_text(story: Story, planned: Story | None) -> bool:
    return planned is not None and planned.text_id == story.text_id
