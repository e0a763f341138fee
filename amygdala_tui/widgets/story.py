"""The selected story: how it reads, why it is flagged, and its text."""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.timer import Timer
from textual.widgets import Static

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.widgets.evidence_lines import by_sentence, reasons
from amygdala_tui.words import STRENGTHS, bar, counted, number, rival_in_lead, state_sign
from engine.plain import plain
from engine.results import CopyOf, Draft
from engine.threads import ANSWERS_WITHIN_S, answered_within
from engine.triage import accepted_words
from engine.wire.snapshot import StoryView

SHOWN_BYTES = 1 << 16
"""How much of a story is shown at most; a story has a page or two."""
BAR_WIDTH = 20
TEXT_WIDTH = 92
"""Columns that the text has at most: longer lines are hard to read."""
HELD_S = 0.15
"""Seconds for which the story before may stay, so that the next one is drawn once: with its text and its reasons."""
CHOOSE = "Choose a story in the list."
Asked = tuple[str, int, str]
"""A path, the revision and the text that the engine is asked about."""

Explain = Callable[[str, str], Awaitable[Draft | None]]
"""Asks the engine why a story, by its path and its text, reads as it does; None where nobody says."""


class StoryPane(VerticalScroll, can_focus=True):
    """One story: how it reads, why it is flagged, its text.

    Args:
        explain: asked once for each state of a flagged story that is shown.
    """

    def compose(self) -> ComposeResult:
        yield Static(id="story-head", markup=False)
        yield Static(id="story-why", markup=False)
        yield Static(id="story-text", markup=False)
        yield Static(id="story-foot", markup=False)

    def __init__(self, explain: Explain, *, id: str) -> None:
        super().__init__(id=id)
        self._explain = explain
        self._view: StoryView | None = None
        self._head: Callable[[int], Text] = lambda _: Text()
        """Draws what stands above the text, for a width in columns."""
        self.with_classic = False
        self._text: str | Text = ""
        """The story's own; as Text, what is shown in its place."""
        self._asked: Asked | None = None
        self._answers: dict[str, tuple[Asked, Draft]] = {}
        """The last of each story, by path."""
        self._held: Timer | None = None
        """Ends the time for which the story before stays."""

    def show(self, corpus: Path, mirror: Mirror, path: str | None, place: str, empty: str = CHOOSE) -> None:
        """Show a story as it is on disk now.

        Args:
            corpus: the corpus's folder.
            mirror: what is known of it.
            path: the story's; None shows `empty`.
            place: its place in the sitting, in words.
            empty: what is said where there is no story.
        """
        view = mirror.stories.get(path) if path else None
        is_another = view is None or self._view is None or view.path != self._view.path
        self._view = view
        if view is None:
            self._head = lambda _: Text(empty, style=styles.DIM)
            self._show_text("")
            return
        with_classic = self.with_classic
        self._head = lambda width: head(view, mirror, place, width=width, with_classic=with_classic)
        # a file that the engine refuses to read (a link out of the corpus, for example) is not shown either
        if view.state == "error":
            self._show_text(Text("(not read)", style=styles.DIM))
            return
        if is_another:
            self.scroll_home(animate=False)
            self._text = ""
            self._let_go()
            self._held = self.set_timer(HELD_S, self._draw)
        elif self._held is None:
            self._draw_head()
        reading = partial(self._read, view, mirror.revision, corpus / view.path)
        self.run_worker(reading, group="read", exclusive=True)  # type: ignore[arg-type]  # as in `Studio.showing`

    def copies_of(self, path: str) -> Sequence[CopyOf]:
        """The near-copies of a story, as far as the engine has told."""
        _, answer = self._answers.get(path, (None, None))
        return answer.prose.copies if answer is not None and answer.prose is not None else ()

    @property
    def _columns(self) -> int:
        """Columns that the text has."""
        return max(1, min(self.scrollable_content_region.width, TEXT_WIDTH))

    def _draw_head(self) -> None:
        for pane in self.query("#story-head").results(Static):  # none any more, as below
            _update(pane, self._head(self._columns))

    async def _read(self, view: StoryView, revision: int, file: Path) -> None:
        silent = Text("(the file system does not answer)", style=styles.BAD)
        text = await answered_within(ANSWERS_WITHIN_S, file, partial(read, file), lambda: self._show_text(silent))
        self._text = text
        is_asking = isinstance(text, str) and view.misread and self._find_out_why((view.path, revision, text))
        if self._held is None or not is_asking:
            self._draw()

    def _let_go(self) -> None:
        """The story before need not stay any longer."""
        if self._held is not None:
            self._held.stop()
            self._held = None

    def _find_out_why(self, asked: Asked) -> bool:
        """Ask the engine, unless it was asked this or has answered it; returns whether the answer is on its way.

        A question about another story is given up.
        """
        answered, _ = self._answers.get(asked[0], (None, None))
        if asked not in (self._asked, answered):
            self._asked = asked
            self.run_worker(partial(self._ask, asked), group="why", exclusive=True)  # type: ignore[arg-type]
        return asked != answered

    async def _ask(self, asked: Asked) -> None:
        path, _, text = asked
        answer = await self._explain(path, text)
        if answer is not None:
            self._answers[path] = asked, answer
            self._draw()
        elif self._asked == asked:
            self._asked = None  # nobody answered: it may be asked again

    def on_resize(self) -> None:
        self._draw()

    def _show_text(self, text: str | Text) -> None:
        self._text = text
        self._draw()

    def _draw(self) -> None:
        self._let_go()
        self._draw_head()
        self._draw_text()

    def _draw_text(self) -> None:
        """Draw the text, and why the story is flagged where the engine has said so of just this text."""
        why, shown = Text(), self._text if isinstance(self._text, Text) else Text(plain(self._text))
        foot = Text()
        if (view := self._view) is not None and isinstance(self._text, str) and self._text:
            foot = Text(counted(len(self._text.split()), "word", "words"), style=styles.DIM)
            (_, _, text), answer = self._answers.get(view.path, (("", 0, ""), None))
            if view.misread and answer is not None and text == self._text:
                why = reasons(text, answer, view.concept or "")
                shown = by_sentence(text, answer, view.concept or "", self._columns)
                foot.append(f" · {counted(len(answer.sentences), 'sentence', 'sentences')}")
        # there are no panes any more where the studio closes during a reading
        for selector, drawn in (("#story-why", why), ("#story-text", shown), ("#story-foot", foot)):
            for pane in self.query(selector).results(Static):
                _update(pane, drawn)
                pane.display = bool(drawn)


def _update(pane: Static, text: Text) -> None:
    """Draw a text unless it stands there already: laying out anew costs a repaint of all that is below."""
    if pane.content != text:
        pane.update(text)


def head(view: StoryView, mirror: Mirror, place: str, *, width: int, with_classic: bool = False) -> Text:
    """A story's name and how it reads, with what is wrong with its file; `with_classic`, its classic scores too."""
    text = Text.assemble(
        (plain(view.concept or "baseline"), styles.HEADING), (f" · {plain(view.scenario or 'stories')}", "")
    )
    text.truncate(max(1, width - len(place) - 1), overflow="ellipsis", pad=True)
    text.append(place, style=styles.DIM)
    if mirror.is_from_before:
        text.append("\nas it was read before; the engine is on its way", style=styles.BUSY)
    for line in said_of(view, mirror):
        text.append("\n").append_text(line)
    text.append_text(_shares(view))
    if with_classic:
        text.append(_classic(view))
    return text


def said_of(view: StoryView, mirror: Mirror) -> list[Text]:
    """What a writer should know of a story, a line each."""
    lines: list[Text] = []
    if view.accepted is not None:
        lines.append(Text(plain(accepted_words(view.accepted)), style=styles.DIM))
    elif view.misread:
        line = Text(f"{plain(view.reason)[:1].upper()}{plain(view.reason)[1:]}.", style=styles.MISREAD)
        lines.append(line.append(f"  {STRENGTHS[view.strength or 'none']}"))
    elif view.state != "ok":
        lines.append(Text.assemble(state_sign(view), (f"  {plain(view.reason)}", "")))
    elif view.rank is not None:
        lines.append(Text(plain(view.reason), style=styles.DIM))
    elif (torn := rival_in_lead(view)) is not None:
        lines.append(Text(f"torn: {plain(torn)}, and not to fix", style=styles.DIM))
    if view.strength == "too few to tell":
        lines.append(Text(STRENGTHS[view.strength], style=styles.DIM))
    elif view.concept is None:
        lines.append(
            Text("baseline: the scenario told neutrally; every concept is contrasted with it", style=styles.DIM)
        )
    messages = [problem.message for problem in mirror.problems if problem.path == view.path]
    return lines + [Text(plain(message), style=styles.RIVAL) for message in messages if message != view.reason]


def _shares(view: StoryView) -> Text:
    """How likely it is that the story belongs to its own concept, and to the likeliest other."""
    if view.strength == "too few to tell":
        return Text()
    rows = view.shares[:2]
    width = max((len(name) for name, _ in rows), default=0)
    text = Text()
    for name, share in rows:
        text.append(f"\n  as {plain(name):<{width}} {share:5.0%} ").append(bar(share, BAR_WIDTH), style=styles.OWN)
    return text


def _classic(view: StoryView) -> Text:
    """The scores of the script in use today: cosines with directions made without the story, and its alignment."""
    if view.alignment is None:
        return Text("\nno classic scores", style=styles.DIM)
    cosines = f"cosine with {plain(view.concept or '')} {number(view.own)}"
    if view.rival is not None:
        cosines += f", with {plain(view.rival)} {number(view.rival_score)}"
    return Text(f"\n{cosines}; alignment {number(view.alignment)}", style=styles.DIM)


def read(file: Path) -> str | Text:
    """A story's text; or, as it is to be shown, what is wrong with the file."""
    try:
        # O_NONBLOCK, since a pipe or a terminal with a story's name must not block the studio
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return Text("(not a regular file)", style=styles.BAD)
            data = stream.read(SHOWN_BYTES)
    except OSError as error:
        return Text(f"(cannot be read: {error.strerror})", style=styles.BAD)
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").strip()
    return text or Text("(empty: press e to write it)", style=styles.DIM)
