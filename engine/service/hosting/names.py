"""Which concepts and scenarios have another name, and which concepts are gone. Pure functions of stories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from engine.corpus import Change, Story
from engine.wire.snapshot import Ended, Renamed

Name = Callable[[Story], str | None]


def renamed(changes: Sequence[Change], before: Mapping[str, Story], after: Mapping[str, Story]) -> list[Renamed]:
    """The concepts and the scenarios all of whose stories moved to one that was not there before.

    Args:
        changes: what leads from `before` to `after`.
        before: stories by path.
        after: likewise.
    """
    concepts = _renames(_concept, changes, before, after)
    scenarios = _renames(_scenario, changes, before, after)
    return [
        *(Renamed(kind="concept", old=old, new=new) for old, new in concepts.items()),
        *(Renamed(kind="scenario", old=old, new=new) for old, new in scenarios.items()),
    ]


def ended(changes: Sequence[Change], before: Mapping[str, Story], after: Mapping[str, Story]) -> list[Ended]:
    """The concepts that have no story any more, without those that were renamed; arguments as of `renamed`."""
    lost = {_concept(before[path]) for path in _left(changes)} - {None}
    lost -= {_concept(story) for story in after.values()} if lost else set()
    lost -= _renames(_concept, changes, before, after).keys()
    n_moved = Counter(_concept(before[change.old]) for change in changes if change.old is not None)
    n_all = Counter(map(_concept, before.values())) if lost else Counter()
    return [
        Ended(concept=name, n_deleted=n_all[name] - n_moved[name], n_moved=n_moved[name])
        for name in sorted(name for name in lost if name is not None)
    ]


def _renames(
    name: Name, changes: Sequence[Change], before: Mapping[str, Story], after: Mapping[str, Story]
) -> dict[str, str]:
    targets: dict[str, set[str | None]] = {}
    for change in changes:
        old, new = (None, None) if change.old is None else (name(before[change.old]), name(after[change.path]))
        if old is not None and old != new:
            targets.setdefault(old, set()).add(new)
    if not targets:
        return {}
    names_before, names_after = ({name(story) for story in stories.values()} for stories in (before, after))
    n_moved = Counter(name(before[change.old]) for change in changes if change.old is not None)
    n_all = Counter(map(name, before.values()))
    renames = {}
    for old, news in sorted(targets.items()):
        (new, *others) = news
        is_whole = old not in names_after and n_moved[old] == n_all[old]
        if is_whole and not others and new is not None and new not in names_before:
            renames[old] = new
    return {old: new for old, new in renames.items() if list(renames.values()).count(new) == 1}


def _left(changes: Sequence[Change]) -> list[str]:
    """Paths where a story stood that is there no more."""
    removed = [change.path for change in changes if change.kind == "removed"]
    return removed + [change.old for change in changes if change.old is not None]


def _concept(story: Story) -> str | None:
    return story.concept


def _scenario(story: Story) -> str | None:
    return story.scenario
