"""Text and names from files, made safe for a terminal."""

from __future__ import annotations

JOINERS = frozenset("\N{SOFT HYPHEN}\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{WORD JOINER}")
"""Characters that show nothing and yet belong to a text: Persian and Bengali are misspelt without them, and an emoji
of a family falls apart into its members. A terminal takes no orders from them."""


def plain(text: str) -> str:
    """Story text made safe for a terminal: line breaks kept, every other control character shown, not sent."""
    return "".join(char if char == "\n" or _is_shown(char) else _visible(char) for char in text)


def can_be_shown(name: str) -> bool:
    """Whether a name can stand in a line of text as it is: it has no control characters, and is Unicode."""
    return name.isprintable() or all(map(_is_shown, name))


def escaped(name: str) -> str:
    r"""A name of any kind for a line of text: what cannot be shown is written as `\x1b`, `\u202e` or `\udcff`."""
    return "".join(char if _is_shown(char) else ascii(char)[1:-1] for char in name)


def _is_shown(char: str) -> bool:
    return char.isprintable() or char in JOINERS


def _visible(char: str) -> str:
    code = ord(char)
    if char == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)
    return " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
