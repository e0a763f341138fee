"""Text from files, made safe for a terminal."""

from __future__ import annotations


def plain(text: str) -> str:
    """Text made safe for a terminal: line breaks stay, every other control character becomes a visible one."""
    return "".join(char if char == "\n" or char.isprintable() else _visible(char) for char in text)


def _visible(char: str) -> str:
    code = ord(char)
    if char == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)
    return " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
