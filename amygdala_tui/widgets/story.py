"""The Story view: the text, and above it how it reads."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from amygdala_tui.mirror import Mirror
from amygdala_tui.words import STRENGTHS, bar, number, state_sign, title
from engine.plain import plain
from engine.threads import ANSWERS_WITHIN_S, answered_within
from engine.wire.snapshot import StoryView

SHOWN_BYTES = 1 << 16
"""How much of a story is shown at most; a story has a page or two."""
BAR_WIDTH = 20


class StoryPane(Vertical):
    """One story."""

    def compose(self) -> ComposeResult:
        yield Static(id="story-head", markup=False)
        with VerticalScroll(id="story-scroll"):
            yield Static(id="story-text", markup=False)

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._path: str | None = None
        self._with_classic = False

    def toggle_classic(self) -> None:
        """Show the classic scores too, or no longer."""
        self._with_classic = not self._with_classic

    def show(self, corpus: Path, mirror: Mirror, path: str | None) -> None:
        """Show a story as it is on disk now."""
        view = mirror.stories.get(path) if path else None
        if view is None:
            self.query_one("#story-head", Static).update(Text("Choose a story in the tree.", style="dim"))
            self._show_text(None, "")
            return
        self.query_one("#story-head", Static).update(head(view, with_classic=self._with_classic))
        # a file that the engine refuses to read (a link out of the corpus, for example) is not shown either
        if view.state == "error":
            self._show_text(path, Text("(not read)", style="dim"))
            return
        if path != self._path:
            self._show_text(path, "")
        reading = partial(self._read, path, corpus / view.path)
        self.run_worker(reading, group="read", exclusive=True)  # type: ignore[arg-type]  # as in `Studio.showing`

    async def _read(self, path: str | None, file: Path) -> None:
        silent = Text("(the file system does not answer)", style="red")
        reading = answered_within(ANSWERS_WITHIN_S, file, partial(read, file), lambda: self._show_text(path, silent))
        self._show_text(path, await reading)

    def _show_text(self, path: str | None, text: Text | str) -> None:
        self._path = path
        for pane in self.query("#story-text").results(Static):  # none where the studio closes during a reading
            pane.update(text)


def head(view: StoryView, *, with_classic: bool = False) -> Text:
    """A story's name, its state with the reason, and how it reads; `with_classic`, its classic scores too."""
    text = Text.assemble((plain(title(view.path)), "bold"), "  ", state_sign(view))
    if view.reason:
        text.append(f"\n{plain(view.reason)}", style="yellow" if view.state != "ok" else "dim")
    if view.strength == "too few to tell":
        text.append(f"\n{STRENGTHS[view.strength]}", style="dim")
    elif view.strength is not None:
        text.append(f"  {STRENGTHS[view.strength]}" if view.misread else "", style="bold yellow")
        text.append(_shares(view))
    elif view.concept is None:
        text.append("\nbaseline: the scenario told neutrally; every concept is contrasted with it", style="dim")
    if with_classic:
        text.append(_classic(view))
    return text


def _shares(view: StoryView) -> Text:
    """How likely it is that the story belongs to its own concept, and to the likeliest other."""
    rows = view.shares[:2]
    width = max((len(name) for name, _ in rows), default=0)
    text = Text()
    for name, share in rows:
        text.append(f"\nas {plain(name):<{width}} {share:5.0%} ").append(bar(share, BAR_WIDTH), style="cyan")
    return text


def _classic(view: StoryView) -> Text:
    """The scores of the script in use today: cosines with directions made without the story, and its alignment."""
    if view.alignment is None:
        return Text("\nno classic scores", style="dim")
    cosines = f"cosine with {plain(view.concept or '')} {number(view.own)}"
    if view.rival is not None:
        cosines += f", with {plain(view.rival)} {number(view.rival_score)}"
    return Text(f"\n{cosines}; alignment {number(view.alignment)}", style="dim")


def read(file: Path) -> Text:
    """A story's text, safe to show; or what is wrong with the file."""
    try:
        # O_NONBLOCK, since a pipe or a terminal with a story's name must not block the studio
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return Text("(not a regular file)", style="red")
            data = stream.read(SHOWN_BYTES)
    except OSError as error:
        return Text(f"(cannot be read: {error.strerror})", style="red")
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").strip()
    return Text(plain(text)) if text else Text("(empty: press e to write it)", style="dim")
