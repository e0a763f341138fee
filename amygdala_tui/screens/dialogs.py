"""The dialogs over the studio: questions (what to retrain, whose settings to use), and the help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from amygdala_tui import styles
from amygdala_tui.actions import ACTIONS, View
from amygdala_tui.keymap import shown
from amygdala_tui.meanings import meanings
from engine.plain import plain
from engine.triage import Thresholds


class Choice(ModalScreen[str]):
    """A question with one key per answer; dismissed with the key's answer, or '' for none.

    Args:
        question: its text.
        answers: key -> (answer, words).
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss('')", "back")]

    def __init__(self, question: Text, answers: dict[str, tuple[str, str]]) -> None:
        super().__init__()
        self._question = question
        self._answers = answers
        for key, (_, words) in answers.items():
            self._bindings.bind(key, f"answer('{key}')", words)

    def compose(self) -> ComposeResult:
        text = self._question.copy()
        for key, (_, words) in self._answers.items():
            text.append("\n\n ").append(f" {key} ", style=styles.KEY).append(f"  {words}")
        text.append("\n\n ").append(" esc ", style=styles.KEY).append("  back")
        with Vertical(id="dialog"):
            yield Static(text, markup=False)

    def action_answer(self, key: str) -> None:
        self.dismiss(self._answers[key][0])


class Reason(ModalScreen[str | None]):
    """Asks why a story is accepted as it is; dismissed with the reason, which may be empty, or None to leave it.

    Args:
        story: its name.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "back")]

    def __init__(self, story: str) -> None:
        super().__init__()
        self._story = story

    def compose(self) -> ComposeResult:
        question = Text.assemble((f"Accept {plain(self._story)} as it is.", styles.HEADING), " Why? (may stay empty)\n")
        keys = Text.assemble("\n ", (" enter ", styles.KEY), "  accept    ", (" esc ", styles.KEY), "  back")
        with Vertical(id="dialog"):
            yield Static(question, markup=False)
            yield Input(id="reason", compact=True)
            yield Static(keys, markup=False)

    def on_mount(self) -> None:
        self.set_focus(self.query_one(Input))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class Help(ModalScreen[None]):
    """The keys, and what the numbers of the view at hand mean.

    Args:
        view: the id of the view.
        keys: the writer's own keys, by action id.
        thresholds: the triage thresholds in force.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "back")]

    def __init__(self, view: View, keys: Mapping[str, str], thresholds: Thresholds) -> None:
        super().__init__()
        self._view = view
        self._keys = keys
        self._thresholds = thresholds

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", classes="large"):
            yield Static(self._text(), markup=False)

    def on_mount(self) -> None:
        self.query_one("#dialog").focus()

    def _text(self) -> Text:
        text = Text.assemble((f"What {self._view.title()} shows\n", styles.HEADING))
        for name, words in meanings(self._view, self._thresholds):
            text.append(f"\n{name}  ", style=styles.HEADING).append(f"{words}\n")
        text.append("\nKeys\n", style=styles.HEADING)
        text.append("\n↑↓ or k j move · ← → or h l close and open · Enter open · Tab next pane")
        for action in ACTIONS:
            if self._view in action.views:
                name = self._keys.get(action.id, action.key)
                text.append(f"\n{shown(name):>4}  ", style=styles.HEADING).append(action.help)
        return text.append("\n\nesc goes back", style=styles.DIM)
