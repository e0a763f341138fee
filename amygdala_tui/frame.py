"""The lines of the frame around every view: what stands above it, what moved, and the keys. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from rich.style import Style
from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.actions import ACTIONS, Action, View
from amygdala_tui.keymap import shown
from amygdala_tui.mirror import Mirror
from amygdala_tui.moved import first_step, result
from amygdala_tui.sitting import Opened, Tally
from amygdala_tui.words import engine_state, fit
from engine.plain import plain
from engine.wire.snapshot import StoryView

VIEWS: dict[View, str] = {
    "queue": "1 Queue",
    "triage": "2 Triage",
    "corpus": "3 Corpus",
    "concept": "4 Concept",
    "engine": "8 Engine",
}
WIDE = 100
"""Columns from which a list and what is selected in it fit side by side; below, they take turns."""
LARGE = 150
"""Columns from which the list gets more of them."""
LONGEST_TARGET = 24
"""Columns that the footer has for the name of what a key acts on."""
Going = Literal["", "back", "read"]
"""Which way Enter or Esc leads, where the footer says so."""
LAST_KEYS = ("help", "leave")
"""Actions whose keys the footer shows in any case."""


def status_line(mirror: Mirror, away: str, corpus: str, view: View, tally: Tally, *, width: int) -> Text:
    """The corpus, the views, and what the engine does, in `width` columns.

    Where the labels of all views do not fit, the line has the shown view's, and how far the sitting has come.

    Args:
        mirror: what is known of the corpus.
        away: why no engine is connected; else empty.
        corpus: the corpus's name.
        view: the id of the shown view.
        tally: what has become of the stories that were to fix.
        width: of the line, in columns.
    """
    state = engine_state(mirror, away)
    name = Text.assemble((f" {fit(plain(corpus), 20)}  ", styles.HEADING))
    left = name.copy()
    for place, label in VIEWS.items():
        click = Style.from_meta({"@click": f"screen.show('{place}')"})
        left.append(f" {label} ", style=click + (styles.KEY if place == view else Style()))
    if left.cell_len + state.cell_len + 2 > width:
        left = Text.assemble(name, (f" {VIEWS.get(view, 'Find')} ", styles.KEY), f"  {so_far(tally)}")
    left.truncate(max(1, width - state.cell_len - 2), overflow="ellipsis", pad=True)
    return Text.assemble(left, " ", state, " ")


def so_far(tally: Tally) -> str:
    """How far a sitting has come: "fixed 2 · kept 1 of 10"; empty before anything was to fix."""
    return f"fixed {tally.fixed} · kept {tally.kept} of {tally.flagged}" if tally.flagged else ""


def result_line(mirror: Mirror, away: str, opened: Mapping[str, Opened], marked: Sequence[str]) -> Text:
    """What went wrong; else what the last revision moved, `opened` telling how each story was when it was opened."""
    doing = mirror.doing
    if away:
        return Text(plain(away), style=styles.BAD)
    if doing is not None and doing.state == "failed":
        return Text.assemble((f"failed: {plain(doing.detail)}", styles.BAD), "  (8: more)")
    if mirror.moves and (mirror.moves[0].changes or marked):
        return result(mirror.moves[0], opened, mirror, marked)
    return Text(first_step(mirror), style="" if mirror.misread else styles.DIM)


def can_be_done(action: Action, view: View, has_story: bool, *, has_marked: bool = False) -> bool:
    """Whether an action makes sense in a view, with or without a lit story and marked ones to act on."""
    has_target = has_story or (has_marked and action.takes_marked)
    return view in action.views and (has_target or not action.needs_story)


def key_labels(mirror: Mirror, view: View, story: StoryView | None, n_marked: int, going: Going) -> dict[str, str]:
    """Words in place of actions' own labels, by action id.

    Args:
        mirror: what is known of the corpus.
        view: the id of the shown view.
        story: the selected one.
        n_marked: how many stories are marked.
        going: which way Enter or Esc leads.
    """
    labels = {"live": "pause" if mirror.doing is None or mirror.doing.live else "resume"}
    if n_marked:
        labels["accept"] = f"accept {n_marked} marked"
    elif story is not None and story.accepted is not None:
        labels["accept"] = "take back"
    if going:
        labels["going"] = {"back": "esc back", "read": "⏎ stories" if view == "triage" else "⏎ read"}[going]
    return labels


def key_line(
    keys: Mapping[str, str],
    view: View,
    target: str,
    labels: Mapping[str, str],
    *,
    width: int,
    has_marked: bool = False,
) -> Text:
    """The keys of a view, on one line; those that there is no room for are left out from the end.

    Args:
        keys: the writer's own, by action id.
        view: the id of the shown view.
        target: what actions on stories act on, in a few words; empty where there is nothing.
        labels: words in place of an action's own label, by action id.
        width: of the line, in columns.
        has_marked: whether stories are marked.
    """
    named = [
        action
        for action in ACTIONS
        if view in action.in_footer and can_be_done(action, view, bool(target), has_marked=has_marked)
    ]
    parts = [(action, _key_words(action, keys, target, labels)) for action in named]
    line = Text(f"{labels['going']}  " if "going" in labels else "")
    room = width - line.cell_len - sum(len(words) for action, words in parts if action.id in LAST_KEYS)
    for action, words in parts:
        if action.id not in LAST_KEYS:
            room -= len(words)
            if room < 0:
                continue
        key, _, label = words.partition(" ")
        click = Style.from_meta({"@click": f"screen.{action.method}"})
        line.append(key, style=click + styles.HEADING).append(f" {label}", style=click + styles.DIM)
    return line


def _key_words(action: Action, keys: Mapping[str, str], target: str, labels: Mapping[str, str]) -> str:
    name = keys.get(action.id, action.key)
    words = labels.get(action.id, action.label)
    if action.id == "edit":
        words += f" {fit(target, LONGEST_TARGET)}"
    return f"{shown(name)} {words}  "
