"""Where the sentences of a text begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sentencex import get_sentence_boundaries

Span = tuple[int, int]
"""Where something begins and ends in a text, in characters."""
WINDOW = 2048
"""Characters that are looked at together. The library takes quadratic time where quotes are opened and never closed."""
LANGUAGE = "en"
"""Whose abbreviations are known. Full stops of all scripts end a sentence in any language."""
EMPTY_LINE = re.compile(r"\n\s*\n")
UNREADABLE = re.compile(r"[^\S\n]|[\ud800-\udfff]")
"""What the library is not given: it falls over an initial before a blank of several bytes, and half a surrogate pair
cannot be passed to it at all. A plain blank stands instead, so that all places stay as they are."""


def sentences(text: str) -> list[Span]:
    """The sentences of a text, without the white space between them.

    An empty line ends a sentence. Quotes that close belong to the sentence before them. A sentence that is longer than
    half a `WINDOW` may be cut.

    Returns:
        Spans in order, which do not overlap and hold every character that is no white space.
    """
    spans = []
    for start, end in _uncut(UNREADABLE.sub(" ", text)):
        piece = text[start:end]
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            spans.append((start + lead, start + len(piece.rstrip())))
    return spans


def _uncut(text: str) -> Iterator[Span]:
    """The sentences of a text, each with the white space around it."""
    begin = 0
    for empty_line in EMPTY_LINE.finditer(text):
        yield from _of_paragraph(text, begin, empty_line.end())
        begin = empty_line.end()
    yield from _of_paragraph(text, begin, len(text))


def _of_paragraph(text: str, begin: int, end: int) -> Iterator[Span]:
    """As `_uncut`, of a part of the text; in windows, so that the time is linear in the length."""
    while begin < end:
        window = text[begin : min(begin + WINDOW, end)]
        stops = _stops(window)
        if begin + len(window) == end:
            stops.append(len(window))
        elif not stops or stops[-1] < WINDOW // 2:
            stops.append(_last_blank(window))
        for start, stop in zip([0, *stops], stops, strict=False):
            yield begin + start, begin + stop
        begin += stops[-1]


def _stops(window: str) -> list[int]:
    """Where sentences end within a window; its own end is left out."""
    try:
        return [boundary["end_index"] for boundary in get_sentence_boundaries(LANGUAGE, window)[:-1]]
    except BaseException as error:
        # A fault in the library's Rust is no `Exception`: one odd draft would end the whole worker.
        if type(error).__name__ != "PanicException":
            raise
        return []


def _last_blank(window: str) -> int:
    """Behind the last white space in the second half, or the end: where a sentence is cut that fills the window."""
    half = WINDOW // 2
    return 1 + max(window.rfind(" ", half), window.rfind("\n", half)) or len(window)
