"""A writer's own keys: read from `keys.toml`, and refused by name where they would take another action's place."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from textual.binding import Binding, BindingType

from amygdala_tui.actions import ACTIONS
from amygdala_tui.widgets.lines import LineList
from amygdala_tui.widgets.tree import CorpusTree

DEFAULT_KEYS: Mapping[str, str] = {action.id: action.key for action in ACTIONS}
LISTS: list[BindingType] = [*LineList.BINDINGS, *CorpusTree.BINDINGS]
KEPT_KEYS: Mapping[str, str] = {
    **{binding.key: "moves in lists" for binding in Binding.make_bindings(LISTS)},
    "escape": "goes back",
    "tab": "goes to the next pane",
    "shift+tab": "goes to the pane before",
    "ctrl+p": "opens the palette",
    "ctrl+c": "copies",
    "ctrl+q": "quits",
    "ctrl+z": "suspends the studio",
}
"""Keys that no action can have, and what they do."""


def keymap_path() -> Path:
    """Where a writer's own keys are read from: lines like `edit = "E"` under `[keys]`."""
    return platformdirs.user_config_path("amygdala") / "keys.toml"


def load_keymap() -> tuple[dict[str, str], str]:
    """The writer's own keys by action id, and words about what is wrong with the file ('' if nothing is)."""
    path = keymap_path()
    try:
        asked_for = tomllib.loads(path.read_text("utf-8-sig")).get("keys", {})
    except FileNotFoundError:
        return {}, ""
    except RecursionError:
        return {}, f"{path}: brackets within brackets, too deep to read"
    except (OSError, ValueError) as error:  # malformed, no UTF-8, or a number of thousands of digits
        return {}, f"{path}: {error}"
    if not isinstance(asked_for, dict):
        return {}, f'{path}: [keys] is to be a table of lines like edit = "E"'
    own_keys, complaints = settle(asked_for)
    return own_keys, f"{path}: {'; '.join(complaints)}" if complaints else ""


def settle(asked_for: Mapping[str, object]) -> tuple[dict[str, str], list[str]]:
    """The keys that a writer can have of those asked for, by action id, and why not the others."""
    own_keys: dict[str, str] = {}
    complaints: list[str] = []
    for name, key in asked_for.items():
        if name not in DEFAULT_KEYS:
            complaints.append(f"{name}: there is no such action")
        elif not isinstance(key, str) or not key or ("," in key and key != ","):
            complaints.append(f'{name}: a key is a text like "e"')
        elif (spelt := _as_textual_spells(key)) in KEPT_KEYS:
            complaints.append(f"{name}: {key} {KEPT_KEYS[spelt]}, so {_stays(name)}")
        else:
            own_keys[name] = spelt
    while clashing := _clashing(own_keys):
        # what is refused falls back to its default key, which may be another's that was asked for
        in_force = keys_in_force(own_keys)
        for name in clashing:
            others = [other for other, key in in_force.items() if key == own_keys[name] and other != name]
            complaints.append(f"{name}: {asked_for[name]} is the key of {' and '.join(others)}, so {_stays(name)}")
        own_keys = {name: key for name, key in own_keys.items() if name not in clashing}
    return own_keys, complaints


def keys_in_force(own_keys: Mapping[str, str]) -> dict[str, str]:
    """The key of every action. All of them, since Textual moves those of a keymap behind the others in the footer."""
    return {**DEFAULT_KEYS, **own_keys}


def _clashing(own_keys: Mapping[str, str]) -> list[str]:
    n_actions = Counter(keys_in_force(own_keys).values())
    return [name for name, key in own_keys.items() if n_actions[key] > 1]


def _stays(name: str) -> str:
    return f"it stays {shown(DEFAULT_KEYS[name])}"


def _as_textual_spells(key: str) -> str:
    """`/` is `slash`: a character that is no letter or digit has a name."""
    (binding,) = Binding.make_bindings([Binding("comma" if key == "," else key, "")])
    return binding.key


def shown(key: str) -> str:
    """A key as a writer knows it: `slash` is `/`, `ctrl+s` is `^s`."""
    return {"slash": "/", "question_mark": "?", "plus": "+"}.get(key, key.replace("ctrl+", "^"))
