"""A found story as one line: its concept, its scenario, and the words around what was found. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import partial

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.find import Excerpt, Findable, Hits, excerpt
from amygdala_tui.folding import places_of
from amygdala_tui.texts import HeldText
from amygdala_tui.widgets.lines import Line
from amygdala_tui.words import fit
from engine.plain import JOINERS, plain

FOUND = styles.HEADING + Style(underline=True)
"""How found words look: not by colour alone."""
CONCEPT_WIDTH = 12
SCENARIO_WIDTH = 24
"""Columns of the names where a line is long; where it is short, they have a quarter of it each."""
LEAST_EXCERPT = 12
"""Columns below which there are no words of the text beside the names."""
MOST_LINES = 500
"""Making more takes longer than finding them, and nobody looks through so many."""
BEFORE = 3
"""One part in so many of an excerpt stands before the found word."""


def draw_hit(story: Findable, excerpt: Excerpt | None, words: tuple[str, ...], width: int) -> Text:
    """A found story, the found words marked.

    Args:
        story: the hit's.
        excerpt: of its text; None where only its name is shown.
        words: of the query, folded.
        width: columns that there are, all of which the line has.
    """
    name_widths = min(CONCEPT_WIDTH, width // 4), min(SCENARIO_WIDTH, width // 4)
    room = width - sum(name_widths) - 2
    if excerpt is None or room < LEAST_EXCERPT:
        name_widths = min(CONCEPT_WIDTH, width // 3), max(width - min(CONCEPT_WIDTH, width // 3) - 1, 0)
        room = 0
    line = Text()
    for name, name_width in zip((story.concept, story.scenario or "stories"), name_widths, strict=True):
        line.append_text(_marked(set_cell_size(fit(plain(name), name_width), name_width), words)).append(" ")
    if excerpt is not None and room:
        line.append_text(_marked(around(excerpt, room), words))
    line.truncate(width, pad=True)
    return line


def _marked(shown: str, words: tuple[str, ...]) -> Text:
    text = Text(shown)
    for start, end in places_of(words, shown):
        text.stylize(FOUND, start, end)
    return text


def around(excerpt: Excerpt, width: int) -> str:
    """The found word with the words around it, safe for a terminal, in at most `width` columns.

    What is left out has an ellipsis in its place. Blanks of any kind are one blank.
    """
    start, end = excerpt.span
    # no more than can be shown is looked at: a line may be the whole text
    before, after = excerpt.line[max(start - 2 * width, 0) : start], excerpt.line[end : end + 2 * width]
    found = set_cell_size(found, width) if cell_len(found := _blank(excerpt.line[start:end])) > width else found
    room = width - cell_len(found)
    left = _last(_blank(before), max(room // BEFORE, room - cell_len(_blank(after))), is_cut=start > 2 * width)
    right = _first(_blank(after), room - cell_len(left), is_cut=len(excerpt.line) > end + 2 * width)
    return (left + found + right).rstrip(" " + "".join(JOINERS))  # a joiner would swallow what comes next


def _blank(text: str) -> str:
    """A text on one line, each run of blanks one blank; those at its ends stay."""
    words: Sequence[str] = plain(text).split()
    inner = " ".join(words)
    return f"{' ' if text[:1].isspace() else ''}{inner}{' ' if inner and text[-1:].isspace() else ''}"


def _first(text: str, width: int, *, is_cut: bool) -> str:
    """The beginning of a text, in at most so many columns."""
    if not is_cut and cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def _last(text: str, width: int, *, is_cut: bool) -> str:
    """The end of a text, in at most so many columns: from the beginning of a word, if a word begins there."""
    if not is_cut and cell_len(text) <= width:
        return text
    if width < 2:
        return "…" if width == 1 and text else ""
    start = max(len(text) - width + 1, 0)  # no more characters than columns
    while cell_len(text[start:]) >= width:
        start += 1
    while start < len(text) and (text[start] in JOINERS or unicodedata.combining(text[start])):
        start += 1
    kept = text[start:]
    _, blank, whole_words = kept.partition(" ")
    return "…" + (whole_words if blank and whole_words and text[start - 1 : start] != " " else kept.lstrip())


def hit_lines(hits: Hits, texts: Mapping[str, HeldText]) -> list[Line]:
    """The lines of the best hits, and how many more there are; what a line shows is worked out when it is drawn.

    Args:
        hits: what a query found.
        texts: the texts that are held, by path (`amygdala_tui.texts.HeldTexts.texts`).
    """
    shown = hits.ranked[:MOST_LINES]
    lines = [Line(hit.story.path, partial(_draw_hit, hit.story, hits.words, texts)) for hit in shown]
    if n_more := len(hits.ranked) - len(shown):
        lines.append(
            Line("more", lambda _: Text(f"… and {n_more} more: type more of the words", styles.DIM), is_heading=True)
        )
    return lines


def _draw_hit(story: Findable, words: tuple[str, ...], texts: Mapping[str, HeldText], width: int) -> Text:
    held = texts.get(story.path)
    return draw_hit(story, None if held is None else excerpt(held.text, held.folded, words), words, width)
