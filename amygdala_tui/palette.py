"""What `^p` finds: what can be done, as verbs with their keys, and stories and concepts by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Protocol, cast

from rich.cells import cell_len
from textual.command import DiscoveryHit, Hit, Hits, Provider

from amygdala_tui.actions import ACTIONS, Action
from amygdala_tui.keymap import keys_in_force, shown
from amygdala_tui.mirror import Mirror
from amygdala_tui.themes import LOOKS, TERMINAL
from amygdala_tui.words import title
from engine.plain import plain

MOST_NAMES = 30
"""Stories that are listed at most; more words narrow them."""
KEY_COLUMN = 60
"""Cells after which keys stand."""


class Host(Protocol):
    """The app, as the palette sees it."""

    keys: Mapping[str, str]
    theme: str

    @property
    def mirror(self) -> Mirror: ...

    def perform(self, action: Action) -> None: ...

    def go_to_story(self, path: str) -> None: ...

    def go_to_concept(self, concept: str) -> None: ...

    def wear(self, name: str) -> None: ...


class Palette(Provider):
    """The studio's own commands, in place of Textual's."""

    async def discover(self) -> Hits:
        for label, command, help_text in self._commands():
            yield DiscoveryHit(label, command, help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for label, command, help_text in self._commands():
            if (score := matcher.match(label)) > 0:
                yield Hit(score, matcher.highlight(label), command, help=help_text)
        host = self._host
        for concept in matching(query, host.mirror.concepts):
            yield Hit(0.9, plain(concept), partial(host.go_to_concept, concept), help="concept")
        for path in matching(query, host.mirror.stories):
            yield Hit(0.8, plain(title(path)), partial(host.go_to_story, path), help=f"story, {plain(path)}")

    @property
    def _host(self) -> Host:
        return cast(Host, self.app)

    def _commands(self) -> Iterator[tuple[str, partial[None], str]]:
        """What can be done: words with the key, the call, and what it does."""
        host = self._host
        keys = keys_in_force(host.keys)
        for action in ACTIONS:
            words = verb(action)
            more = action.help if action.help.rstrip(".") != words else ""
            yield with_key(words, shown(keys[action.id])), partial(host.perform, action), more
        if host.theme != TERMINAL:
            for look in LOOKS.values():
                yield f"Use the theme {look.name}", partial(host.wear, look.name), look.help


def verb(action: Action) -> str:
    """What an action does, as short as a line: a view is shown, else its help says it first."""
    if action.id.startswith("show-"):
        return f"Show {action.label}"
    return action.help.split(". ")[0].split("; ")[0].split(": ")[0].split(" (")[0].rstrip(".")


def with_key(words: str, key: str) -> str:
    """Words, and the key in a column of its own where they leave room."""
    return f"{words}{' ' * max(2, KEY_COLUMN - cell_len(words))}{key}"


def matching(query: str, names: Iterable[str]) -> list[str]:
    """The names that hold every word of a query, shortest first: without fuzz, since there may be ten thousand."""
    words = query.casefold().split()
    if not words:
        return []
    matches = [name for name in names if all(word in name.casefold() for word in words)]
    return sorted(matches, key=lambda name: (len(name), name))[:MOST_NAMES]
