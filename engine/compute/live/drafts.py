"""What the tokens and the sentences of a text carry of concepts. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import Tensor

from engine.results import Reading

Span = tuple[int, int]
"""Where something begins and ends in a text, in characters."""
ENDS = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*(?=\s|$)|\n\s*\n|[。！？]+)\s*")
"""What ends a sentence, with the quotes that close after it, or an empty line. Abbreviations end one too early, which
does no harm here."""


def token_values(tokens: Tensor, directions: Tensor, centre: Tensor, scale: float) -> Tensor:
    """`(h_t - centre) . d_c / scale` of tokens `[T, H]` and directions `[C, H]`: `[T, C]`, fp64."""
    values: Tensor = (tokens.double() - centre) @ directions.T / scale
    return values


def sentences(text: str) -> list[Span]:
    """The sentences of a text, without the white space between them."""
    found, start = [], 0
    for match in ENDS.finditer(text):
        found.append((start, match.end()))
        start = match.end()
    found.append((start, len(text)))
    stripped = []
    for start, end in found:
        piece = text[start:end]
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            stripped.append((start + lead, start + len(piece.rstrip())))
    return stripped


def readings(text: str, offsets: Sequence[Span], values: Tensor) -> tuple[list[Reading], list[Reading]]:
    """Of each token and of each sentence, the mean of its tokens.

    Args:
        text: what the tokens are of.
        offsets: where each of the T tokens stands; (0, 0) for those that stand for no text.
        values: `[T, C]`.

    Returns:
        The tokens' readings, and those of the sentences that have tokens: a text that was cut has fewer.
    """
    tokens = [Reading(start, end, row) for (start, end), row in zip(offsets, values.tolist(), strict=True)]
    found = []
    for start, end in sentences(text):
        inside = [t for t, (first, last) in enumerate(offsets) if first < end and last > start and last > first]
        if inside:
            found.append(Reading(start, end, values[inside].mean(0).tolist()))
    return tokens, found
