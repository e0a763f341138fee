"""What a benchmark prints, and the figures in it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Sequence

from tests.places import GOLDEN

CORPUS = str(GOLDEN / "corpus")
LLAMA = str(GOLDEN / "models" / "llama")
TINY = ("--size", "tiny", "--blocks", "3", "--corpus", CORPUS, "--stories", "5")
Main = Callable[[Sequence[str]], int]


def printed(main: Main, *arguments: str) -> str:
    """What a benchmark prints; it must end well."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert main(arguments) == 0, output.getvalue()
    return output.getvalue()


def figures(pattern: str, text: str) -> list[float]:
    """The groups of the one match of a pattern, as numbers."""
    matches = re.findall(pattern, text)
    assert len(matches) == 1, f"{len(matches)} times {pattern!r} in:\n{text}"
    groups = matches[0] if isinstance(matches[0], tuple) else matches
    return [float(group) for group in groups]
