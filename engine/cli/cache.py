"""`engine cache`: how much is kept of activations, whether it is sound, and less of it."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from engine import paths
from engine.cli.report import PLAIN_EVERY, diagnostics, output
from engine.errors import UsageError
from engine.plain import plain

if TYPE_CHECKING:
    from engine.compute.activations.store import Info, Pruned, Store, Verified

UNITS = "KMGT"
SIZE = re.compile(rf"([0-9]+(?:\.[0-9]+)?)\s*(?:([{UNITS}])(?:iB|B)?|B)?", re.IGNORECASE)


def info(arguments: argparse.Namespace) -> int:
    """Say what the cache holds."""
    found = _store().info()
    _tell(arguments, found, _facts(found))
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Read every entry and drop the damaged; 1 if there were any, so that a script learns of a failing disk."""
    store = _store()
    with _progress() as progress:
        found = store.verify(progress)
    _tell(arguments, found, _findings(store.root, found))
    return 1 if found.damaged or found.stuck else 0


def prune(arguments: argparse.Namespace) -> int:
    """Drop the least recently used until the cache is no larger than asked for; 1 if it could not be made so small."""
    from engine.compute.activations.store import MAX_BYTES

    max_bytes = MAX_BYTES if arguments.max_size is None else parse_size(arguments.max_size, "--max-size")
    store = _store()
    done = store.prune(max_bytes)
    _tell(arguments, done, _removed(store.root, done, max_bytes))
    return 0 if done.left <= max_bytes else 1


def parse_size(text: str, flag: str) -> int:
    """Bytes: `5G`, `5GiB` and `5GB` are all 5 * 2^30.

    Raises:
        UsageError: it is no size; `flag` is where it was given.
    """
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{flag} {text}: not a size; give bytes, or a number with K, M, G or T, for example 5G")
    number, unit = match.groups()
    return int(float(number) * 1024 ** (1 + UNITS.index(unit.upper()) if unit else 0))


def size_words(size: float) -> str:
    """A size for people: `512 B`, `1.5 KiB`, `20.0 GiB`."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in UNITS:
        size /= 1024
        if size < 1023.95 or unit == UNITS[-1]:
            break
    return f"{size:.1f} {unit}iB"


def _store() -> Store:
    from engine.compute.activations.store import Store  # imported here, for torch takes seconds

    return Store(paths.cache_dir())


def _tell(arguments: argparse.Namespace, answer: Info | Verified | Pruned, lines: list[str]) -> None:
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer, enc_hook=str)).decode() + "\n")
        return
    for line in lines:
        output.print(plain(line))


def _facts(found: Info) -> list[str]:
    total = sum(held.bytes for held in found.held.values())
    lines = [f"cache       {found.root}"]
    lines += [f"{kind:<11} {_entries(held.entries)}, {size_words(held.bytes)}" for kind, held in found.held.items()]
    lines += [f"in all      {size_words(total)}, of {size_words(found.max_bytes)} at most"]
    if found.oldest_use is not None:
        lines += [f"oldest use  {time.strftime('%Y-%m-%d %H:%M', time.localtime(found.oldest_use))}"]
    if found.unknown:
        lines += [
            f"not counted {_entries(found.unknown)} that the index does not know; run: python -m engine cache verify"
        ]
    return lines


def _findings(root: Path, found: Verified) -> list[str]:
    lines = [f"{_entries(found.sound)} sound"]
    if found.adopted:
        lines += [f"{_entries(found.adopted)} of these added to the index, which did not know them"]
    if found.lost:
        lines += [f"{_entries(found.lost)} struck from the index: their files are gone"]
    if found.damaged:
        lines += [f"{_entries(found.damaged)} damaged: dropped, and computed again when needed"]
    if found.stuck:
        lines += [f"{_entries(found.stuck)} cannot be read, or are damaged and cannot be removed"]
    verdict = "not sound" if found.stuck else "sound again" if found.damaged else "sound"
    return [*lines, f"{root}: {verdict}"]


def _removed(root: Path, done: Pruned, max_bytes: int) -> list[str]:
    lines = [f"{_entries(done.entries)} removed, {size_words(done.bytes)}"]
    if done.temporaries:
        lines += [f"{done.temporaries} left-over temporary file{'' if done.temporaries == 1 else 's'} removed"]
    too_much = f", though at most {size_words(max_bytes)} may be: the rest cannot be removed"
    return [*lines, f"{root}: {size_words(done.left)} left{too_much if done.left > max_bytes else ''}"]


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Entries read: a bar on a terminal, a plain line every few seconds elsewhere."""
    said = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= PLAIN_EVERY:
            said = time.monotonic()
            print(f"{done}/{total} entries", file=sys.stderr, flush=True)

    if not diagnostics.is_terminal:
        yield say
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=diagnostics, transient=True) as bar:
        task = bar.add_task("entries read", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
