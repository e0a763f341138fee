"""`engine cache`: how many activations are stored, whether they are sound, and how to keep fewer."""

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
    contents = _store().info()
    _tell(arguments, contents, _facts(contents))
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Read every entry and drop the damaged; 1 if there were any, so that a script learns of a failing disk."""
    store = _store()
    with _progress() as progress:
        verified = store.verify(progress)
    _tell(arguments, verified, _findings(store.root, verified))
    return 1 if verified.damaged or verified.stuck else 0


def prune(arguments: argparse.Namespace) -> int:
    """Drop the least recently used entries until the cache is as small as asked for; 1 if it cannot be so small."""
    from engine.compute.activations.store import MAX_BYTES

    max_bytes = MAX_BYTES if arguments.max_size is None else parse_size(arguments.max_size, "--max-size")
    store = _store()
    pruned = store.prune(max_bytes)
    _tell(arguments, pruned, _removed(store.root, pruned, max_bytes))
    return 0 if pruned.left <= max_bytes else 1


def parse_size(text: str, flag: str) -> int:
    """Bytes: `5G`, `5GiB` and `5GB` are all 5 * 2^30.

    Raises:
        UsageError: it is no size; the message names `flag`.
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
    from engine.compute.activations.store import Store  # imported here, since importing torch takes seconds

    return Store(paths.cache_dir())


def _tell(arguments: argparse.Namespace, answer: Info | Verified | Pruned, lines: list[str]) -> None:
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer, enc_hook=str)).decode() + "\n")
        return
    for line in lines:
        output.print(plain(line))


def _facts(contents: Info) -> list[str]:
    total = sum(stock.bytes for stock in contents.held.values())
    lines = [f"cache       {contents.root}"]
    lines += [
        f"{kind:<11} {_entries(stock.entries)}, {size_words(stock.bytes)}" for kind, stock in contents.held.items()
    ]
    lines += [f"in all      {size_words(total)}, of {size_words(contents.max_bytes)} at most"]
    if contents.oldest_use is not None:
        lines += [f"oldest use  {time.strftime('%Y-%m-%d %H:%M', time.localtime(contents.oldest_use))}"]
    if contents.unknown:
        lines += [
            f"not counted {_entries(contents.unknown)} that the index does not know; run: amygdala-engine cache verify"
        ]
    return lines


def _findings(root: Path, verified: Verified) -> list[str]:
    lines = [f"{_entries(verified.sound)} sound"]
    if verified.adopted:
        lines += [f"{_entries(verified.adopted)} of these added to the index, which did not know them"]
    if verified.lost:
        lines += [f"{_entries(verified.lost)} struck from the index: their files are gone"]
    if verified.damaged:
        lines += [f"{_entries(verified.damaged)} damaged: dropped, and computed again when needed"]
    if verified.stuck:
        lines += [f"{_entries(verified.stuck)} cannot be read, or are damaged and cannot be removed"]
    verdict = "not sound" if verified.stuck else "sound again" if verified.damaged else "sound"
    return [*lines, f"{root}: {verdict}"]


def _removed(root: Path, pruned: Pruned, max_bytes: int) -> list[str]:
    lines = [f"{_entries(pruned.entries)} removed, {size_words(pruned.bytes)}"]
    if pruned.temporaries:
        lines += [f"{pruned.temporaries} left-over temporary file{'' if pruned.temporaries == 1 else 's'} removed"]
    too_much = f", though at most {size_words(max_bytes)} may be: the rest cannot be removed"
    return [*lines, f"{root}: {size_words(pruned.left)} left{too_much if pruned.left > max_bytes else ''}"]


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Shows the entries read: a bar on a terminal, a line every few seconds elsewhere."""
    printed_at = time.monotonic()

    def print_line(done: int, total: int) -> None:
        nonlocal printed_at
        if time.monotonic() - printed_at >= PLAIN_EVERY:
            printed_at = time.monotonic()
            print(f"{done}/{total} entries", file=sys.stderr, flush=True)

    if not diagnostics.is_terminal:
        yield print_line
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=diagnostics, transient=True) as bar:
        task = bar.add_task("entries read", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
