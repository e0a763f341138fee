"""`engine history`: the revisions of a corpus, how two of them differ, and a story as it was."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

import msgspec

from engine import paths
from engine.cli.report import output
from engine.corpus import Change
from engine.errors import AmygdalaError, UsageError
from engine.plain import can_be_shown, plain
from engine.service.history.database import History
from engine.wire.revisions import Comparison, Metrics, Revision

NAMED = 3
"""Files that a line names; further ones are counted."""
KINDS = ("edited", "added", "removed", "moved")


class Listing(msgspec.Struct, frozen=True):
    """What `--json` prints where revisions are listed."""

    corpus: str
    revisions: list[Revision]


def history(arguments: argparse.Namespace) -> int:
    """Read a corpus's history; needs no engine, and the corpus itself may be gone."""
    if arguments.limit < 1:
        raise UsageError("--limit: at least 1")
    if arguments.json and arguments.text:
        raise UsageError("--text writes the story's text as it is; --json does not go with it")
    corpus = arguments.corpus.resolve()
    with contextlib.closing(History(paths.history_path(corpus), corpus, readonly=True)) as past:
        if arguments.text:
            _write_text(past, *arguments.text)
        elif arguments.compare:
            comparison = past.compare(*arguments.compare)
            _show(arguments.json, comparison, _compared(comparison))
        else:
            revisions = past.revisions(arguments.limit)
            if not revisions:
                raise AmygdalaError(f"no history of {corpus} yet: the engine has computed nothing of it")
            _show(arguments.json, Listing(str(corpus), revisions), _listed(revisions))
    return 0


def _show(as_json: bool, answer: Listing | Comparison, lines: list[str]) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer)).decode() + "\n")
    else:
        for line in lines:
            output.print(plain(line))


def _listed(revisions: list[Revision]) -> list[str]:
    number_width = max(len(str(revision.number)) for revision in revisions)
    cause_width = max(len(revision.cause) for revision in revisions)
    return [
        f"{revision.number:>{number_width}}  {_local(revision.when)}  {revision.cause:<{cause_width}}  "
        f"{revision.texts_run:>5} {'text ' if revision.texts_run == 1 else 'texts'} run  {_files(revision.changes)}"
        for revision in revisions
    ]


def _local(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _files(changes: list[Change]) -> str:
    """`edited a, b; added c and 9 more`: some files are named, the others counted."""
    if not changes:
        return "no file changed"
    named = sorted(changes, key=lambda change: KINDS.index(change.kind))[:NAMED]
    by_kind = {kind: [" → ".join(change.paths) for change in named if change.kind == kind] for kind in KINDS}
    words = "; ".join(f"{kind} {', '.join(files)}" for kind, files in by_kind.items() if files)
    return words + (f" and {len(changes) - NAMED} more" if len(changes) > NAMED else "")


def _compared(comparison: Comparison) -> list[str]:
    width = max(map(len, comparison.metrics), default=0)
    return [
        f"revision {comparison.before} → {comparison.after}",
        *([f"{change.kind:<7}  {change.path}" for change in comparison.changes] or ["no file differs"]),
        *([f"{name:<{width}}  {_moved(*pair)}" for name, pair in comparison.metrics.items()] or ["no number differs"]),
    ]


def _moved(before: Metrics | None, after: Metrics | None) -> str:
    old, new = _words(before), _words(after)
    if before is None or after is None:
        return f"{_all(old) or 'no vector'} → {_all(new) or 'no vector'}"
    return ", ".join(f"{label} {old[label]} → {new[label]}".strip() for label in old if old[label] != new[label])


def _all(words: dict[str, str]) -> str:
    return ", ".join(f"{label} {value}".strip() for label, value in words.items())


def _words(metrics: Metrics | None) -> dict[str, str]:
    """The numbers in words, by label; the bucket's label is empty."""
    if metrics is None:
        return {}
    return {
        "": metrics.bucket or "no bucket",
        "stories": str(metrics.n_stories),
        "first PC": _number(metrics.first_pc),
        "nearest": "none" if metrics.nearest is None else f"{metrics.nearest} {_number(metrics.nearest_cosine)}",
        "R²": _number(metrics.r_squared),
    }


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _write_text(past: History, revision: str, path: str) -> None:
    """Write a story's text, byte for byte into a file or a pipe, made safe into a terminal."""
    try:
        number = int(revision)
    except ValueError:
        raise UsageError(f"--text: {revision} is not the number of a revision") from None
    if not _is_relative(path):
        raise UsageError(f"--text: {path} is not a story's path within the corpus, such as stories/calm.txt")
    text = past.text(number, path)
    if text is None:
        raise AmygdalaError(f"revision {number} has no story {path}")
    if sys.stdout.isatty():
        text = plain(text)
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def _is_relative(path: str) -> bool:
    """Whether a path leads down from the corpus, and nowhere else."""
    return can_be_shown(path) and all(part not in ("", ".", "..") for part in path.split("/"))
