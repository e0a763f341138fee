"""What to compute next: pure functions of what is on disk, what is prepared, and what was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, replace

from engine.corpus import Change, Story, diff
from engine.wire.protocol import Retrain

A_FEW = 16
"""Texts that go through the model at once, as edits; more than that are prepared in the background first."""


@dataclass(frozen=True)
class Wishes:
    """What has been asked for and not been done yet."""

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
        """With the stories that a request covers, on disk (`stories`) or no longer there but in the numbers; with all
        where it names nothing."""
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
        """With nothing more asked for, and nothing run that waits for the model; what is prepared is taken."""
        nothing = frozenset[str]()
        declined = self.declined | (self.held - prepared_ids)
        return replace(self, asked=nothing, fresh=nothing, declined=declined, held=nothing)

    def arrived(self, text_ids: Set[str]) -> Wishes:
        """These texts have gone through the model, or come from the store."""
        return replace(self, fresh=self.fresh - text_ids)

    def released(self) -> Wishes:
        """All that was being prepared is at hand, or is given up: no story waits for it any more."""
        return replace(self, held=frozenset())

    def done(self, plan: Plan) -> Wishes:
        """The numbers are as planned."""
        return replace(
            self,
            fresh=self.fresh - plan.fresh,
            declined=self.declined - {story.text_id for story in plan.now.values()},
            asked=self.asked & plan.waiting,
        )


@dataclass(frozen=True)
class Plan:
    """What the numbers shall be of next, and what must go through the model before and for that."""

    now: dict[str, Story]
    """By path."""
    changes: list[Change]
    """What leads there from the stories that the numbers are of."""
    fresh: frozenset[str]
    """Ids of texts that go through the model again for it."""
    prepare: list[str]
    """Ids of texts to prepare in the background."""
    first: tuple[str, ...]
    """Those of them that are on someone's screen."""
    waiting: frozenset[str]
    """Paths whose stories wait for that."""
    stale: int
    """Stories that differ from those the numbers will be of, and do not wait for anything."""
    wishes: Wishes
    """What is still wished for once this plan is followed: with the texts that join those being prepared, and without
    what nobody wants any more."""

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
        shown: paths of stories that are on someone's screen: new texts of theirs do not wait with the others, and what
            is to be run again goes first.
    """
    wanted = _wanted(disk, applied or {}, applied is None, wishes)
    text_ids = {story.text_id for story in wanted.values()}
    fresh = wishes.fresh & text_ids
    missing = (text_ids - prepared_ids) | fresh
    on_screen = [wanted[path].text_id for path in shown if path in wanted]
    urgent = set() if applied is None else set(on_screen) - prepared_ids
    held = (wishes.held & text_ids) - urgent
    new = missing - held
    if len(new) > A_FEW or (applied is None and held):
        held |= new - urgent
    now = {}
    waiting = set()
    for path, story in wanted.items():
        if story.text_id not in held:
            now[path] = story
            continue
        waiting.add(path)
        if applied is not None and path in applied:
            now[path] = applied[path]
    stale = sum(1 for path in disk if path not in waiting and not _same(disk[path], now.get(path)))
    first = tuple(text_id for text_id in dict.fromkeys(on_screen) if text_id in held & missing)
    rest = sorted((held & missing).difference(first))
    return Plan(
        now=now,
        changes=diff((applied or {}).values(), now.values()),
        fresh=fresh - held,
        prepare=[*first, *rest],
        first=first,
        waiting=frozenset(waiting),
        stale=stale,
        wishes=replace(wishes, fresh=fresh, held=held),
    )


def _wanted(
    disk: Mapping[str, Story], applied: Mapping[str, Story], is_first: bool, wishes: Wishes
) -> dict[str, Story]:
    """The stories that the numbers shall be of once all that was asked for is done."""
    follow = wishes.live or is_first
    wanted = {}
    for path in disk.keys() | applied.keys():
        asked = path in wishes.asked
        story = disk.get(path) if follow or asked else applied.get(path)
        if story is not None and story.text_id in wishes.declined and not asked:
            story = applied.get(path)
        if story is not None:
            wanted[path] = story
    return wanted


def _same(story: Story, other: Story | None) -> bool:
    return other is not None and other.text_id == story.text_id
