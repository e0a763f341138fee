"""Writes `docs/reference.md`: every command, flag and setting, from the parsers and the settings themselves.

    python docs/reference.py            # write it
    python docs/reference.py --check    # write nothing; exit code 1 if the file is not current

The page is built from the parsers' actions. `format_help` would not do: its text depends on the terminal's width and on
the version of Python.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from amygdala_tui.__main__ import demo_parser, studio_parser
from engine import cli
from engine.settings import Settings

PAGE = Path(__file__).with_suffix(".md")
RENEW = "make docs"
ENGINE = "amygdala-engine"
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "yes or no"}
"""What a JSON Schema calls a type, and what a person does."""
INTRODUCTION = f"""\
# Reference

<!-- Written by docs/reference.py. Change the parsers or the settings, then run: {RENEW} -->

Every command and every setting. This page is made from the code, and a test keeps it current.

Exit codes: 0 fine, 1 failed, 2 bad usage. The result goes to stdout; diagnostics and progress go to stderr.
"""
SETTINGS = """\
## Settings

A setting has a default, which `CORPUS/amygdala.toml` overrides, which a flag overrides. Keys in the file have
underscores, flags have dashes. `amygdala-engine init CORPUS` writes the file with every key explained. A dash for the
default means that there is no fixed one: the model or the device decides, or nothing is set.
"""


def page() -> str:
    """The whole page."""
    engine = cli.parser()
    parts = [
        INTRODUCTION,
        "## The studio\n",
        *_command("amygdala", studio_parser()),
        *_command("amygdala demo", demo_parser()),
        "## The engine\n",
        f"{engine.description} `amygdala-engine` is the same as `{ENGINE}`.\n",
        *_subcommands(ENGINE, engine),
        SETTINGS,
        _settings(),
    ]
    return "\n".join(parts)


def _subcommands(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """The commands of a parser in the order of their registration; one that has commands itself gives those."""
    for commands in _commands_of(parser):
        summaries = {choice.dest: choice.help for choice in commands._choices_actions}
        for word, command in commands.choices.items():
            if _commands_of(command):
                yield from _subcommands(f"{name} {word}", command)
            else:
                yield from _command(f"{name} {word}", command, summaries.get(word))


def _command(name: str, parser: argparse.ArgumentParser, summary: str | None = None) -> Iterator[str]:
    """One command: how to call it, what it does, its arguments and flags, and whether it takes the settings.

    Names are put together here: a parser's own `prog` is wrapped where the terminal is narrow.
    """
    arguments, takes_settings = [], False
    for group in parser._action_groups:
        if (group.title or "").startswith("settings"):
            takes_settings = True
        else:
            arguments += [action for action in group._group_actions if _is_shown(action)]
    yield f"### `{name}`\n"
    yield f"```\n{_usage(name, arguments, takes_settings)}\n```\n"
    yield f"{_sentence(summary or parser.description or '')}\n"
    rows = [(_name(action), _help(parser, action)) for action in arguments if action.help]
    if rows:
        yield _table(("argument", "meaning"), rows)
    if takes_settings:
        yield "Takes every [setting](#settings) as a flag, too.\n"


def _usage(name: str, arguments: Sequence[argparse.Action], takes_settings: bool) -> str:
    positional = [_positional(action) for action in arguments if not action.option_strings]
    required = [_flag(action) for action in arguments if action.option_strings and action.required]
    optional = [f"[{_flag(action)}]" for action in arguments if action.option_strings and not action.required]
    return " ".join([name, *positional, *required, *optional, *(["[settings]"] if takes_settings else [])])


def _positional(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(str(action.nargs), name)


def _flag(action: argparse.Action) -> str:
    if action.nargs == 0:
        return action.option_strings[-1]
    if isinstance(action.metavar, tuple):
        value = " ".join(action.metavar)
    elif action.choices is not None:
        value = "|".join(map(str, action.choices))
    else:
        value = action.metavar or action.dest.upper()
    return f"{action.option_strings[-1]} {value}"


def _name(action: argparse.Action) -> str:
    return f"`{_flag(action) if action.option_strings else _positional(action)}`"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    words = (action.help or "") % vars(action)
    rivals = [
        f"`{other.option_strings[-1]}`"
        for group in parser._mutually_exclusive_groups
        if action in group._group_actions
        for other in group._group_actions
        if other is not action
    ]
    return f"{words}; not with {', '.join(rivals)}" if rivals else words


def _is_shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS and not isinstance(
        action, argparse._HelpAction | argparse._VersionAction | argparse._SubParsersAction
    )


def _commands_of(parser: argparse.ArgumentParser) -> list[argparse._SubParsersAction[argparse.ArgumentParser]]:
    return [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]


def _settings() -> str:
    described = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    rows = [
        (f"`{name}`", _values(schema), _default(schema["default"]), schema["description"])
        for name, schema in described.items()
    ]
    return _table(("setting", "values", "default", "meaning"), rows)


def _values(schema: dict[str, Any]) -> str:
    """The values that a setting may have, from its JSON Schema; that it may be left out, its default tells."""
    if "anyOf" in schema:
        return ", ".join(_values(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    bounds = [f"{words} {schema[key]:g}" for key, words in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return " ".join([TYPES[schema["type"]], *bounds])


def _default(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def _sentence(words: str) -> str:
    """Words as a sentence: help begins small and ends without a full stop."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def main(arguments: Sequence[str]) -> int:
    """Write the page, or check it."""
    current = PAGE.is_file() and PAGE.read_text("utf-8") == page()
    if "--check" in arguments:
        if not current:
            print(f"{PAGE.name} is not current; to renew it: {RENEW}", file=sys.stderr)
        return 0 if current else 1
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
