"""Numbers as words: how states look, and what moved. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.sitting import Opened, Tally
from engine.corpus import Change
from engine.evidence import MISREAD, Measured, Strength
from engine.plain import plain
from engine.triage import accepted_words
from engine.wire.snapshot import ConceptMove, Doing, Ended, Moved, StoryMove, StoryView

SIGNS: dict[str, tuple[str, Style]] = {
    "ok": ("", styles.DIM),
    "misread": ("!", styles.MISREAD),
    "stale": ("~ stale", styles.BUSY),
    "computing": ("* computing", styles.BUSY),
    "error": ("x error", styles.BAD),
    "empty": ("- empty", styles.BAD),
    "duplicate": ("= duplicate", styles.BAD),
    "left-out": ("x left out", styles.BAD),
}
"""A story's state as a sign or a word, and a style: never a style alone."""

TAIL = 5
"""Cells kept of the end of a name that is cut."""
WRAPPING = Console()
"""Wrapping text asks for a console, and takes nothing from it."""
BAR = "▇"
LEVELS = "▁▂▃▄▅▆▇█"


def state_sign(view: StoryView) -> Text:
    """A story's state; a misread one also names what it reads as."""
    if view.accepted is not None and view.state == "ok":
        return Text("accepted", style=styles.DIM)
    sign, style = SIGNS[view.state]
    if view.state == "misread" and (rival := rival_in_lead(view)):
        sign = f"! {plain(rival)}"
    return Text(sign, style=style)


DOTS: dict[Strength, str] = {"borderline": "●", "fair": "●●", "strong": "●●●"}
"""How sure it is that a story is off, as dots."""
STRENGTHS: dict[Strength, str] = {
    "none": "",
    "borderline": "● borderline",
    "fair": "●● fair",
    "strong": "●●● strong",
    "too few to tell": "no verdict yet: too few stories of its concept, or too few concepts",
}
"""The same, in words."""


def rival_in_lead(view: StoryView) -> str | None:
    """The concept that a story belongs to more likely than to its own, if there is one."""
    (_, own), *others = view.shares or [("", 1.0)]
    rival, share = others[0] if others else ("", 0.0)
    return rival if share > own else None


def title(path: str) -> str:
    """A story's short name: scenario and concept."""
    parts = PurePosixPath(path)
    return parts.stem if parts.parts[0] == "stories" else f"{parts.parent.name} / {parts.stem}"


def fit(name: str, width: int) -> str:
    """A name cut in its middle to fit a width in cells, since scenarios that begin alike differ at the end."""
    if cell_len(name) <= width or width < 2 * TAIL:
        return name
    start = len(name) - TAIL
    while cell_len(name[start:]) > TAIL:
        start += 1
    return set_cell_size(name, width - 1 - cell_len(name[start:])).rstrip() + "…" + name[start:]


def bar(value: float, width: int) -> str:
    """A bar for a value between 0 and 1; the sign is lost, so print the number beside it."""
    return BAR * round(min(abs(value), 1.0) * width)


def sparkline(values: Sequence[float]) -> str:
    """One character per value between 0 and 1."""
    steps = len(LEVELS) - 1
    return "".join(LEVELS[round(min(max(value, 0.0), 1.0) * steps)] for value in values)


def counted(count: int, one: str, many: str) -> str:
    """A number of things: "1 story", "2 stories"."""
    return f"{count} {one if count == 1 else many}"


def number(value: float | None) -> str:
    """A number with two digits, or a dash where there is none."""
    return "—" if value is None else f"{value:.2f}"


def share_of_pairs(auroc: Measured | None) -> str:
    """An AUROC as the share of pairs that are read right, with its interval: "98 (96–99)"."""
    return "—" if auroc is None else f"{100 * auroc.value:.0f} ({100 * auroc.low:.0f}–{100 * auroc.high:.0f})"


def arrow(pair: tuple[float | None, float | None]) -> str:
    """Before → after."""
    return f"{number(pair[0])} → {number(pair[1])}"


def engine_state(mirror: Mirror, away: str) -> Text:
    """What the engine does, in a writer's words, for the status line: always a sign and words."""
    doing = mirror.doing
    if away:
        return Text.assemble(("○ no engine", styles.BAD))
    if doing is None:
        before = ": numbers of before" if mirror.is_from_before else ""
        return Text.assemble((f"○ looking for the engine{before}", styles.BUSY))
    match doing.state:
        case "scanning":
            return Text.assemble(("◌ looking at the files", styles.BUSY))
        case "loading":
            return Text.assemble(("◌ loading the model", styles.BUSY))
        case "computing":
            return Text.assemble((f"◌ reading {_reading(doing)}".rstrip(), styles.BUSY))
        case "failed":
            return Text.assemble(("x failed (8: why)", styles.BAD))
    if not doing.live:
        waits = f": {counted(doing.waiting, 'story waits', 'stories wait')}" if doing.waiting else ""
        return Text.assemble((f"‖ paused{waits}", styles.LOUD))
    return Text.assemble(("● up to date", styles.GOOD))


def _reading(doing: Doing) -> str:
    left = f", {duration(doing.left)} left" if doing.left is not None else ""
    return f"{counted(doing.total - doing.done, 'story', 'stories')}{left}" if doing.total else ""


def progress(doing: Doing) -> str:
    """Texts done, rate, time left."""
    left = f", {duration(doing.left)} left" if doing.left is not None else ""
    return f"{doing.done}/{doing.total} at {doing.rate:.0f}/s{left}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def moved_line(
    moved: Moved,
    opened: Mapping[str, Opened] | None = None,
    mirror: Mirror | None = None,
    marked: Sequence[str] = (),
) -> Text:
    """What a revision moved, the verdict on the changed stories first, on as few lines as the width allows.

    Args:
        moved: the revision.
        opened: stories as they were when the writer came to them; for others, before is the revision before.
        mirror: the corpus as it is now.
        marked: stories that are to be fixed together.
    """
    opened, mirror = opened or {}, mirror or Mirror()
    text = marked_words(marked, opened, mirror).append("\n") if marked else Text()
    to_fix, newly = moved.queue, frozenset[str]()
    changed = {path for change in moved.changes for path in change.paths}
    ended_concepts = {ended.concept for ended in moved.ended}
    for story in moved.stories[:3]:
        before, now = opened.get(story.path), mirror.stories.get(story.path)
        if now is not None and now.accepted is not None:
            words: Text | None = Text(plain(accepted_words(now.accepted)), style=styles.DIM)
        elif before is not None and now is not None and before.revision and before.revision < moved.revision:
            to_fix = len(before.misread), len(mirror.misread)
            newly |= mirror.misread - before.misread - changed
            words = verdict(Standing.of(before.story), Standing.of(now), now.concept or "")
        else:
            words = verdict(*Standing.moved(story), PurePosixPath(story.path).stem)
        if words:
            text.append_text(words).append(" · ")
    for ended in moved.ended:
        text.append(f"{ended_words(ended)} · ", style=styles.HEADING)
    if newly:
        text.append(
            f"newly misread: {', '.join(plain(title(path)) for path in sorted(newly))} · ", style=styles.MISREAD
        )
    if to_fix[0] != to_fix[1]:
        text.append(f"to fix {to_fix[0]} → {to_fix[1]} · ", style=styles.HEADING)
    text.append_text(
        Text.assemble((f"rev {moved.revision}", styles.HEADING), f" · {cause(moved)}, {duration(moved.seconds)}")
    )
    concepts = [move for move in moved.concepts if move.concept not in ended_concepts]
    for concept in sorted(concepts, key=lambda move: move.bucket[0] == move.bucket[1]):
        words = concept_words(concept)
        if words.plain != concept.concept:  # it moved, but not in the two digits that are shown
            text.append(" · ").append_text(words)
    if not concepts and moved.revision > 1:
        text.append(" · no concept moved")
    return text


def cause(moved: Moved) -> str:
    """What made a revision: files and how many texts the model ran."""
    texts = f"{counted(moved.cost.texts_run, 'text', 'texts')} run"
    if moved.cost.texts_cached:
        texts += f" ({moved.cost.texts_cached} from the cache)"
    if moved.renamed:
        renamed = ", ".join(f"{plain(each.old)} → {plain(each.new)}" for each in moved.renamed)
        return f"renamed {renamed}, {texts}"
    if not moved.changes:
        return f"{moved.cause}, {texts}"
    first = moved.changes[0]
    more = f" and {len(moved.changes) - 1} more" if len(moved.changes) > 1 else ""
    return f"{change_words(first)}{more}, {texts}"


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
