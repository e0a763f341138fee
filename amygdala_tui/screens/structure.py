"""The dialogs that change a corpus: move, rename, new, delete, and what to do about a conflict.

Each asks and answers; whoever opened it carries out the answer (`engine.corpus.mending.operations`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from rich.cells import cell_len, set_cell_size
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from amygdala_tui.targets import Target
from amygdala_tui.words import counted
from engine.corpus.mending.names import tidied
from engine.corpus.mending.operations import short
from engine.plain import plain

SHOWN = 10
"""Rows of a list that a dialog has room for."""
CSS = """
#dialog { width: auto; max-width: 90%; height: auto; max-height: 90%; padding: 1 3; border: round $primary; }
#dialog Input { width: 60; max-width: 100%; height: 1; border: none; }
#dialog Static { width: auto; max-width: 100%; }
"""


class Move(ModalScreen[str | None]):
    """Asks which concept stories are to be filed under; dismissed with its name, or None to leave them.

    Args:
        stories: what is to be moved, in words.
        listed: the concepts, in the order in which they are offered (`amygdala_tui.targets.targets`).
        new: what to say of a concept that is typed and not listed.
    """

    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back"),
        Binding("up", "light(-1)", "up", show=False, priority=True),
        Binding("down", "light(1)", "down", show=False, priority=True),
    ]

    def __init__(self, stories: str, listed: Sequence[Target], new: Callable[[str], Target]) -> None:
        super().__init__()
        self._stories = stories
        self._listed = listed
        self._new = new
        self._matching = list(listed)
        self._lit = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(Text.assemble((f"File {plain(self._stories)} as", "bold"), "\n"), markup=False)
            yield Input(id="concept", compact=True, placeholder="a concept; type to find one, or for a new one")
            yield Static(self._rows(), id="rows", markup=False)
            yield Static(_keys(("↑↓", "choose"), ("enter", "move"), ("esc", "back")), markup=False)

    def on_mount(self) -> None:
        self.set_focus(self.query_one(Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        typed = tidied(event.value)
        self._matching = [each for each in self._listed if typed.casefold() in each.concept.casefold()]
        if typed and all(each.concept != typed for each in self._listed):
            self._matching.append(self._new(typed))
        self._lit = 0
        self._draw()

    def on_input_submitted(self) -> None:
        if self._matching and self._matching[self._lit].is_free:
            self.dismiss(self._matching[self._lit].concept)

    def action_light(self, by: int) -> None:
        self._lit = max(0, min(len(self._matching) - 1, self._lit + by))
        self._draw()

    def _draw(self) -> None:
        self.query_one("#rows", Static).update(self._rows())

    def _rows(self) -> Text:
        first = max(0, min(self._lit - SHOWN // 2, len(self._matching) - SHOWN))
        width = max((cell_len(plain(each.concept)) for each in self._matching), default=0)
        text = Text("\n")
        for at, each in list(enumerate(self._matching))[first : first + SHOWN]:
            is_new = all(each is not listed for listed in self._listed)
            words = f"a new concept: {each.words}" if is_new and each.is_free else each.words
            row = Text(f" {set_cell_size(plain(each.concept), width)}  ").append(
                plain(words), style="" if each.is_free else "dim"
            )
            row.stylize("reverse" if at == self._lit else "")
            text.append_text(row).append("\n")
        n_more = len(self._matching) - SHOWN
        return text.append(f" {counted(n_more, 'more concept', 'more concepts')}\n" if n_more > 0 else "", style="dim")


class Rename(ModalScreen[str | None]):
    """Asks for another name; dismissed with it, or None to leave the old one.

    Args:
        what: what is renamed, in words: "the concept ashamed (11 stories)".
        old: its name.
        trouble: says why a name cannot be, with what to do; empty if it can.
    """

    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "back")]

    def __init__(self, what: str, old: str, trouble: Callable[[str], str]) -> None:
        super().__init__()
        self._what = what
        self._old = plain(old)
        self._trouble = trouble

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(Text(f"Rename {plain(self._what)} to\n", style="bold"), markup=False)
            yield Input(self._old, id="name", compact=True)
            yield Static(id="trouble", markup=False)
            yield Static(_keys(("enter", "rename"), ("esc", "back")), markup=False)

    def on_mount(self) -> None:
        self.set_focus(self.query_one(Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        name = tidied(event.value)
        words = "" if name == self._old else self._trouble(name)
        self.query_one("#trouble", Static).update(Text(plain(words), style="bold yellow"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        name = tidied(event.value)
        if name == self._old:
            self.dismiss(None)
        elif not self._trouble(name):
            self.dismiss(name)


@dataclass(frozen=True)
class NewStory:
    """What a new story shall be."""

    concept: str
    scenario: str | None
    """None for `stories`."""
    from_baseline: bool


class New(ModalScreen[NewStory | None]):
    """Asks where a new story shall stand; dismissed with that, or None for no story.

    Args:
        concept: offered.
        scenario: offered; empty for `stories`.
        place: says of a story where it would stand and why it cannot (empty if it can): (place, trouble).
    """

    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "back"),
        Binding("ctrl+b", "toggle_baseline", "baseline", priority=True),
    ]

    def __init__(self, concept: str, scenario: str, place: Callable[[NewStory], tuple[str, str]]) -> None:
        super().__init__()
        self._concept = concept
        self._scenario = scenario
        self._place = place
        self._from_baseline = False

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(Text("A new story of the concept\n", style="bold"), markup=False)
            yield Input(self._concept, id="concept", compact=True, placeholder="a concept, be it a new one")
            yield Static(Text("\nin the scenario\n", style="bold"), markup=False)
            yield Input(self._scenario, id="scenario", compact=True, placeholder="none: it stands in stories/")
            yield Static(id="place", markup=False)
            keys = ("enter", "write it"), ("tab", "next field"), ("^b", "begin with the baseline"), ("esc", "back")
            yield Static(_keys(*keys), markup=False)

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#scenario" if self._concept else "#concept"))
        self._draw()

    def on_input_changed(self) -> None:
        self._draw()

    def on_input_submitted(self) -> None:
        story = self._story()
        if not self._place(story)[1]:
            self.dismiss(story)

    def action_toggle_baseline(self) -> None:
        self._from_baseline = not self._from_baseline
        self._draw()

    def _story(self) -> NewStory:
        concept, scenario = (tidied(self.query_one(f"#{name}", Input).value) for name in ("concept", "scenario"))
        return NewStory(concept, scenario or None, self._from_baseline and bool(scenario))

    def _draw(self) -> None:
        story = self._story()
        place, trouble = self._place(story)
        begins = "begins with the baseline's text" if story.from_baseline else "begins empty"
        words = Text(f"\n{plain(trouble)}", style="bold yellow") if trouble else Text(f"\n{plain(place)}, {begins}")
        self.query_one("#place", Static).update(words)


class Delete(ModalScreen[bool]):
    """Asks whether stories are to be deleted; dismissed with the answer.

    Args:
        paths: of the stories.
        trash: where copies of them go.
    """

    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(False)", "back"),
        Binding("enter", "dismiss(True)", "delete"),
    ]

    def __init__(self, paths: Sequence[str], trash: str) -> None:
        super().__init__()
        self._paths = paths
        self._trash = trash

    def compose(self) -> ComposeResult:
        text = Text(f"Delete {counted(len(self._paths), 'story', 'stories')}?\n", style="bold")
        for path in self._paths[:SHOWN]:
            text.append(f"\n {plain(short(path))}", style="not bold")
        if len(self._paths) > SHOWN:
            text.append(f"\n and {len(self._paths) - SHOWN} more", style="not bold")
        text.append(f"\n\nA copy goes to {plain(self._trash)}; u takes it back.", style="not bold")
        with Vertical(id="dialog"):
            yield Static(text, markup=False)
            yield Static(_keys(("enter", "delete"), ("esc", "back")), markup=False)


Decision = Literal["theirs", "mine", ""]


class Conflict(ModalScreen[Decision]):
    """Shows two texts of which one is to stand; dismissed with whose, or '' to leave things as they are.

    Args:
        path: of the story.
        mine: the text that the writer would write; None where there would be no file.
        theirs: the text that stands there; None where there is no file.
    """

    DEFAULT_CSS = (
        CSS
        + """
    Conflict #dialog { width: 90%; }
    Conflict Horizontal { height: auto; max-height: 70%; }
    Conflict VerticalScroll { width: 1fr; height: auto; max-height: 100%; padding: 0 1; }
    Conflict VerticalScroll Static { width: 100%; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss('')", "back"),
        Binding("t", "dismiss('theirs')", "keep theirs"),
        Binding("m", "dismiss('mine')", "write mine"),
    ]

    def __init__(self, path: str, mine: str | None, theirs: str | None) -> None:
        super().__init__()
        self._path = path
        self._mine = mine
        self._theirs = theirs

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            head = f"{plain(short(self._path))} was changed elsewhere; nothing was written.\n"
            yield Static(Text(head, style="bold"), markup=False)
            with Horizontal():
                with VerticalScroll(id="theirs"):
                    yield Static(_text("What stands there now", self._theirs, self._mine), markup=False)
                with VerticalScroll(id="mine"):
                    yield Static(_text("What you would write", self._mine, self._theirs), markup=False)
            yield Static(_keys(("t", "keep theirs"), ("m", "write mine"), ("esc", "back")), markup=False)

    def on_mount(self) -> None:
        self.query_one("#theirs").focus()


def _text(head: str, text: str | None, other: str | None) -> Text:
    """A text under its head; lines that the other lacks are bold."""
    shown = Text(f"{head}\n\n", style="underline")
    if text is None:
        return shown.append("no file", style="dim not underline")
    shared = set((other or "").split("\n"))
    for line in text.strip().split("\n"):
        shown.append(f"{plain(line)}\n", style="not underline" if line in shared else "bold not underline")
    return shown


def _keys(*keys: tuple[str, str]) -> Text:
    text = Text("\n ")
    for key, words in keys:
        text.append(f" {key} ", style="reverse bold").append(f"  {words}    ")
    return text
