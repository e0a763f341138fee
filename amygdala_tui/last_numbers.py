"""The numbers that were shown last: kept, so that the next start shows them, as of before, until an engine answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from amygdala_tui.mirror import Mirror
from engine import paths
from engine.wire.protocol import PROTOCOL
from engine.wire.snapshot import ConceptView, StoryView

EVERY_S = 30.0
"""Seconds between two writes of them, at least (`amygdala_tui.keeper.Keeper`)."""
MAX_BYTES = 64 << 20
SETTLED_NS = 2_000_000_000
"""A file younger than this may change again within one tick of its file system's clock, and look the same."""


class Looks(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """By what a file is known to be as it was, without reading it."""

    size: int
    mtime_ns: int


class KeptStory(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A story's numbers, and the file that they are of."""

    looks: Looks
    view: StoryView


class LastNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one corpus."""

    protocol: int
    """Of the engine that gave them: what another says may mean something else."""
    corpus: str
    """The real path of the folder."""
    layers: list[int]
    stories: list[KeptStory]
    concepts: list[ConceptView]


def file_of(corpus: Path) -> Path:
    """Where a corpus's last numbers are kept (not created)."""
    return paths.of_corpus(corpus, "last-numbers", "msgpack")


def save(corpus: Path, mirror: Mirror) -> None:
    """Keep a state's numbers, whole or not at all; of stories that changed since, nothing.

    Raises:
        OSError: they cannot be written.
    """
    latest_ns = time.time_ns() - SETTLED_NS
    with _looking(corpus) as looks_of:
        kept = [
            KeptStory(looks, view)
            for view in mirror.stories.values()
            if view.state in ("ok", "misread")
            and (looks := looks_of(view.path)) is not None
            and looks.mtime_ns < latest_ns
        ]
    numbers = LastNumbers(
        protocol=PROTOCOL,
        corpus=str(corpus.resolve()),
        layers=list(mirror.layers),
        stories=kept,
        concepts=list(mirror.concepts.values()),
    )
    data = msgspec.msgpack.encode(numbers)
    if len(data) > MAX_BYTES:
        return
    file = file_of(corpus)
    paths.make_folder(file.parent)
    paths.write_whole(file, data, prefix=".last-numbers-")


def load(corpus: Path) -> Mirror | None:
    """The numbers that were kept, of stories whose files are as they were then; None where there are none to show.

    Files are looked at, not read. A story that changed stands there without numbers; one that is gone does not.
    """
    file = file_of(corpus)
    try:
        if file.stat().st_size > MAX_BYTES:
            return None
        numbers = msgspec.msgpack.decode(file.read_bytes(), type=LastNumbers)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    if numbers.protocol != PROTOCOL or numbers.corpus != str(corpus.resolve()):
        return None
    stories = {}
    try:
        with _looking(corpus) as looks_of:
            for kept in numbers.stories:
                looks = looks_of(kept.view.path)
                if looks is not None:
                    stories[kept.view.path] = kept.view if looks == kept.looks else _without_numbers(kept.view)
    except OSError:
        return None
    concepts = {view.name: view for view in numbers.concepts}
    return Mirror(stories=stories, concepts=concepts, layers=tuple(numbers.layers), is_from_before=True)


def over_disk(on_disk: Mirror, last: Mirror) -> Mirror:
    """The stories on disk, with the last numbers of those that have any.

    Args:
        on_disk: a scan's mirror, which alone says what stories there are, and which a writer accepts.
        last: what `load` gave.
    """
    return replace(last, stories=_numbered(on_disk.stories, last.stories), problems=on_disk.problems)


def _numbered(on_disk: Mapping[str, StoryView], last: Mapping[str, StoryView]) -> dict[str, StoryView]:
    return {
        path: before if (before := last.get(path)) is not None and before.accepted == view.accepted else view
        for path, view in on_disk.items()
    }


def _without_numbers(view: StoryView) -> StoryView:
    """A story of which nothing is known but its place."""
    return StoryView(path=view.path, concept=view.concept, scenario=view.scenario, state="stale")


@contextmanager
def _looking(corpus: Path) -> Iterator[Callable[[str], Looks | None]]:
    """What tells a file's looks by its path in a corpus; None: it cannot be told.

    Ten thousand files take a third of the time that they take by whole paths.
    """
    folder = os.open(corpus, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def looks(path: str) -> Looks | None:
        try:
            info = os.stat(path, dir_fd=folder)
        except OSError:
            return None
        return Looks(info.st_size, info.st_mtime_ns)

    try:
        yield looks
    finally:
        os.close(folder)
