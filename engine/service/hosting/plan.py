"""What to compute next: pure functions from what is on disk, what is known, and what was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from engine.corpus import Change, Story, diff
from engine.wire.protocol import Retrain

A_FEW = 16
"""Texts that go through the model at once, as edits; more than that are prepared in the background first."""


@dataclass
class Wishes:
    """What has been asked for and not been done yet."""

    live: bool = True
    """Follow every change; otherwise only what `asked` names."""
    asked: set[str] = field(default_factory=set)
    """Paths whose stories are to be as they are on disk, although changes are not followed."""
    fresh: set[str] = field(default_factory=set)
    """Ids of texts to go through the model again."""
    declined: set[str] = field(default_factory=set)
    """Ids of texts that someone cancelled: they are not run until they are asked for."""
    held: set[str] = field(default_factory=set)
    """Ids of texts that are being prepared: their stories stay as they were until all of these are at hand."""

    def retrain(self, request: Retrain, stories: Mapping[str, Story], applied: Mapping[str, Story]) -> None:
        """Ask for the stories that a request covers, on disk (`stories`) or no longer there but in the numbers; for
        all where it names nothing."""
        concepts, paths = set(request.concepts), set(request.paths)
        for path in stories.keys() | applied.keys():
            story = stories.get(path) or applied[path]
            if (concepts or paths) and story.concept not in concepts and path not in paths:
                continue
            self.asked.add(path)
            if path in stories:
                self.fresh.add(story.text_id)
                self.declined.discard(story.text_id)

    def cancel(self, known: Collection[str]) -> None:
        """Ask for nothing more, and run nothing that waits for the model; what is known is taken."""
        self.declined |= self.held - set(known)
        self.asked.clear()
        self.fresh.clear()
        self.held.clear()

    def done(self, plan: Plan) -> None:
        """The numbers are as planned."""
        self.fresh -= plan.fresh
        self.declined -= {story.text_id for story in plan.now.values()}
        self.asked &= plan.waiting


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

    @property
    def is_idle(self) -> bool:
        """Whether the numbers are of these stories already."""
        return not self.changes and not self.fresh


def plan(
    disk: Mapping[str, Story],
    applied: Mapping[str, Story] | None,
    known: Collection[str],
    wishes: Wishes,
    shown: Collection[str] = (),
) -> Plan:
    """Plan; texts that join those in the background are added to `wishes.held`, and what is no longer wanted leaves it
    and `wishes.fresh`.

    Args:
        disk: stories by path.
        applied: those that the numbers are of; None before there are any.
        known: ids of texts whose activations are at hand.
        wishes: what has been asked for.
        shown: paths of stories that are on someone's screen: new texts of theirs do not wait with the others, and what
            is to be run again goes first.
    """
    wanted = _wanted(disk, applied or {}, applied is None, wishes)
    texts = {story.text_id for story in wanted.values()}
    wishes.fresh &= texts
    fresh = set(wishes.fresh)
    missing = (texts - set(known)) | fresh
    on_screen = [wanted[path].text_id for path in shown if path in wanted]
    awaited = set() if applied is None else set(on_screen) - set(known)
    wishes.held -= awaited
    wishes.held &= texts
    new = missing - wishes.held
    if len(new) > A_FEW or (applied is None and wishes.held):
        wishes.held |= new - awaited
    now = {}
    waiting = set()
    for path, story in wanted.items():
        if story.text_id not in wishes.held:
            now[path] = story
            continue
        waiting.add(path)
        if applied is not None and path in applied:
            now[path] = applied[path]
    stale = sum(1 for path in disk if path not in waiting and not _same(disk[path], now.get(path)))
    first = tuple(text_id for text_id in dict.fromkeys(on_screen) if text_id in wishes.held & missing)
    rest = sorted((wishes.held & missing).difference(first))
    return Plan(
        now=now,
        changes=diff((applied or {}).values(), now.values()),
        fresh=frozenset(fresh - wishes.held),
        prepare=[*first, *rest],
        first=first,
        waiting=frozenset(waiting),
        stale=stale,
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
