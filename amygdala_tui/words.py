"""Numbers as words: how states look, and what moved. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rich.cells import cell_len
from rich.text import Text

from amygdala_tui.mirror import Mirror
from engine.plain import plain
from engine.results import Strength
from engine.wire.snapshot import ConceptMove, Doing, Moved, StoryMove, StoryView

SIGNS: dict[str, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "outlier": ("!", "bold yellow"),
    "stale": ("~ stale", "magenta"),
    "computing": ("* computing", "cyan"),
    "error": ("x error", "bold red"),
    "empty": ("- empty", "red"),
    "duplicate": ("= duplicate", "bold red"),
    "left-out": ("x left out", "bold red"),
}
"""A story's state as a sign, a word and a colour: never a colour alone."""

TAIL = 5
"""Characters kept of the end of a name that is cut."""
BAR = "▇"
LEVELS = "▁▂▃▄▅▆▇█"


def state_sign(view: StoryView) -> Text:
    """A story's state; an outlier also names what it reads as."""
    sign, style = SIGNS[view.state]
    if view.state == "outlier":
        sign = f"! {view.rival}"
    return Text(sign, style=style)


STRENGTHS: dict[Strength, str] = {
    "none": "",
    "borderline": "●   borderline",
    "fair": "●●  fair",
    "strong": "●●● strong",
    "too few to tell": "too few stories to tell",
}
"""How sure it is that a story is off."""


def judged(view: StoryView) -> str:
    """What the evidence says of a story, in a sentence; empty until it was judged."""
    if view.strength is None:
        return ""
    concept = plain(view.concept or "")
    if view.strength == "too few to tell":
        return "The evidence: too few stories of its concept, or too few concepts, to tell."
    if view.strength == "none":
        return f"The evidence: it reads as {concept}."
    own, *others = (share for _, share in view.shares)
    if view.reads_as is not None and own < max(others, default=0.0):
        return f"The evidence: it reads as {plain(view.reads_as)}, not as {concept}."
    return f"The evidence: it lies far from the other {concept} stories, whatever else it is."


def title(path: str) -> str:
    """A story's short name: scenario and concept."""
    parts = PurePosixPath(path)
    return parts.stem if parts.parts[0] == "stories" else f"{parts.parent.name} / {parts.stem}"


def fit(name: str, width: int) -> str:
    """A name cut in its middle to fit a width, since scenarios that begin alike differ at the end."""
    if cell_len(name) <= width or width < 2 * TAIL:
        return name
    return name[: width - TAIL - 1] + "…" + name[-TAIL:]


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


def arrow(pair: tuple[float | None, float | None]) -> str:
    """Before → after."""
    return f"{number(pair[0])} → {number(pair[1])}"


def engine_state(mirror: Mirror, away: str) -> Text:
    """The engine in a few words, for the status line: always a sign and a word."""
    doing = mirror.doing
    if away:
        return Text("○ no engine", style="bold red")
    if doing is None:
        return Text("○ looking for the engine", style="yellow")
    style = {"ready": "green", "failed": "bold red"}.get(doing.state, "cyan")
    sign = {"ready": "●", "failed": "x"}.get(doing.state, "◌")
    text = Text(f"{sign} {doing.state}", style=style)
    if doing.total:
        text.append(f" {progress(doing)}")
    return text


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


@dataclass(frozen=True)
class Opened:
    """A story as it was when the writer came to it."""

    revision: int
    story: StoryView
    misread_count: int
    """Of the whole corpus, then."""


def moved_line(
    moved: Moved, opened: Mapping[str, Opened] | None = None, stories: Mapping[str, StoryView] | None = None
) -> Text:
    """What a revision moved, worst news and the writer's own story first, on as few lines as the width allows.

    Args:
        moved: the revision.
        opened: stories as they were when the writer came to them; for others, before is the revision before.
        stories: the stories as they are now.
    """
    opened, stories = opened or {}, stories or {}
    misread_before = moved.queue[0]
    text = Text.assemble((f"rev {moved.revision}", "bold"), f" · {cause(moved)}, {duration(moved.seconds)}")
    for story in moved.stories[:3]:
        before, now = opened.get(story.path), stories.get(story.path)
        if before is not None and now is not None and before.revision and before.revision < moved.revision:
            misread_before = before.misread_count
            if words := _edit_words(before.story, now):
                text.append(" · ").append_text(words)
        elif words := _story_words(story):
            text.append(" · ").append_text(words)
    if misread_before != moved.queue[1]:
        text.append(f" · misread {misread_before} → {moved.queue[1]}", style="bold")
    for concept in sorted(moved.concepts, key=lambda move: move.bucket[0] == move.bucket[1]):
        words = concept_words(concept)
        if words.plain != concept.concept:  # it moved, but not in the two digits that are shown
            text.append(" · ").append_text(words)
    if not moved.concepts and moved.revision > 1:
        text.append(" · no concept moved")
    return text


def cause(moved: Moved) -> str:
    """What made a revision: files and how many texts the model ran."""
    texts = f"{counted(moved.cost.texts_run, 'text', 'texts')} run"
    if moved.cost.texts_cached:
        texts += f" ({moved.cost.texts_cached} from the cache)"
    if not moved.changes:
        return f"{moved.cause}, {texts}"
    first = moved.changes[0]
    more = f" and {len(moved.changes) - 1} more" if len(moved.changes) > 1 else ""
    return f"{title(first.path)} {first.kind}{more}, {texts}"


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


def _story_words(move: StoryMove) -> Text | None:
    if move.own[1] is None or move.rival_score[1] is None or move.rival[1] is None:
        return None
    better = move.own[0] is None or move.own[1] > move.own[0]
    concept = PurePosixPath(move.path).stem
    return Text(
        f"story: {concept} {arrow(move.own)}, {move.rival[1]} {number(move.rival_score[1])}",
        style="green" if better else "yellow",
    )


def _edit_words(before: StoryView, now: StoryView) -> Text | None:
    """What became of a story since the writer came to it: its own score, its rival's, the flag."""
    if now.own is None or now.rival is None or before.concept is None:
        return None
    better = before.own is None or now.own > before.own
    text = Text(f"story: {plain(before.concept)} {arrow((before.own, now.own))}", style="green" if better else "yellow")
    if before.rival in (None, now.rival):
        text.append(f", {plain(now.rival)} {arrow((before.rival_score, now.rival_score))}")
    else:
        text.append(f", {plain(before.rival or '')} {number(before.rival_score)}")
        text.append(f" → {plain(now.rival)} {number(now.rival_score)}")
    if before.misread != now.misread:
        text.append(", now misread" if now.misread else ", flag cleared")
    elif now.misread:
        text.append(", still misread")
    return text


def concept_words(move: ConceptMove) -> Text:
    """One concept's move: its bucket if that changed, then the numbers that did."""
    text = Text(move.concept, style="bold" if move.affected else "")
    if move.bucket[0] != move.bucket[1]:
        text.append(f" {move.bucket[0] or 'no vector'} → {move.bucket[1] or 'no vector'}", style="bold")
    for label, pair in (("first PC", move.first_pc), ("nearest", move.nearest), ("R²", move.r_squared)):
        if number(pair[0]) != number(pair[1]):
            text.append(f" {label} {arrow(pair)}")
    return text
