"""The Compare pane: two stories side by side, with what each of their sentences says of one concept at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import accumulate

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.side_by_side import Common, Partner, compared_by, in_common, with_passages
from amygdala_tui.widgets.compare_lines import Side, Sides, head, legend, rows, said
from engine.plain import plain
from engine.results import Draft
from engine.threads import in_thread
from engine.wire.snapshot import StoryView

TextOf = Callable[[str], Awaitable[str | Text]]
"""The text of the story at a path, as it is on disk; as Text, what is shown in its place."""
ReadBy = Callable[[str, str, tuple[str, ...]], Awaitable[Draft | None]]
"""Asks the engine how a story's text, given after its path, reads by some concepts; None where nobody says."""
Asked = tuple[str, int, str, tuple[str, ...]]
"""A path, the revision, the text and the concepts that the engine is asked about."""


class ComparePane(Vertical):
    """Two stories, in two columns or, on a narrow screen, one at a time.

    Both are lines of one scroll, so that neither can part from the other.

    Args:
        text_of: reads a story.
        read_by: asked once for each state of a story that is shown, of one story after the other: the engine drops a
            client's older question for a newer one.
    """

    DEFAULT_CSS = """
    ComparePane #compare-head { height: auto; }
    ComparePane #compare-scroll { height: 1fr; }
    ComparePane #compare-text { height: auto; width: 100%; }
    """

    def __init__(self, text_of: TextOf, read_by: ReadBy, *, id: str) -> None:
        super().__init__(id=id)
        self._text_of = text_of
        self._read_by = read_by
        self._sides: Sides | None = None
        self._common: Common | None = None
        self._alone: StoryView | None = None
        """The selected story, where there is none beside it."""
        self._why = ""
        self._revision = 0
        self._answers: dict[str, tuple[Asked, Draft]] = {}
        """The last of each of the two stories, by path."""
        self._chosen: str | None = None
        """The concept whose bars the writer asked for."""
        self._only_differences = False
        self._shown = 0
        """Where there is room for one story: which one, 0 or 1."""
        self._starts: list[int] = []
        """The line at which each block begins, and behind them the number of lines."""
        self._drawn: tuple[Text, Text] | None = None
        """The head and the text that are shown."""
        self._next_top: int | None = None
        """The line that comes to the top with the next refresh."""

    def compose(self) -> ComposeResult:
        yield Static(id="compare-head", markup=False)
        with VerticalScroll(id="compare-scroll"):
            yield Static(id="compare-text", markup=False)

    @property
    def concept(self) -> str | None:
        """Whose bars are drawn."""
        concepts = self._concepts
        return self._chosen if self._chosen in concepts else next(iter(concepts), None)

    @property
    def paths(self) -> tuple[str, ...]:
        """The two stories that are shown; none where there are not two."""
        return () if self._sides is None else tuple(side.view.path for side in self._sides)

    def show(self, mirror: Mirror, path: str | None, partner: Partner) -> None:
        """Show two stories as they are on disk now.

        Args:
            mirror: the corpus.
            path: the selected story's.
            partner: the one beside it (`amygdala_tui.side_by_side.default_partner`).
        """
        one, other = mirror.stories.get(path or ""), mirror.stories.get(partner.path or "")
        self._why, self._revision = partner.why, mirror.revision
        if one is None or other is None:
            self.workers.cancel_group(self, "compare")
            self._sides, self._common, self._alone = None, None, one
            self._draw()
            return
        before = self._sides
        if before is not None and self.paths == (one.path, other.path):
            self._sides = replace(before[0], view=one), replace(before[1], view=other)
        else:
            self._sides, self._common, self._answers = (Side(one), Side(other)), None, {}
            self._chosen, self._shown, self._starts, self._next_top = None, 0, [], None
            self.query_one(VerticalScroll).scroll_home(animate=False, immediate=True)
        self._draw()
        self.run_worker(self._load(), group="compare", exclusive=True)

    def switch_concept(self) -> None:
        """Draw the bars of the next concept: the first story's, its rival, the other story's."""
        concepts = self._concepts
        if self.concept is not None:
            self._chosen = concepts[(concepts.index(self.concept) + 1) % len(concepts)]
        self._draw()

    def toggle_same(self) -> None:
        """Fold the sentences that both stories have, or no longer."""
        self._only_differences = not self._only_differences
        self._draw()

    def switch_story(self) -> None:
        """Where there is room for one story, show the other one."""
        self._shown = 1 - self._shown
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    @property
    def _concepts(self) -> tuple[str, ...]:
        return () if self._sides is None else compared_by(self._sides[0].view, self._sides[1].view)

    async def _load(self) -> None:
        """Read both texts, find what they have in common, and ask the engine of one and then of the other."""
        if self._sides is None:
            return
        sides = (await self._read(self._sides[0]), await self._read(self._sides[1]))
        texts = sides[0].text, sides[1].text
        if self._common is None or texts != tuple(side.text for side in self._sides):
            self._common = await in_thread(in_common, *texts)
        self._sides = sides
        self._draw()
        if self._common.passages is None:
            self._common = await in_thread(with_passages, self._common, *texts)
            self._draw()
        for number in range(2):
            await self._ask(number)

    async def _read(self, side: Side) -> Side:
        text = await self._text_of(side.view.path)
        if isinstance(text, Text):
            return Side(side.view, notice=text.plain)
        return replace(side, text=text, notice="", draft=side.draft if text == side.text else None)

    async def _ask(self, number: int) -> None:
        """Ask the engine of one story, unless it has answered that."""
        if self._sides is None or not self._concepts or not self._sides[number].text:
            return
        side = self._sides[number]
        asked = (side.view.path, self._revision, side.text, self._concepts)
        answered, draft = self._answers.get(side.view.path, (None, None))
        if asked != answered:
            draft = await self._read_by(side.view.path, side.text, self._concepts)
        if draft is not None:
            self._answers[side.view.path] = asked, draft
            told = replace(side, draft=draft)
            self._sides = (told, self._sides[1]) if number == 0 else (self._sides[0], told)
            self._draw()

    def _draw(self) -> None:
        """Draw what differs from the screen; the block at its top stays there."""
        if not self.size.width or not self.query("#compare-text"):  # not laid out yet, or the studio is closing
            return
        blocks = self._blocks()
        drawn = self._head(), Text("\n").join(line for lines in blocks for line in lines)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        for name, text in zip(("head", "text"), drawn, strict=True):
            self.query_one(f"#compare-{name}", Static).update(text)
        starts = list(accumulate(map(len, blocks), initial=0))
        top = self.query_one(VerticalScroll).scroll_offset.y if self._next_top is None else self._next_top
        self._next_top = _same_place(self._starts, starts, top)
        self._starts = starts
        self.call_after_refresh(self._scroll)

    def _scroll(self) -> None:
        if self._next_top is not None:
            self.query_one(VerticalScroll).scroll_to(y=self._next_top, animate=False, immediate=True)
            self._next_top = None

    def _head(self) -> Text:
        width = self._lines_width
        if self._sides is None:
            if self._alone is None:
                return Text(plain(self._why), style=styles.DIM)
            return head(self._alone, None, self._why, width, 0)
        one, other = self._sides
        told = " · ".join(filter(None, (f"beside it: {plain(self._why)}", said(self._common, self._sides))))
        line = Text(told, style=styles.DIM)
        line.truncate(width, overflow="ellipsis")
        names = head(one.view, other.view, "", width, self._shown)
        return Text("\n").join((names, line, legend(self.concept, self._sides, width)))

    def _blocks(self) -> list[list[Text]]:
        if self._sides is None or self._common is None:
            return []
        return rows(
            self._common,
            self._sides,
            self.concept,
            self._lines_width,
            only_differences=self._only_differences,
            shown=self._shown,
        )

    @property
    def _lines_width(self) -> int:
        """Columns that lines have beside the scroll bar."""
        return max(self.size.width - 1, 1)


def _same_place(before: list[int], now: list[int], top: int) -> int:
    """The line at which a scroll shows what it showed at `top`.

    Args:
        before: the line at which each block began, and behind them the number of lines.
        now: the same, as it is now.
        top: the first line on the screen.
    """
    if not top or len(before) != len(now) or len(now) < 2:
        return top
    block = min(bisect_right(before, top), len(before) - 1) - 1
    length, new_length = (starts[block + 1] - starts[block] for starts in (before, now))
    return now[block] + (min(top - before[block], length) * new_length // length if length else 0)
