"""What a change has made of stories and concepts, in words: the verdict first. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.sitting import Opened, Tally
from amygdala_tui.words import arrow, counted, duration, number, title
from engine.corpus import Change
from engine.evidence import MISREAD
from engine.plain import plain
from engine.triage import accepted_words
from engine.wire.snapshot import ConceptMove, Ended, Moved, StoryMove, StoryView

SHOWN_VERDICTS = 3
"""Changed stories whose verdict is told, where none are marked."""


def result(moved: Moved, opened: Mapping[str, Opened], mirror: Mirror, marked: Sequence[str] = ()) -> Text:
    """What a revision did to stories, for the writer who made it: the verdicts, what is newly misread, and the cause.

    Args:
        moved: the revision.
        opened: stories as they were when the writer came to them; for others, before is the revision before.
        mirror: the corpus as it is now.
        marked: stories that are to be fixed together.
    """
    text = marked_words(marked, opened, mirror).append("\n") if marked else Text()
    to_fix, newly = moved.queue, frozenset[str]()
    changed = {path for change in moved.changes for path in change.paths}
    for story in moved.stories[:SHOWN_VERDICTS]:
        before, now = opened.get(story.path), mirror.stories.get(story.path)
        if now is not None and now.accepted is not None:
            words: Text | None = Text(plain(accepted_words(now.accepted)), style=styles.DIM)
        elif before is not None and now is not None and before.revision and before.revision < moved.revision:
            to_fix = len(before.misread - _accepted_since(before, mirror)), len(mirror.misread)
            newly |= mirror.misread - before.misread - changed
            words = verdict(Standing.of(before.story), Standing.of(now), now.concept or "")
        else:
            words = verdict(*Standing.moved(story), PurePosixPath(story.path).stem)
        if words:
            text.append_text(words).append(" · ")
    for ended in moved.ended:
        text.append(f"{ended_words(ended)} · ", style=styles.HEADING)
    if newly:
        names = ", ".join(plain(title(path)) for path in sorted(newly))
        text.append(f"newly misread: {names} · ", style=styles.MISREAD)
    if to_fix[0] != to_fix[1]:
        text.append(f"to fix {to_fix[0]} → {to_fix[1]} · ", style=styles.HEADING)
    return text.append(cause(moved), style=styles.DIM)


def _accepted_since(before: Opened, mirror: Mirror) -> set[str]:
    """Stories that were to fix and are accepted now: no edit's merit."""
    views = (mirror.stories.get(path) for path in before.misread)
    return {view.path for view in views if view is not None and view.accepted is not None}


def revision_words(moved: Moved) -> Text:
    """What made a revision, what it cost, and what it moved in the numbers of concepts."""
    texts = f"{counted(moved.cost.texts_run, 'text', 'texts')} run"
    if moved.cost.texts_cached:
        texts += f" ({moved.cost.texts_cached} from the cache)"
    text = Text.assemble(
        (f"rev {moved.revision}", styles.HEADING), f" · {cause(moved)}, {texts}, {duration(moved.seconds)}"
    )
    ended_concepts = {ended.concept for ended in moved.ended}
    for ended in moved.ended:
        text.append(f" · {ended_words(ended)}", style=styles.HEADING)
    concepts = [move for move in moved.concepts if move.concept not in ended_concepts]
    for concept in sorted(concepts, key=lambda move: move.bucket[0] == move.bucket[1]):
        words = concept_words(concept)
        if words.plain != concept.concept:  # it moved, but not in the two digits that are shown
            text.append(" · ").append_text(words)
    if not concepts and moved.revision > 1:
        text.append(" · no concept moved")
    return text


def cause(moved: Moved) -> str:
    """What made a revision: what became of which files."""
    if moved.renamed:
        renamed = ", ".join(f"{plain(each.old)} → {plain(each.new)}" for each in moved.renamed)
        return f"renamed {renamed}"
    if not moved.changes:
        return moved.cause
    first = moved.changes[0]
    more = f" and {len(moved.changes) - 1} more" if len(moved.changes) > 1 else ""
    return f"{change_words(first)}{more}"


def change_words(change: Change) -> str:
    """What became of a file: "late-train / lonely edited", "late-train / lonely moved to sad"."""
    if change.old is None:
        return plain(f"{title(change.path)} {change.kind}")
    old, new = PurePosixPath(change.old), PurePosixPath(change.path)
    return plain(f"{title(change.old)} moved to {new.stem if old.parent == new.parent else title(change.path)}")


def ended_words(ended: Ended) -> str:
    """That a concept has no story any more, and why: "curious is gone (its only story was deleted)"."""
    n_stories = ended.n_deleted + ended.n_moved
    stories = "its only story was" if n_stories == 1 else f"its {n_stories} stories were"
    fate = "moved" if not ended.n_deleted else "deleted" if not ended.n_moved else "deleted or moved"
    return f"{plain(ended.concept)} is gone ({stories} {fate})"


def stages(moved: Moved) -> str:
    """Where a revision's time went."""
    spent = moved.stages
    parts = {
        "looking": spent.scanning,
        "waiting": spent.waiting,
        "model": spent.forward,
        "statistics": spent.statistics,
        "showing": spent.showing,
    }
    return ", ".join(f"{name} {duration(seconds)}" for name, seconds in parts.items())


MOST_NAMED = 3
"""Stories that are named at the end of a sitting."""
NOTICEABLE = 0.05
"""The least change of a probability that is called better or worse."""


@dataclass(frozen=True)
class Standing:
    """How a story stands at one time."""

    misfit: float | None
    own_share: float | None
    is_misread: bool

    @classmethod
    def of(cls, view: StoryView) -> Standing:
        """Of a story as it is shown."""
        return cls(view.misfit, view.shares[0][1] if view.shares else None, view.misread)

    @classmethod
    def moved(cls, move: StoryMove) -> tuple[Standing, Standing]:
        """Before a revision and after it."""
        before, after = (
            cls(misfit, own_share, strength in MISREAD)
            for misfit, own_share, strength in zip(move.misfit, move.own_share, move.strength, strict=True)
        )
        return before, after


def place_words(place: int | None, tally: Tally) -> str:
    """A story's place among all that were to fix in a sitting: "3 of 10 "."""
    return f"{place} of {tally.flagged} " if place is not None else ""


def first_step(mirror: Mirror) -> str:
    """What there is to do before anything has changed."""
    if not mirror.stories:
        return "Write the first story: +"
    if not mirror.is_judged:
        return "The stories are not judged yet; all of them can be read and edited."
    if not mirror.misread:
        return "Nothing to fix."
    look = "looks" if len(mirror.misread) == 1 else "look"
    words = f"{len(mirror.misread)} of {counted(len(mirror.stories), 'story', 'stories')} {look} misfiled."
    return f"{words} n goes to the worst: e edits it, d writes on it here, a accepts it as it is."


def sitting_ends(mirror: Mirror, tally: Tally) -> str:
    """Why there is no next story to go to, and what has become of those that were to fix."""
    if not mirror.is_judged:
        return "the stories are not judged yet"
    if not tally.flagged:
        return "Nothing to fix."
    done = [f"{count} {word}" for count, word in ((tally.fixed, "fixed"), (tally.kept, "kept")) if count]
    still = [f"{plain(title(view.path))} still {plain(view.reason)}" for view in tally.left[:MOST_NAMED]]
    more = len(tally.left) - len(still)
    still += [f"{more} more still to fix"] if more else []
    end = "" if tally.left else " Nothing left to fix."
    return f"All {tally.flagged} looked at: {', '.join([*done, *still])}.{end}"


def marked_words(marked: Sequence[str], opened: Mapping[str, Opened], mirror: Mirror) -> Text:
    """The verdict of all marked stories, once each of them was saved after it was marked; until then, how many were."""
    saved = {
        change.path
        for moved in mirror.moves
        for change in moved.changes
        if change.path in opened and moved.revision > opened[change.path].revision
    }
    n_saved = sum(path in saved for path in marked)
    if n_saved < len(marked):
        saved_words = f" · {n_saved} saved" if n_saved else ""
        return Text.assemble((f"{len(marked)} marked: fix together", styles.HEADING), saved_words)
    text = Text.assemble((f"{len(marked)} marked, all saved: ", styles.HEADING))
    views = [mirror.stories[path] for path in marked]
    before = sum(opened[view.path].story.misread for view in views)
    text.append(f"misread {before} → {sum(view.misread for view in views)}")
    for view in views:
        words = verdict(Standing.of(opened[view.path].story), Standing.of(view), view.concept or "")
        if words is not None:
            text.append("\n" if view is views[0] else " · ")
            text.append(f"{plain(title(view.path))}: ").append_text(words)
    return text


def verdict(before: Standing, now: Standing, concept: str) -> Text | None:
    """What became of a story: cleared, better, worse, no change; then how it reads. None where it was not judged."""
    if now.misfit is None:
        return None
    reads = f"as {plain(concept)} {percents(before.own_share, now.own_share)}"
    if now.own_share is not None and now.misfit > 1 - now.own_share + NOTICEABLE:
        reads += f", unlike the others {percents(before.misfit, now.misfit)}"
    if before.misfit is None:
        return Text(f"{'misread: ' if now.is_misread else ''}{reads}", style=styles.MISREAD if now.is_misread else "")
    fall = before.misfit - now.misfit
    if before.is_misread != now.is_misread:
        word, style = ("newly misread", styles.MISREAD) if now.is_misread else ("cleared", styles.GOOD + styles.HEADING)
    elif abs(fall) < NOTICEABLE:
        word, style = "no change", styles.DIM
    else:
        word, style = ("better", styles.GOOD) if fall > 0 else ("worse", styles.RIVAL)
    still = ", still misread" if before.is_misread and now.is_misread else ""
    return Text(f"{word}: {reads}{still}", style=style)


def percents(before: float | None, now: float | None) -> str:
    """Before → after, as shares of a hundred: "8 → 64 %"."""
    shown = [None if value is None else f"{100 * value:.0f}" for value in (before, now)]
    return f"{shown[1]} %" if shown[0] in (None, shown[1]) else f"{shown[0]} → {shown[1]} %"


def concept_words(move: ConceptMove) -> Text:
    """One concept's move: its bucket if that changed, then the numbers that did."""
    text = Text.assemble((move.concept, styles.HEADING if move.affected else ""))
    if move.bucket[0] != move.bucket[1]:
        text.append(f" {move.bucket[0] or 'no vector'} → {move.bucket[1] or 'no vector'}", style=styles.HEADING)
    for label, pair in (("first PC", move.first_pc), ("nearest", move.nearest), ("R²", move.r_squared)):
        if number(pair[0]) != number(pair[1]):
            text.append(f" {label} {arrow(pair)}")
    return text
