"""Reading a corpus from disk: every file is either a story or a problem that names it."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.corpus.model import BASELINE, Corpus, Problem, Severity, Story, cross_check, text_id
from engine.errors import UsageError

MAX_BYTES = 1 << 20
"""A story is a page or two; a file above 1 MiB was put here by mistake and is not read."""

Signature = tuple[int, int, int, int]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where a corpus keeps its unpaired stories and its scenarios; either may be missing, not both."""

    stories: Path | None
    paired: Path | None
    root: Path | None = None
    """The folder that links may lead into; None allows each of the two only itself."""

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
    """One scan from nothing."""
    return Scanner(layout).scan()


class Scanner:
    """Scans a corpus again and again, reading only files whose size, times or inode changed."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[str, tuple[Signature, Story | Problem]] = {}

    def scan(self) -> Corpus:
        """The corpus as it is on disk now."""
        found: dict[str, tuple[Signature, Story | Problem]] = {}
        problems: list[Problem] = []
        for path, file, concept, scenario in self._files(problems):
            try:
                signature = _signature(file)
            except OSError as error:
                problems.append(_problem(path, "error", "unreadable", f"cannot be read: {error.strerror}"))
                continue
            known = self._known.get(path)
            if known is None or known[0] != signature:
                known = signature, self._read(path, file, concept, scenario)
            found[path] = known
        self._known = found
        stories = [item for _, item in found.values() if isinstance(item, Story)]
        problems += [item for _, item in found.values() if isinstance(item, Problem)]
        problems += cross_check(stories)
        return Corpus(
            stories=tuple(sorted(stories, key=lambda story: story.path)),
            problems=tuple(sorted(problems, key=lambda problem: (problem.path, problem.code, problem.message))),
        )

    def _files(self, problems: list[Problem]) -> Iterator[tuple[str, Path, str, str | None]]:
        """Every story file as (path, file, concept, scenario); folders that cannot be listed become problems."""
        if self._layout.stories is not None:
            for file in _text_files(_entries(self._layout.stories, "stories", problems)):
                yield f"stories/{file.name}", file, file.stem, None
        if self._layout.paired is not None:
            for folder in _folders(_entries(self._layout.paired, "paired", problems)):
                for file in _text_files(_entries(folder, f"paired/{folder.name}", problems)):
                    yield f"paired/{folder.name}/{file.name}", file, file.stem, folder.name

    def _read(self, path: str, file: Path, concept: str, scenario: str | None) -> Story | Problem:
        if not path.isprintable():
            return _problem(path, "error", "bad-name", "the file's name has control characters; rename it")
        if not self._inside(file):
            return _problem(path, "error", "outside", "a link that leads out of the corpus is not followed")
        if scenario is None and concept == BASELINE:
            return _problem(
                path,
                "warning",
                "misplaced",
                "a baseline belongs to a scenario: move it to paired/<scenario>/baseline.txt",
            )
        try:
            size = file.stat().st_size
            if size > MAX_BYTES:
                return _problem(
                    path, "error", "too-big", f"{size / 1e6:.1f} MB; a story has at most {MAX_BYTES >> 20} MiB"
                )
            text = file.read_text("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            return _problem(
                path, "error", "unreadable", f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start}"
            )
        except OSError as error:
            return _problem(path, "error", "unreadable", f"cannot be read: {error.strerror}")
        if not text:
            return _problem(path, "warning", "empty", "empty, so it is skipped")
        name = None if concept == BASELINE else unicodedata.normalize("NFC", concept)
        return Story(path=path, concept=name, scenario=scenario, text=text, text_id=text_id(text))

    def _inside(self, file: Path) -> bool:
        """Whether the file, links followed, lies in the corpus."""
        layout = self._layout
        roots = [layout.root] if layout.root is not None else [layout.stories, layout.paired]
        real = file.resolve()
        return any(real.is_relative_to(root.resolve()) for root in roots if root is not None)


def _problem(path: str, severity: Severity, code: str, message: str) -> Problem:
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in path)
    return msgspec.convert({"path": shown, "severity": severity, "code": code, "message": message}, Problem)


def _text_files(entries: list[os.DirEntry[str]]) -> list[Path]:
    return [
        Path(entry.path)
        for entry in entries
        if entry.name.endswith(".txt") and not entry.name.startswith(".") and not _is_folder(entry)
    ]


def _folders(entries: list[os.DirEntry[str]]) -> list[Path]:
    return [Path(entry.path) for entry in entries if not entry.name.startswith(".") and _is_folder(entry)]


def _entries(folder: Path, path: str, problems: list[Problem]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:  # a folder that vanished, or never was, holds no stories
        return []
    except OSError as error:
        problems.append(_problem(path, "error", "unreadable", f"this folder cannot be read: {error.strerror}"))
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _signature(file: Path) -> Signature:
    info = file.stat()
    if not stat.S_ISREG(info.st_mode):
        raise OSError(None, "not a regular file")
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino
