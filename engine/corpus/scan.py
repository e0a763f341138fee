"""Reading a corpus from disk: every file is either a story or a problem that names it."""

from __future__ import annotations

import os
import stat
import time
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.corpus.index import Index
from engine.corpus.model import BASELINE, Corpus, Problem, Severity, Story, text_id
from engine.errors import UsageError

MAX_BYTES = 1 << 20
"""A story is a page or two; a file above 1 MiB was put here by mistake and is not read."""

YOUNG_S = 2.0
"""Seconds after a write in which a file's times do not prove it unchanged: a second write may leave the same times."""

Signature = tuple[int, int, int, int, str]
"""Size, time of writing, time of any change, inode, and the path that it has when links are followed."""


class _File(NamedTuple):
    signature: Signature | None
    """None if even its metadata could not be read."""
    item: Story | Problem


class _Folder(NamedTuple):
    where: str
    real: str
    """`where`, links followed."""
    is_link: bool
    files: dict[str, _File]
    """Its files by name."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where a corpus keeps its unpaired stories and its scenarios; either may be missing, not both."""

    stories: Path | None
    paired: Path | None
    root: Path | None = None
    """The folder that links may lead into; without one, they may lead only into `stories` and `paired`."""

    @classmethod
    def of(cls, corpus: Path) -> Layout:
        """The layout of a corpus folder: `stories/` and `paired/` beneath it.

        Raises:
            UsageError: there is no such folder, or it holds neither.
        """
        if not corpus.is_dir():
            raise UsageError(f"{corpus}: no such folder")
        layout = cls(stories=corpus / "stories", paired=corpus / "paired", root=corpus)
        if not any(folder and folder.is_dir() for folder in (layout.stories, layout.paired)):
            raise UsageError(
                f"{corpus}: not a corpus: it has neither stories/ nor paired/\n"
                "Put stories into stories/<concept>.txt, or retellings into paired/<scenario>/<concept>.txt."
            )
        return layout


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
        """The folders that could be listed: `stories`, `paired` (without stories of its own), `paired/<scenario>`."""
        self._unlisted: set[str] = set()
        """The folders that are there but could not be listed."""
        self._shared: set[str] = set()
        """Paths of links, and of files with several names: their content can change under another name."""
        self._roots: list[Path] = []
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
            for path in _topmost({*changed, *shared}):
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
        self._roots = [Path(os.path.realpath(root)) for root in roots if root is not None]
        if "paired" in self._areas:
            self._look_into_paired()
        if "stories" in self._areas:
            self._look_into("stories")
        self._has_scanned = True

    def _look_at(self, path: str) -> None:
        """Look at one path; at its whole folder, if only a list of that tells what is in it."""
        match path.split("/"):
            case ["stories", name, *_] if self._is_open("stories"):
                self._look_at_file("stories", name, is_named=True)
            case ["stories", *_]:
                self._look_into("stories", is_named=True)
            case ["paired", scenario, name, *_] if self._is_open(f"paired/{scenario}"):
                self._look_at_file(f"paired/{scenario}", name, is_named=True)
            case ["paired", scenario, *_] if "paired" in self._listed:
                self._look_into(f"paired/{scenario}", is_named=True)
            case ["paired", *_]:
                self._look_into_paired(is_named=True)

    def _is_open(self, folder: str) -> bool:
        return folder in self._listed and os.access(self._listed[folder].where, os.X_OK)

    def _look_into_paired(self, *, is_named: bool = False) -> None:
        scenarios = {f"paired/{entry.name}" for entry in self._list("paired") if _may_be_scenario(entry)}
        scenarios.update(path for path in (*self._listed, *self._unlisted, *self._shared) if _is_scenario(path))
        for path in sorted(scenarios):
            self._look_into(path, is_named=is_named)

    def _look_into(self, path: str, *, is_named: bool = False) -> None:
        """Look at a folder of stories: at each file that is in it, or was at the last scan."""
        names = {entry.name for entry in self._list(path)}
        if path in self._listed:
            self._forget(path, self._listed[path].files.keys() - names)
            for name in sorted(names):
                self._look_at_file(path, name, is_named=is_named)

    def _forget(self, folder: str, names: Collection[str]) -> None:
        for name in names:
            self._listed[folder].files.pop(name, None)
            self._share(f"{folder}/{name}", False)
            self._index.put(f"{folder}/{name}", None)

    def _list(self, path: str) -> list[os.DirEntry[str]]:
        """A folder's entries. A folder that is gone, or cannot be listed, has none, and its files are forgotten."""
        area, slash, scenario = path.partition("/")
        where = self._areas[area] + slash + scenario
        is_link = os.path.islink(where)  # noqa: PTH114  (pathlib raises where this says no)
        self._share(path, is_link)
        entries, problem = None, None
        if not scenario or ("paired" in self._listed and not scenario.startswith(".") and _is_folder(where)):
            entries, problem = _entries(where, path)
        self._index.put(path, problem)
        if problem is None:
            self._unlisted.discard(path)
        else:
            self._unlisted.add(path)
        if entries is None:
            if path in self._listed:
                self._forget(path, list(self._listed[path].files))
                del self._listed[path]
            return []
        is_plain = scenario and not is_link
        real = f"{self._listed['paired'].real}/{scenario}" if is_plain else os.path.realpath(where)
        files = self._listed[path].files if path in self._listed else {}
        self._listed[path] = _Folder(where, real, is_link, files)
        return entries

    def _look_at_file(self, folder: str, name: str, *, is_named: bool) -> None:
        if not name.endswith(".txt") or name.startswith("."):
            return
        path, files = f"{folder}/{name}", self._listed[folder].files
        previous = files.get(name)
        current = self._find(path, self._listed[folder], name, previous, is_named=is_named)
        if current is None:
            files.pop(name, None)
        elif current is not previous:
            files[name] = current
        self._index.put(path, current and current.item)

    def _find(self, path: str, folder: _Folder, name: str, previous: _File | None, *, is_named: bool) -> _File | None:
        """The file as it is now: `previous` if it is unchanged, None if there is none."""
        where, real, is_link = f"{folder.where}/{name}", f"{folder.real}/{name}", False
        self._share(path, False)
        try:
            info = os.lstat(where)
            is_link = stat.S_ISLNK(info.st_mode)
            self._share(path, is_link or (info.st_nlink > 1 and stat.S_ISREG(info.st_mode)))
            if is_link:
                info, real = Path(where).stat(), os.path.realpath(where)
            if stat.S_ISDIR(info.st_mode):
                return None
            if not stat.S_ISREG(info.st_mode):
                raise OSError(None, "not a regular file")
            signature = info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino, real
            is_young = time.time() - max(info.st_mtime, info.st_ctime) < YOUNG_S
            if previous is not None and previous.signature == signature and not (is_named and is_young):
                return previous
            return _File(signature, self._read(path, where, real, info.st_size))
        except (FileNotFoundError, NotADirectoryError) as error:
            return _File(None, _unreadable(path, error)) if is_link else None
        except OSError as error:
            return _File(None, _unreadable(path, error))

    def _read(self, path: str, where: str, real: str, size: int) -> Story | Problem:
        _, *scenarios, name = path.split("/")
        stem, scenario = name.removesuffix(".txt"), scenarios[0] if scenarios else None
        if not path.isprintable():
            return _problem(path, "error", "bad-name", "the file's name has control characters; rename it")
        if not any(Path(real).is_relative_to(root) for root in self._roots):
            return _problem(path, "error", "outside", "a link that leads out of the corpus is not followed")
        if scenario is None and stem == BASELINE:
            return _problem(
                path,
                "warning",
                "misplaced",
                "a baseline belongs to a scenario: move it to paired/<scenario>/baseline.txt",
            )
        if size > MAX_BYTES:
            return _problem(path, "error", "too-big", f"{size / 1e6:.1f} MB; a story has at most {MAX_BYTES >> 20} MiB")
        try:
            text = Path(where).read_text("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            return _problem(
                path, "error", "unreadable", f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start}"
            )
        if not text:
            return _problem(path, "warning", "empty", "empty, so it is skipped")
        concept = None if stem == BASELINE else unicodedata.normalize("NFC", stem)
        return Story(path=path, concept=concept, scenario=scenario, text=text, text_id=text_id(text))

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


def _may_be_scenario(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and (entry.is_symlink() or _is_folder(entry.path))


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  (pathlib raises where this says no)


def _entries(folder: str, path: str) -> tuple[list[os.DirEntry[str]] | None, Problem | None]:
    try:
        with os.scandir(folder) as entries:
            return list(entries), None
    except FileNotFoundError:  # a folder that vanished, or never was, holds no stories
        return None, None
    except OSError as error:
        return None, _problem(path, "error", "unreadable", f"this folder cannot be read: {error.strerror}")


def _unreadable(path: str, error: OSError) -> Problem:
    return _problem(path, "error", "unreadable", f"cannot be read: {error.strerror}")


def _problem(path: str, severity: Severity, code: str, message: str) -> Problem:
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in path)
    return msgspec.convert({"path": shown, "severity": severity, "code": code, "message": message}, Problem)
