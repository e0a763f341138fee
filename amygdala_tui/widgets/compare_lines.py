"""Two stories side by side, as lines: how each reads, its sentences with bars, and what both have. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import set_cell_size
from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.side_by_side import Common
from amygdala_tui.widgets.evidence_lines import (
    LEAST_TEXT,
    NARROW_BAR,
    ROOMY_TEXT,
    WIDE_BAR,
    bar_or_dot,
    beside,
)
from amygdala_tui.words import STRENGTHS, counted, fit, rival_in_lead, title
from engine.corpus import BASELINE
from engine.plain import plain
from engine.prose.sentences import Span
from engine.results import Draft
from engine.wire.snapshot import StoryView

TWO_COLUMNS_FROM = 96
"""Columns from which two stories stand beside one another; below, one of them is shown. A screen of 100 columns has as
many between its margins and the scroll bar."""
BETWEEN = " │ "
TEXT_WIDTH = 92
SAME = "= "
"""Before a sentence that both have."""
OWN = "  "
PASSAGE = "underline"
"""How a passage looks that both have."""


@dataclass(frozen=True)
class Side:
    """One of the two stories."""

    view: StoryView
    text: str = ""
    notice: str = ""
    """What is shown in place of a text that could not be read."""
    draft: Draft | None = None
    """How its sentences read; None until the engine has said so of this text."""

    def values(self, concept: str | None) -> Mapping[Span, float]:
        """What each sentence carries of a concept (`engine.results.Reading`); none where that was not told."""
        if self.draft is None or concept not in self.draft.concepts:
            return {}
        column = self.draft.concepts.index(concept)
        return {(reading.start, reading.end): reading.values[column] for reading in self.draft.sentences}


Sides = tuple[Side, Side]


def head(one: StoryView, other: StoryView | None, why_none: str, width: int, shown: int) -> Text:
    """The two stories' names and how each reads, in two lines.

    Args:
        one: the selected story's.
        other: its partner's; None where there is none.
        why_none: why there is none.
        width: columns that there are.
        shown: where there is room for one story: 0 or 1, which one.
    """
    nothing = Text(plain(why_none), style=styles.DIM)
    if width >= TWO_COLUMNS_FROM:
        column = _column(width)
        name = nothing if other is None else _name(other, column)
        reading = Text() if other is None else reads(other)
        return Text("\n").join((_joined(_name(one, column), name, column), _joined(reads(one), reading, column)))
    lines = []
    for number, view in enumerate((one, other)):
        line = Text("▸ " if number == shown else "  ")
        if view is None:
            line.append_text(nothing)
        else:
            reading = reads(view)
            room = max(width - line.cell_len - reading.cell_len - 2, width // 3)
            line.append_text(_name(view, room)).append("  ").append_text(reading)
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return Text("\n").join(lines)


def _name(view: StoryView, width: int) -> Text:
    return Text(fit(plain(f"{view.concept or BASELINE} · {view.scenario or 'stories'}"), width), style=styles.HEADING)


def reads(view: StoryView) -> Text:
    """How a story reads, in a line."""
    if view.concept is None:
        return Text("baseline: the scenario told neutrally", style=styles.DIM)
    if view.strength is None or not view.shares:
        return Text("not judged yet", style=styles.DIM)
    if view.strength == "too few to tell":
        return Text("no verdict yet", style=styles.DIM)
    (own, own_share), *others = view.shares
    shares = ", ".join(f"as {plain(name)} {100 * share:.0f} %" for name, share in view.shares[:2])
    if view.misread:
        rival = rival_in_lead(view)
        words = (
            f"unlike the others; {shares}"
            if rival is None
            else f"reads as {plain(rival)} {100 * others[0][1]:.0f} %, not as {plain(own)} {100 * own_share:.0f} %"
        )
        return Text.assemble((words, styles.RIVAL), (f"  {STRENGTHS[view.strength]}", styles.MISREAD))
    if rival_in_lead(view) is not None:
        return Text(f"torn: {shares}", style=styles.DIM)
    return Text(f"{shares}, accepted" if view.accepted is not None else shares)


def said(common: Common | None, sides: Sides) -> str:
    """What two texts have in common, in words; or which of them cannot be read."""
    notices = [f"{title(side.view.path)}: {side.notice}" for side in sides if side.notice]
    if notices or common is None:
        return plain("; ".join(notices))
    if common.is_whole:
        return "the two texts are the same"
    n_same, n_passages = len(common.same[0]), len((common.passages or ([],))[0])
    told = [f"{counted(n_same, 'sentence', 'sentences')} ({SAME.strip()})"] if n_same else []
    if n_passages:
        more = "more " if n_same else ""
        told.append(f"{counted(n_passages, f'{more}passage', f'{more}passages')} (underlined)")
    if not told:
        return "" if common.passages is None else "no sentence or passage in common"
    return f"in common: {', '.join(told)}"


def legend(concept: str | None, sides: Sides, width: int) -> Text:
    """The line above the bars: whose they are, or why there are none."""
    if concept is None:
        return Text()
    if not any(side.values(concept) for side in sides):
        has_answer = any(side.draft is not None for side in sides)
        words = "it has no vector yet" if has_answer else "the engine has not said yet"
        return Text(f"how their sentences read as {plain(concept)}: {words}", style=styles.DIM)
    is_wide = width >= TWO_COLUMNS_FROM
    column = _column(width) if is_wide else min(width, TEXT_WIDTH)
    text_width, bar_width = _widths(column)
    above = Text(" " * (len(OWN) + text_width + 1) + fit(plain(concept), bar_width), style=styles.DIM)
    return _joined(above, above, column) if is_wide else above


def rows(
    common: Common, sides: Sides, concept: str | None, width: int, *, only_differences: bool, shown: int
) -> list[list[Text]]:
    """The lines of each of `common.blocks`.

    Args:
        common: what the two texts have in common.
        sides: the stories.
        concept: whose bars stand beside the sentences; None for none.
        width: columns that there are.
        only_differences: whether sentences that both have are folded.
        shown: where there is room for one story: 0 or 1, which one.
    """
    peak = max((value for side in sides for value in side.values(concept).values()), default=0.0)
    is_wide = width >= TWO_COLUMNS_FROM
    column = _column(width) if is_wide else min(width, TEXT_WIDTH)
    columns = [_Column(common, side, n, concept, peak, column) for n, side in enumerate(sides)]
    drawn = []
    for block in common.blocks:
        if block.is_same and only_differences:
            drawn.append([_folded(len(block.one), width if is_wide else column)])
        elif not is_wide:
            drawn.append(columns[shown].lines(block.one if shown == 0 else block.other, only_differences))
        elif block.is_same:
            pairs = zip(block.one, block.other, strict=True)
            drawn.append([line for i, j in pairs for line in _beside_each_other(columns, [i], [j], column, False)])
        else:
            drawn.append(_beside_each_other(columns, block.one, block.other, column, only_differences))
    return drawn


def _beside_each_other(
    columns: Sequence[_Column], one: Sequence[int], other: Sequence[int], width: int, only_differences: bool
) -> list[Text]:
    left, right = columns[0].lines(one, only_differences), columns[1].lines(other, only_differences)
    return [_joined(*pair, width) for pair in zip_longest(left, right, fillvalue=Text())]


class _Column:
    """Draws the sentences of one story.

    Args:
        number: which of the two it is.
        concept: whose bars are drawn.
        peak: what the longest bar is of, in either story.
        width: columns that it has.
    """

    def __init__(self, common: Common, side: Side, number: int, concept: str | None, peak: float, width: int) -> None:
        self._text = side.text
        self._spans = common.sentences[number]
        self._same = common.same[number]
        self._passages = common.passages[number] if common.passages else []
        self._style = styles.OWN if concept == side.view.concept else styles.RIVAL
        self._values = side.values(concept)
        self._peak = peak
        self._text_width, self._bar_width = _widths(width)
        self._width = width

    def lines(self, numbers: Sequence[int], only_differences: bool) -> list[Text]:
        """Some sentences that follow one another; those that the other story has, too, are folded if asked for."""
        lines: list[Text] = []
        n_folded = 0
        for number in numbers:
            if only_differences and number in self._same:
                n_folded += 1
                continue
            lines += self._fold(n_folded)
            n_folded = 0
            if number and "\n\n" in self._text[self._spans[number - 1][1] : self._spans[number][0]]:
                lines.append(Text())
            lines += self._sentence(number)
        return lines + self._fold(n_folded)

    def _fold(self, n_folded: int) -> list[Text]:
        return [_folded(n_folded, self._width, where=", elsewhere")] if n_folded else []

    def _sentence(self, number: int) -> list[Text]:
        is_same = number in self._same
        bars = None
        if self._bar_width and (value := self._values.get(self._spans[number])) is not None:
            bars = Text(f" {bar_or_dot(value, self._peak, self._bar_width)}", style=self._style)
        return beside(self._marked(number), bars, SAME if is_same else OWN, self._text_width)

    def _marked(self, number: int) -> Text:
        """A sentence on one line, with the passages marked that the other story has, too."""
        start, end = self._spans[number]
        text = Text(style=styles.DIM if number in self._same else "")
        for begin, stop in self._passages:
            if start < stop and begin < end:
                text.append(_line(self._text[start : max(start, begin)]))
                text.append(_line(self._text[max(start, begin) : min(stop, end)]), style=PASSAGE)
                start = min(stop, end)
        return text.append(_line(self._text[start:end]))


def _line(text: str) -> str:
    return plain(text).replace("\n", " ")


def _folded(count: int, width: int, where: str = "") -> Text:
    words = f"… {counted(count, 'sentence is', 'sentences are')} the same{where} …"
    return Text(set_cell_size(OWN + words, min(width, len(OWN + words))), style=styles.DIM)


def _column(width: int) -> int:
    """The width of each of two columns."""
    return min((width - len(BETWEEN)) // 2, TEXT_WIDTH)


def _widths(column: int) -> tuple[int, int]:
    """Of the text and of the bars within a column; no bars where too little is left for the text."""
    for bar_width, least in ((WIDE_BAR, ROOMY_TEXT), (NARROW_BAR, LEAST_TEXT)):
        text_width = column - len(OWN) - 1 - bar_width
        if text_width >= least:
            return text_width, bar_width
    return max(column - len(OWN), 1), 0


def _joined(left: Text, right: Text, column: int) -> Text:
    """Two columns' texts as one line."""
    padded, cut = left.copy(), right.copy()
    padded.truncate(column, overflow="ellipsis", pad=True)
    cut.truncate(column, overflow="ellipsis")
    return Text.assemble(padded, (BETWEEN, styles.DIM), cut)
