"""Stories that a writer accepts as they are: the lines of `accepted.tsv`, one a story, sorted by path.

A line is `path <TAB> text id <TAB> reason`, the reason may be empty. It holds for that text alone: once the story
changes, the line says nothing until the story is accepted anew. Two writers' lines merge as any text does; what a merge
or a person leaves that cannot be understood is named and skipped, and stands on when the file is written again.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from engine.corpus import contents, own_file, reading
from engine.corpus.entries import Refusal
from engine.corpus.model import Accepted, Problem, Severity, text_id
from engine.errors import AmygdalaError
from engine.paths import write_whole
from engine.plain import can_be_shown

FILE = "accepted.tsv"
"""Its name in the corpus."""
NAMED = 5
"""Lines that are named; of a file of another kind, all are wrong."""
PREFIX = f".{FILE}."
"""Of the name under which the file is written: hidden, so that nobody takes it for a corpus's file."""

STORY = re.compile(r"(?:stories|paired/[^/]+)/[^/]+\.txt")
TEXT_ID = re.compile(r"[0-9a-f]{32}")


class Acceptances(NamedTuple):
    """What a file says."""

    accepted: Mapping[str, Accepted]
    """By path."""
    problems: list[Problem]


class _Line(NamedTuple):
    text: str
    """Without its end."""
    path: str = ""
    """Empty where the line is not understood."""
    accepted: Accepted | None = None


def read(corpus: str, roots: list[str]) -> Acceptances:
    """What the file of a corpus says; nothing where there is none.

    Args:
        corpus: the folder.
        roots: real paths; a link that leads elsewhere is not followed.
    """
    try:
        content = own_file.content(corpus, roots, FILE)
    except OSError as error:
        return Acceptances({}, [_problem("error", f"cannot be read: {error.strerror}")])
    except AmygdalaError as error:
        return Acceptances({}, [_problem("error", str(error))])
    return understood(content)


def understood(content: str) -> Acceptances:
    """What lines say, and what is wrong with the others."""
    lines = _lines(content)
    numbers: dict[str, list[int]] = {}
    complaints: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if line.accepted is not None:
            numbers.setdefault(line.path, []).append(number)
        elif line.text.startswith(own_file.MARKERS):
            complaints.append((number, f"line {number} is left by a merge: decide on the lines around it; take it out"))
        elif line.text.strip():
            complaints.append(
                (number, f"line {number} is skipped: it is not path, text id and reason with tabs between; mend it")
            )
    accepted = {}
    for path, of_path in numbers.items():
        said = {lines[number - 1].accepted for number in of_path}
        if len(said) == 1 and (only := said.pop()) is not None:
            accepted[path] = only
        else:
            named = " and ".join(map(str, of_path))
            complaints.append((of_path[0], f"lines {named} differ on {path}, so none of them counts: keep one"))
    complaints.sort()
    problems = [_problem("warning", words) for _, words in complaints[:NAMED]]
    if len(complaints) > NAMED:
        problems.append(_problem("warning", f"{len(complaints) - NAMED} more lines like these are skipped"))
    return Acceptances(accepted, problems)


def rewritten(content: str, path: str, accepted: Accepted | None) -> str:
    """The lines with a story accepted, or not accepted any more (None); all lines that are not of it stay as they are.

    The new line goes where the order of paths has it, so that of a sorted file only this line changes.
    """
    lines = [line for line in _lines(content) if line.path != path]
    if accepted is not None:
        reason = one_line(accepted.reason)
        places = [(line.path, at) for at, line in enumerate(lines) if line.accepted is not None]
        before = bisect_right(places, path, key=lambda place: place[0])
        at = places[before][1] if before < len(places) else len(lines)
        lines.insert(at, _Line(f"{path}\t{accepted.text_id}\t{reason}"))
    return "".join(f"{line.text}\n" for line in lines)


def write(corpus: Path, path: str, accepted: Accepted | None) -> None:
    """Write into the file of a corpus that a story is accepted, or not any more (None). Raises as `write_all` does."""
    write_all(corpus, {path: accepted})


def write_all(corpus: Path, accepted: Mapping[str, Accepted | None]) -> None:
    """Write into the file of a corpus which of these stories are accepted, by path: whole, or not at all.

    Raises:
        AmygdalaError: the file is no text, or a link out of the corpus: it is left as it is.
        OSError: it cannot be read or written.
    """
    real = os.path.realpath(corpus)
    with own_file.locked(corpus):
        before = own_file.content(real, [real], FILE)
        after = before
        for path, entry in accepted.items():
            after = rewritten(after, path, entry)
        if after != before:
            file = Path(os.path.realpath(f"{real}/{FILE}"))
            write_whole(file, after.encode(), PREFIX, flush=True, mode=own_file.mode(file))


def text_id_at(corpus: Path, path: str) -> str:
    """The id of the text that a story's file holds now, as a scan gives it.

    Raises:
        AmygdalaError: there is no story in it.
        OSError: it cannot be read.
    """
    real = os.path.realpath(corpus)
    try:
        content = reading.read(os.path.realpath(f"{real}/{path}"), [real], own_file.MAX_BYTES)
    except reading.OutsideError:
        raise AmygdalaError(f"{path} is a link that leads out of the corpus") from None
    text = contents.text_of(content)
    if isinstance(text, Refusal):
        raise AmygdalaError(f"{path}: {text.message}")
    return text_id(text)


def one_line(words: str) -> str:
    """A reason as it can stand in a line: blanks of any kind are one space, what cannot be shown is left out."""
    shown = "".join(char for char in words if char.isspace() or can_be_shown(char))
    return " ".join(shown.split())


def _lines(content: str) -> list[_Line]:
    texts = content.removeprefix("\ufeff").split("\n")
    return [_line(text) for text in (texts if texts[-1] else texts[:-1])]


def _line(text: str) -> _Line:
    path, *rest = text.removesuffix("\r").split("\t", 2)
    if not rest or not STORY.fullmatch(path) or not can_be_shown(path) or not TEXT_ID.fullmatch(rest[0]):
        return _Line(text)
    return _Line(text, path, Accepted(text_id=rest[0], reason=one_line("".join(rest[1:]))))


def _problem(severity: Severity, message: str) -> Problem:
    return Problem(path=FILE, severity=severity, code="accepted", message=message)
