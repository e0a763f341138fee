"""Reading a corpus from disk: every entry is either a story or a problem that names it, and says what to do."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from engine.corpus import accepted, contents, entries, reading, relatives
from engine.corpus.index import Index
from engine.corpus.layout import Layout
from engine.corpus.model import Corpus, Problem, Story, text_id
from engine.plain import escaped

MAX_BYTES = 1 << 20
"""A story is a page or two; a file above 1 MiB was put here by mistake and is not read."""

YOUNG_S = 2.0
"""Seconds after a write in which a file's times do not prove it unchanged: a second write may leave the same times.
Some file systems (SSHFS, FAT) count in whole or in two seconds."""

RECENT_S = 3600.0
"""A file that is seen for the first time may be young if its times lie within so many seconds of now: so far may the
clock of a server be off."""

OUTSIDE = entries.Refusal("error", "outside", "a link that leads out of the corpus is not followed")

Signature = tuple[int, int, int, int, str, bool]
"""Size, time of writing, time of any change, inode, the path when links are followed, and whether it is a copy."""


class _Entry(NamedTuple):
    """A file of a folder, or a folder where none belongs."""

    signature: Signature | None
    """None if it could not be read."""
    item: Story | Problem
    first_seen_at: float
    """When it was first seen with this signature, by the clock that only goes forward."""
    is_proven: bool
    """Whether an equal signature proves that it is unchanged."""


class _Folder(NamedTuple):
    where: str
    real: str
    """`where`, links followed."""
    is_link: bool
    entries: dict[str, _Entry]
    """What was looked at in it, by name."""
    names: set[str]
    """The names of all that is in it."""
    originals: dict[str, tuple[str, ...]]
    """What it may be a copy of, by name; only names that look like a copy's."""


def scan(layout: Layout) -> Corpus:
    """Scan a corpus once."""
    return Scanner(layout).scan()


class Scanner:
    """Scans a corpus again and again, looking only where something may have changed, reading only what has."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        areas = {"stories": layout.stories, "paired": layout.paired}
        self._areas = {name: str(folder) for name, folder in areas.items() if folder is not None}
        self._index = Index()
        self._listed: dict[str, _Folder] = {}
        """The folders that could be listed: `stories`, `paired`, `paired/<scenario>`."""
        self._unlisted: set[str] = set()
        """The folders that are there but could not be listed."""
        self._failed: set[str] = set()
        """Paths whose reading failed, perhaps for a moment (no descriptor left): each look tries them again."""
        self._shared: set[str] = set()
        """Paths of links, and of files with several names: their content can change under another name."""
        self._roots: list[str] = []
        self._has_scanned = False

    def scan(self, changed: Collection[str] | None = None) -> Corpus:
        """The corpus as it is on disk now.

        Args:
            changed: paths below the corpus (`stories/joy.txt`, `paired/night-bus`) of the files and folders that may
                have come, changed or gone since the last scan; a folder stands for all in it. None if any may have.
        """
        if changed is None or not self._has_scanned or self._layout.root is None or self._has_linked_folder:
            self._look_everywhere()
        else:
            shared = set(self._shared)
            for path in _topmost({*changed, *shared, *self._failed, *self._unlisted}):
                self._look_at(path)
            if not self._shared <= shared or self._has_linked_folder:
                self._look_everywhere()  # a file that is shared now may have changed under another name
        return self._index.corpus()

    @property
    def _has_linked_folder(self) -> bool:
        """Whether a change may be reported under another path than that of the story."""
        return any(folder.is_link for folder in self._listed.values())

    def _look_everywhere(self) -> None:
        layout = self._layout
        roots = [layout.root] if layout.root is not None else [layout.stories, layout.paired]
        self._roots = [os.path.realpath(root) for root in roots if root is not None]
        if "paired" in self._areas:
            self._look_into_paired()
        if "stories" in self._areas:
            self._look_into("stories")
        self._look_at_accepted()
        self._look_at_relatives()
        self._has_scanned = True

    def _look_at(self, path: str) -> None:
        """Look at one path; at its whole folder, if only a list of that tells what is in it."""
        match path.split("/"):
            case ["stories", name, *_] if self._is_open("stories"):
                self._look_at_entry("stories", name)
            case ["stories", *_]:
                self._look_into("stories")
            case ["paired", scenario, name, *_] if self._is_open(f"paired/{scenario}"):
                self._look_at_entry(f"paired/{scenario}", name)
            case ["paired", scenario, *_] if "paired" in self._listed:
                self._look_into_scenario(scenario)
            case ["paired", *_]:
                self._look_into_paired()
            case [accepted.FILE]:
                self._look_at_accepted()
            case [relatives.FILE]:
                self._look_at_relatives()

    def _look_at_accepted(self) -> None:
        """Read the file anew: it is small, and a writer who changes it has changed nothing else."""
        if self._layout.root is not None:
            self._index.accept(accepted.read(str(self._layout.root), self._roots))

    def _look_at_relatives(self) -> None:
        if self._layout.root is not None:
            self._index.relate(relatives.read(str(self._layout.root), self._roots))

    def _is_open(self, folder: str) -> bool:
        return folder in self._listed and os.access(self._listed[folder].where, os.X_OK)

    # Folders

    def _look_into_paired(self) -> None:
        before = self._listed.get("paired")
        names = self._list("paired")
        if before is not None:
            names |= before.names | before.entries.keys()
        names |= {path.split("/")[1] for path in (*self._listed, *self._unlisted, *self._shared) if _is_scenario(path)}
        for name in sorted(names):
            self._look_into_scenario(name, is_listed="paired" in self._listed)

    def _look_into_scenario(self, name: str, *, is_listed: bool = True) -> None:
        """Look at what is right in `paired`: a scenario, or a file or copy that does not belong there."""
        path, where = f"paired/{name}", f"{self._areas['paired']}/{name}"
        is_there = is_listed and not entries.is_silent(name) and os.path.lexists(where)
        refusal = None
        if is_there and not _is_folder(where):
            refusal = entries.refusal_of_file("paired", name, ())
        elif is_there:
            refusal = entries.refusal_of_scenario(name, self._listed["paired"].names)
        if refusal is None:
            self._look_into(path)
        else:
            self._drop(path)
            self._share(path, os.path.islink(where))  # noqa: PTH114  (pathlib raises where this says no)
            self._index.put(path, _problem(path, refusal, is_folder=_is_folder(where)))
        if is_listed:
            self._set_presence("paired", name, is_there)

    def _look_into(self, path: str) -> None:
        """Look at a folder of stories: at each entry that is in it, or was at the last scan."""
        names = self._list(path)
        if path in self._listed:
            self._forget(path, self._listed[path].entries.keys() - names)
            for name in sorted(names):
                self._look_at_entry(path, name)

    def _list(self, path: str) -> set[str]:
        """A folder's names. A folder that is gone, or cannot be listed, has none, and its entries are forgotten."""
        area, slash, scenario = path.partition("/")
        where = self._areas[area] + slash + scenario
        is_link = os.path.islink(where)  # noqa: PTH114  (pathlib raises where this says no)
        self._share(path, is_link)
        names, problem = None, None
        if not scenario or ("paired" in self._listed and not entries.is_silent(scenario) and _is_folder(where)):
            names, problem = _names(where, path)
        if names is None:
            self._drop(path)
        self._index.put(path, problem)
        if problem is not None:
            self._unlisted.add(path)
        if names is None:
            return set()
        self._unlisted.discard(path)
        is_plain = scenario and not is_link
        real = f"{self._listed['paired'].real}/{scenario}" if is_plain else os.path.realpath(where)
        before = self._listed.get(path)
        looked_at = before.entries if before is not None else {}
        originals = {name: sources for name in names if (sources := entries.originals(name))}
        self._listed[path] = _Folder(where, real, is_link, looked_at, names, originals)
        return set(names)

    def _drop(self, path: str) -> None:
        """A folder is not listed any more."""
        self._unlisted.discard(path)
        if path in self._listed:
            self._forget(path, list(self._listed[path].entries))
            del self._listed[path]

    def _forget(self, folder: str, names: Collection[str]) -> None:
        for name in names:
            self._listed[folder].entries.pop(name, None)
            self._share(f"{folder}/{name}", False)
            self._failed.discard(f"{folder}/{name}")
            self._index.put(f"{folder}/{name}", None)

    def _set_presence(self, folder: str, name: str, is_there: bool) -> None:
        """A name came or went: what looks like its copy is one now, or no longer."""
        names, originals = self._listed[folder].names, self._listed[folder].originals
        if (name in names) == is_there:
            return
        if is_there:
            names.add(name)
            if sources := entries.originals(name):
                originals[name] = sources
        else:
            names.discard(name)
            originals.pop(name, None)
        for copy in [copy for copy, sources in originals.items() if name in sources]:
            self._look_at(f"{folder}/{copy}")

    # Entries

    def _look_at_entry(self, folder: str, name: str) -> None:
        if entries.is_silent(name):
            return
        path, looked_at = f"{folder}/{name}", self._listed[folder].entries
        previous = looked_at.get(name)
        current = self._find(path, self._listed[folder], name, previous)
        if current is None:
            looked_at.pop(name, None)
        elif current is not previous:
            looked_at[name] = current
        self._index.put(path, current and current.item)
        self._set_presence(folder, name, current is not None)

    def _find(self, path: str, folder: _Folder, name: str, previous: _Entry | None) -> _Entry | None:
        """The entry as it is now: `previous` if it is unchanged, None if there is none."""
        where, real, is_link = f"{folder.where}/{name}", f"{folder.real}/{name}", False
        self._share(path, False)
        self._failed.discard(path)
        now = time.monotonic()
        try:
            info = os.lstat(where)
            is_link = stat.S_ISLNK(info.st_mode)
            self._share(path, is_link or (info.st_nlink > 1 and stat.S_ISREG(info.st_mode)))
            if is_link:
                info, real = Path(where).stat(), os.path.realpath(where)
            is_copy = any(source in folder.names for source in folder.originals.get(name, ()))
            signature = info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, real, is_copy
            if previous is None or previous.signature != signature:
                is_old = abs(time.time() - max(info.st_mtime, info.st_ctime)) > RECENT_S
                is_proven = is_old and not self._has_scanned  # what changes under our eyes is young, whatever its times
                return _Entry(signature, self._read(path, folder.names, where, real, info), now, is_proven)
            if previous.is_proven:
                return previous
            item = self._read(path, folder.names, where, real, info)
            return _Entry(signature, item, previous.first_seen_at, now - previous.first_seen_at >= YOUNG_S)
        except OSError as error:
            if not is_link and isinstance(error, FileNotFoundError | NotADirectoryError):
                return None
            self._failed.add(path)
            refusal = entries.Refusal("error", "unreadable", f"cannot be read: {error.strerror}")
            return _Entry(None, _problem(path, refusal), now, False)

    def _read(self, path: str, names: Collection[str], where: str, real: str, info: os.stat_result) -> Story | Problem:
        """Read one entry, if its name and kind allow it.

        Raises:
            OSError: it cannot be read, or is no file.
        """
        folder, _, name = path.rpartition("/")
        if stat.S_ISDIR(info.st_mode):
            return _problem(path, entries.refusal_of_folder(folder, name), is_folder=True)
        if refusal := entries.refusal_of_file(folder, name, names):
            return _problem(path, refusal)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(None, "not a regular file")
        if not reading.is_below(real, self._roots):
            return _problem(path, OUTSIDE)
        try:
            content = reading.read(real if real != where else where, self._roots, MAX_BYTES + 1)
        except reading.OutsideError:
            return _problem(path, OUTSIDE)
        text = contents.text_of(content) if len(content) <= MAX_BYTES else _too_big(max(info.st_size, len(content)))
        if isinstance(text, entries.Refusal):
            return _problem(path, text)
        scenario = folder.partition("/")[2] or None
        return Story(path=path, concept=entries.concept_of(name), scenario=scenario, text=text, text_id=text_id(text))

    def _share(self, path: str, is_shared: bool) -> None:
        if is_shared:
            self._shared.add(path)
        else:
            self._shared.discard(path)


def _topmost(paths: set[str]) -> list[str]:
    """The paths that lie below no other of them."""
    return [path for path in paths if not any(path[:at] in paths for at, char in enumerate(path) if char == "/")]


def _is_scenario(path: str) -> bool:
    return path.startswith("paired/") and path.count("/") == 1


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  (pathlib raises where this says no)


def _names(folder: str, path: str) -> tuple[set[str] | None, Problem | None]:
    try:
        return {name for name in os.listdir(folder) if not entries.is_silent(name)}, None  # noqa: PTH208
    except FileNotFoundError:  # a folder that vanished, or never was, holds no stories
        return None, None
    except OSError as error:
        refusal = entries.Refusal("error", "unreadable", f"this folder cannot be read: {error.strerror}")
        return None, _problem(path, refusal)


def _too_big(size: int) -> entries.Refusal:
    return entries.Refusal("error", "too-big", f"{size / 1e6:.1f} MB; a story has at most {MAX_BYTES >> 20} MiB")


def _problem(path: str, refusal: entries.Refusal, *, is_folder: bool = False) -> Problem:
    return Problem(
        path=escaped(path) + ("/" if is_folder else ""),
        severity=refusal.severity,
        code=refusal.code,
        message=escaped(refusal.message),
    )
