"""The app: holds the link to the engine and the terminal; screens do the drawing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
from rich.console import RenderableType
from rich.terminal_theme import TerminalTheme
from rich.text import Text
from textual import events, on
from textual.app import App, SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.screen import Screen
from textual.widgets import TextArea
from textual.worker import Worker, WorkerError

from amygdala_tui import last_numbers, place, styles, themes
from amygdala_tui.actions import Action
from amygdala_tui.asking import Asking
from amygdala_tui.editor import drop_typed_keys, find_editor, run_editor
from amygdala_tui.hanging_up import on_hang_up
from amygdala_tui.keeper import Keeper
from amygdala_tui.keymap import keys_in_force, load_keymap, shown
from amygdala_tui.link import Link
from amygdala_tui.mender import Mender
from amygdala_tui.messages import CorpusFound, EngineAway, EngineSaid, SettingsDiffer
from amygdala_tui.mirror import Mirror, from_disk
from amygdala_tui.painter import Painter
from amygdala_tui.palette import Palette
from amygdala_tui.place import Place
from amygdala_tui.screens.dialogs import Choice
from amygdala_tui.screens.studio import StudioScreen
from amygdala_tui.taking_back import TakingBack
from amygdala_tui.widgets.field import Field
from amygdala_tui.words import title
from engine.corpus import Layout, scan
from engine.errors import AmygdalaError
from engine.plain import plain
from engine.settings import Settings
from engine.threads import answered_within, in_thread
from engine.wire import protocol

T = TypeVar("T")
ANSWERS_WITHIN_S = 3.0
"""Seconds after which a file system is taken not to answer; keys are dropped meanwhile."""


class Studio(App[None]):
    """The studio on one corpus.

    Args:
        corpus: its folder.
        socket: the engine's socket.
        settings: those asked for; None takes those in force, or else the corpus's own.
    """

    TITLE = "Amygdala"
    CSS_PATH = "app.tcss"
    COMMANDS = {Palette}  # noqa: RUF012 (as in the base class)
    CLOSE_TIMEOUT = 1.0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "suspend_process", "suspend", show=False),
        Binding("ctrl+l", "redraw", "draw anew", show=False),
    ]

    def __init__(self, corpus: Path, socket: Path, settings: Settings | None = None) -> None:
        # without colours, all of them are taken away, which Textual does where it may use the terminal's own
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = themes.chosen(themes.DEFAULT, self.console.color_system, no_color=self.no_color)
        self.animation_level = "none"
        self.corpus = corpus.resolve()
        self.socket = socket
        self._link = Link(socket, self.corpus, settings, self.post_message)
        self._studio = StudioScreen(self)
        self.asking = Asking(self)
        self.mender = Mender(self)
        self.taking_back = TakingBack(self, self.mender)
        self._following: Worker[None] | None = None
        self._numbers = Keeper(partial(last_numbers.save, self.corpus), last_numbers.EVERY_S)
        self._places = Keeper(partial(place.save, self.corpus), place.EVERY_S)
        self._where = Place()
        """Where the writer is, but for the theme."""
        self.keys: Mapping[str, str] = {}
        self._is_opening = False
        """Whether the editor is about to take the terminal: keys are dropped then."""
        self._painter = Painter()
        self._terminal_back = 0.0
        """When the editor or the shell gave the terminal back, on the monotonic clock, as events have it."""

    def get_default_screen(self) -> Screen[None]:
        return self._studio

    def wear(self, name: str) -> None:
        """Take a theme, or what the terminal can draw of it, for this corpus and from now on."""
        self.theme = themes.chosen(name, self.console.color_system, no_color=self.no_color)
        self._where = msgspec.structs.replace(self._where, theme=name)
        self._places.keep(self._where)

    @property
    def ansi_theme(self) -> TerminalTheme:
        """What the 16 colours look like in which styles are written (`amygdala_tui.styles`)."""
        look = themes.LOOKS.get(self.theme)
        return look.slots if look is not None else super().ansi_theme

    def on_mount(self) -> None:
        self.run_worker(self._take_keys())
        self.run_worker(self._look())
        self._following = self.run_worker(self._link.run())
        if not self.is_headless:
            on_hang_up(self._write_kept, ANSWERS_WITHIN_S)

    async def on_unmount(self) -> None:
        """Hang up, and write what is kept for the next time, before the event loop ends."""
        if self._following is not None:
            self._following.cancel()
            with suppress(WorkerError):
                await self._following.wait()
        await self._write_kept()

    async def _write_kept(self) -> None:
        await asyncio.gather(self._numbers.close(ANSWERS_WITHIN_S), self._places.close(ANSWERS_WITHIN_S))

    def action_suspend_process(self) -> None:
        """Give the terminal back to the shell, and go on after `fg`.

        All of the job stops, whatever has started the studio, and only once the terminal is as it was: the shell takes
        it as soon as the job's first process has stopped.
        """
        with suppress(SuspendNotSupported), self._terminal_lent():
            os.killpg(0, signal.SIGSTOP)

    @contextmanager
    def _terminal_lent(self) -> Iterator[None]:
        """Leave the terminal to another program; keys that were read before it is back are of nobody.

        Updates are held back meanwhile: queued repaints could block the return. What is done in the block raises
        nothing, since Textual would not come back after that.
        """
        with self.suspend(), self.batch_update():
            yield
        self._terminal_back = time.monotonic()
        self.action_redraw()

    def action_redraw(self) -> None:
        """Draw the whole screen anew: another program may have written over it."""
        self._painter.forget()
        self.refresh()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send what Textual has drawn, less what the terminal shows already."""
        less = self._painter.less(renderable, self.size)
        super()._display(screen, less)  # type: ignore[arg-type]  # Textual's own updates are not of that type either

    def action_help_quit(self) -> None:
        """Say on Ctrl-C how to leave: Textual would name a key of its own."""
        self.notify(f"{shown(keys_in_force(self.keys)['leave'])} quits the studio; the engine goes on", timeout=3)

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder="what to do; or the name of a story or a concept"))

    def keep_place(self, where: Place) -> None:
        self._where = msgspec.structs.replace(where, theme=self._where.theme)
        self._places.keep(self._where)

    # What the palette asks for (amygdala_tui.palette)

    @property
    def mirror(self) -> Mirror:
        """What is known of the corpus."""
        return self._studio.mirror

    def perform(self, action: Action) -> None:
        self.run_worker(self._studio.run_action(action.method))

    def go_to_story(self, path: str) -> None:
        self._studio.select_story(path)

    def go_to_concept(self, concept: str) -> None:
        self._studio.select_concept(concept)

    async def on_event(self, event: events.Event) -> None:
        """Handle each key whole before the next, in the studio: a burst of keys then acts as slow ones do.

        Textual would send every key of a burst to the widget that had the keyboard at its start: of `/weary` typed at
        once, the `e` would open the editor. Keys from before the editor's end are of nobody, and so are those that come
        before there are panes for them to act on.
        """
        if isinstance(event, events.Resize):
            self._painter.forget()
        if isinstance(event, events.Key | events.MouseDown):
            self._studio.is_untouched = False
        is_of_nobody = self._is_opening or event.time < self._terminal_back or not self._studio.is_up
        if isinstance(event, events.InputEvent) and is_of_nobody:
            return
        if not isinstance(event, events.Key) or event.is_forwarded or self.screen is not self._studio:
            await super().on_event(event)
            return
        focused = self.focused
        if isinstance(focused, Field | TextArea) and focused.check_consume_key(event.key, event.character):
            await focused._on_key(event)
        elif not (await self._check_bindings(event.key, priority=True) or await self._check_bindings(event.key)):
            await super().on_event(event)

    async def _take_keys(self) -> None:
        keys, trouble = await in_thread(load_keymap)
        self.keys = keys
        self.set_keymap(keys_in_force(keys))
        if trouble:
            self.notify(trouble, title="your keys", severity="warning", markup=False)

    async def _look(self) -> None:
        """Find the last numbers and the stories on disk, so that both are there before any engine answers."""
        kept = await in_thread(place.load, self.corpus)
        self._where = kept
        if kept.theme in themes.LOOKS:
            self.theme = themes.chosen(kept.theme, self.console.color_system, no_color=self.no_color)
        self._studio.take_up(kept)
        last = await in_thread(last_numbers.load, self.corpus)
        if last is not None:
            self.post_message(CorpusFound(last))
        scanned = await in_thread(lambda: scan(Layout.of(self.corpus)))
        on_disk = from_disk(scanned)
        self.post_message(CorpusFound(on_disk if last is None else last_numbers.over_disk(on_disk, last)))
        await self.mender.follow(scanned)

    # What happened

    @on(CorpusFound)
    def _corpus_found(self, event: CorpusFound) -> None:
        if self._link.seed(event.mirror):
            self._studio.draw(self._link.mirror, self._studio.away)

    @on(EngineSaid)
    def _engine_said(self, event: EngineSaid) -> None:
        self._note_changes(event.mirror)
        self._studio.draw(event.mirror, away="")
        doing = event.mirror.doing
        if event.mirror.revision and doing is not None and doing.state == "ready":
            self._numbers.keep(event.mirror)

    def _note_changes(self, mirror: Mirror) -> None:
        """Keep what others did to files, so that it can be taken back too."""
        last = self._studio.mirror.moves[0].revision if self._studio.mirror.moves else 0
        paths = [
            path for moved in mirror.moves if moved.revision > last for each in moved.changes for path in each.paths
        ]
        if paths and last:
            self.run_worker(partial(self.mender.saw, paths))  # type: ignore[arg-type]  # as in `showing`

    @on(EngineAway)
    def _engine_away(self, event: EngineAway) -> None:
        away = event.words if event.retrying else f"{event.words}; press S to start it again"
        self._studio.draw(self._studio.mirror, away)

    @on(SettingsDiffer)
    def _settings_differ(self, event: SettingsDiffer) -> None:
        question = Text.assemble(("This corpus is open in the engine with other settings.\n", styles.HEADING))
        for name, (mine, theirs) in event.differences.items():
            question.append(f"\n{name}: you asked for {mine}; in force is {theirs}")
        answers = {
            "t": ("theirs", "take the settings in force"),
            "o": ("ours", "reopen it with yours, for everyone who shows it"),
        }
        self.push_screen(Choice(question, answers), lambda answer: self._link.resolve(take_theirs=answer != "ours"))

    # What the screen asks for (amygdala_tui.workplace)

    def edit(self, path: str | None) -> None:
        if path is None:
            self.notify("choose a story first", timeout=3)
            return
        self._is_opening = True
        self.run_worker(self._edit(path))

    async def _edit(self, path: str) -> None:
        file = self.corpus / path
        try:
            is_file = await answered_within(ANSWERS_WITHIN_S, file, file.is_file)
            command = await answered_within(ANSWERS_WITHIN_S, "$PATH", find_editor)
        except AmygdalaError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            if not is_file:
                self.notify("the file is not there under this name; look at it in a terminal", severity="error")
            elif command is None:
                self.notify("no editor found: set $EDITOR, for example to nano", severity="error")
            else:
                await self.mender.in_turn(partial(self.mender.journal.opened, path))
                self._run_editor(command, file)
                await self.mender.in_turn(partial(self.mender.journal.closed, path))
        finally:
            self._is_opening = False

    def _run_editor(self, command: list[str], file: Path) -> None:
        with self._terminal_lent():
            trouble = run_editor(command, file)
            drop_typed_keys()
        if trouble:
            self.notify(trouble, severity="error", markup=False)
        self._studio.draw(self._studio.mirror, self._studio.away)

    def copy_path(self, path: str | None) -> None:
        """Copy a story's path to the clipboard of the writer's own terminal, over SSH too (OSC 52)."""
        if path is None:
            self.notify("choose a story first", timeout=3)
        else:
            self.copy_to_clipboard(str(self.corpus / path))
            words = f"copied the path of {plain(title(path))}, if your terminal lets programs copy"
            self.notify(words, timeout=3, markup=False)

    # What a writer's hands ask for (amygdala_tui.mender)

    def say(self, words: str, *, is_error: bool = False) -> None:
        self.notify(words, severity="error" if is_error else "information", timeout=8 if is_error else 4, markup=False)

    def ask(self, dialog: Screen[T], take: Callable[[T | None], None]) -> None:
        self.push_screen(dialog, take)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        self.run_worker(work)

    def await_story(self, path: str) -> None:
        self._studio.awaited = path

    def show_accepted(self, path: str, reason: str | None, *, goes_on: bool) -> None:
        mirror = self._link.accept(path, reason)
        if goes_on:
            self._studio.draw_accepted(mirror, path)
        else:
            self._studio.draw(mirror, self._studio.away)

    def request(self, kind: type[protocol.Request], **fields: Any) -> Awaitable[protocol.Reply]:
        return self._link.request(kind, **fields)

    # What the screen asks for (amygdala_tui.workplace)

    def showing(self, path: str | None) -> None:
        # mypy finds no result type for a callable here
        self.run_worker(partial(self._link.show, path), group="showing", exclusive=True)  # type: ignore[arg-type]

    def start_engine(self) -> None:
        self._link.resume()
