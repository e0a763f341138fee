"""Concepts that a writer calls relatives: the lines of `relatives.tsv`, one a pair, sorted.

A line is `name <TAB> name`. That relatives are told alike is expected, and no alarm. Two writers' lines merge as any
text does; a line that cannot be understood is named and skipped, and stands on when the file is written again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from engine.corpus import own_file
from engine.corpus.model import Pair, Problem, Severity, pair_of
from engine.errors import AmygdalaError
from engine.paths import write_whole
from engine.plain import can_be_shown

FILE = "relatives.tsv"
"""Its name in the corpus."""
PREFIX = f".{FILE}."
"""Of the name under which the file is written: hidden, so that nobody takes it for a corpus's file."""
NAMED = 5
"""Lines that are named; of a file of another kind, all are wrong."""


class Relatives(NamedTuple):
    """What a file says."""

    pairs: frozenset[Pair]
    problems: list[Problem]


def read(corpus: str, roots: list[str]) -> Relatives:
    """What the file of a corpus says; nothing where there is none. Arguments as of `own_file.content`."""
    try:
        return understood(own_file.content(corpus, roots, FILE))
    except OSError as error:
        return Relatives(frozenset(), [_problem("error", f"cannot be read: {error.strerror}")])
    except AmygdalaError as error:
        return Relatives(frozenset(), [_problem("error", str(error))])


def understood(content: str) -> Relatives:
    """What lines say, and what is wrong with the others."""
    pairs, complaints = set(), []
    for number, line in enumerate(_lines(content), 1):
        if (pair := _pair(line)) is not None:
            pairs.add(pair)
        elif line.startswith(own_file.MARKERS):
            complaints.append(f"line {number} is left by a merge: take it out")
        elif line.strip():
            complaints.append(f"line {number} is skipped: it is not two concepts with a tab between; mend it")
    problems = [_problem("warning", words) for words in complaints[:NAMED]]
    if len(complaints) > NAMED:
        problems.append(_problem("warning", f"{len(complaints) - NAMED} more lines like these are skipped"))
    return Relatives(frozenset(pairs), problems)


def rewritten(content: str, pair: Pair, *, related: bool) -> str:
    """The lines with a pair of relatives, or without it; all other lines stay as they are.

    The new line goes before the first one that is after it, so that of a sorted file only this line changes.
    """
    lines = [line for line in _lines(content) if _pair(line) != pair]
    if related:
        later = (at for at, line in enumerate(lines) if (other := _pair(line)) is not None and other > pair)
        lines.insert(next(later, len(lines)), "\t".join(pair))
    return "".join(f"{line}\n" for line in lines)


def write(corpus: Path, one: str, other: str, *, related: bool) -> None:
    """Write into the file of a corpus that two concepts are relatives, or not any more: whole, or not at all.

    Raises:
        AmygdalaError: the file is no text, or a link out of the corpus: it is left as it is.
        OSError: it cannot be read or written.
    """
    real = os.path.realpath(corpus)
    with own_file.locked(corpus):
        before = own_file.content(real, [real], FILE)
        after = rewritten(before, pair_of(one, other), related=related)
        if after != before:
            file = Path(os.path.realpath(f"{real}/{FILE}"))
            write_whole(file, after.encode(), PREFIX, flush=True, mode=own_file.mode(file))


def _lines(content: str) -> list[str]:
    lines = content.removeprefix("\ufeff").split("\n")
    return lines if lines[-1] else lines[:-1]


def _pair(line: str) -> Pair | None:
    names = [name.strip() for name in line.split("\t")]
    is_pair = len(names) == 2 and all(names) and names[0] != names[1] and all(map(can_be_shown, names))
    return pair_of(*names) if is_pair else None


def _problem(severity: Severity, message: str) -> Problem:
    return Problem(path=FILE, severity=severity, code="relatives", message=message)
