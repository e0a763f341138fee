"""What a writer can do to the structure of a corpus. Each function plans a task, carries it out, and returns it.

They ask the file system, which may take for ever: call them in a thread. They raise `AmygdalaError`, whose message is
for the writer, and leave everything as it was then.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from engine import paths
from engine.corpus import accepted
from engine.corpus.entries import ENDING, alike, concept_of, is_silent
from engine.corpus.mending import writing
from engine.corpus.mending.carrying_out import Clash, carry_out
from engine.corpus.mending.kept import Kept, put_aside
from engine.corpus.mending.names import (
    tidied,
    trouble_with_concept,
    trouble_with_neighbours,
    trouble_with_scenario,
)
from engine.corpus.mending.tasks import Kind, Marked, Relocated, Step, Task, Wrote
from engine.corpus.model import BASELINE, Accepted
from engine.errors import AmygdalaError


def path_of(concept: str | None, scenario: str | None) -> str:
    """Where the story of a concept stands in a scenario, or in `stories`; None as concept stands for the baseline."""
    folder = "stories" if scenario is None else f"paired/{scenario}"
    return f"{folder}/{BASELINE if concept is None else concept}{ENDING}"


def path_as(path: str, concept: str) -> str:
    """Where a story stands once it is filed under a concept: `paired/power-cut/disgusted.txt`."""
    return f"{PurePosixPath(path).parent}/{concept}{ENDING}"


def short(path: str) -> str:
    """A path as a writer says it: `power-cut/disgusted.txt`."""
    return path.removeprefix("paired/")


def new_story(
    corpus: Path, kept: Kept, *, concept: str, scenario: str | None, from_baseline: bool = False, is_new: bool = False
) -> Task:
    """Write a story for the writer to go on with: empty, or the text of its scenario's baseline.

    Args:
        concept: `baseline` stands for the scenario's.
        scenario: None for `stories`; one that does not exist is made.
        is_new: whether the concept is to be a new one.
    """
    concept = tidied(concept)
    if is_new or concept != BASELINE or scenario is None:
        _refuse(trouble_with_concept(concept))
    if scenario is not None:
        scenario = tidied(scenario)
        _refuse(trouble_with_scenario(scenario))
    if is_new:
        _refuse_concept_like(corpus, concept)
    path = path_of(concept, scenario)
    _refuse_neighbours(corpus, path)
    content = writing.content_at(corpus, path_of(None, scenario)) if from_baseline and scenario is not None else b""
    if content is None:
        raise AmygdalaError(f"{path_of(None, scenario)} is not there: begin with an empty story, or write it first")
    step = Wrote(path=path, before=None, after=kept.remember(content))
    return _done(corpus, kept, "new", f"new story {short(path)}", [step])


def move(corpus: Path, kept: Kept, story_paths: Sequence[str], concept: str) -> Task:
    """File stories under another concept, each in its own scenario. `concept` need not exist yet."""
    concept = tidied(concept)
    _refuse(trouble_with_concept(concept))
    targets = {path: path_as(path, concept) for path in story_paths if path != path_as(path, concept)}
    if not targets:
        raise AmygdalaError(f"this is filed as {concept} already")
    first, *more = targets
    words = f"moved {short(first)} to {short(targets[first])}" + (
        f", and {len(more)} more to {concept}" if more else ""
    )
    return _renamed(corpus, kept, "move", words, targets)


def rename_story(corpus: Path, kept: Kept, path: str, name: str) -> Task:
    """Give a file another name in its folder, for example to one that is not read: `Baseline.txt`, `joy.md`.

    Args:
        name: the concept, or `baseline` in a scenario; without `.txt`.
    """
    name = tidied(name)
    if name != BASELINE or path.startswith("stories/"):
        _refuse(trouble_with_concept(name))
    return _renamed(corpus, kept, "rename", f"renamed {short(path)} to {name}{ENDING}", {path: path_as(path, name)})


def rename_concept(corpus: Path, kept: Kept, old: str, new: str) -> Task:
    """Give all stories of a concept another name; their acceptances go with them."""
    new = tidied(new)
    _refuse(trouble_with_concept(new))
    if new == old:
        raise AmygdalaError(f"the concept is called {new} already")
    _refuse_concept_like(corpus, new, but=old)
    story_paths = [path for path in _files(corpus) if concept_of(PurePosixPath(path).name) == old]
    if not story_paths:
        raise AmygdalaError(f"there is no concept “{old}” any more")
    return _renamed(
        corpus, kept, "rename", f"renamed {old} → {new}", {path: path_as(path, new) for path in story_paths}
    )


def rename_scenario(corpus: Path, kept: Kept, old: str, new: str) -> Task:
    """Give a scenario's folder another name, with all that is in it; its stories' acceptances go with them."""
    new = tidied(new)
    _refuse(trouble_with_scenario(new))
    old_path, new_path = f"paired/{old}", f"paired/{new}"
    if new == old:
        raise AmygdalaError(f"the scenario is called {new} already")
    names = [name for name in _names_in(corpus, "paired") if name != old]
    if twin := next((name for name in names if alike(name) == alike(new)), None):
        raise AmygdalaError(f"there is a scenario “{twin}” already: choose another name")
    contents = {}
    for name in _names_in(corpus, old_path):
        if name.endswith(ENDING) and not is_silent(name):
            contents[name] = kept.remember(_content(corpus, f"{old_path}/{name}"))
    if not contents:
        raise AmygdalaError(f"{old_path} has no story: rename the folder in a terminal")
    step = Relocated(old=old_path, new=new_path, contents=contents)
    return _done(corpus, kept, "rename", f"renamed {old} → {new}", [step, *_marks(corpus, [step])])


def delete(corpus: Path, kept: Kept, story_paths: Sequence[str]) -> tuple[Task, Path]:
    """Delete files; a copy of each goes into a folder of the trash first.

    Returns:
        The task, and that folder: it lies outside of the corpus, and nothing there is ever removed.
    """
    contents = {path: _content(corpus, path) for path in story_paths}
    try:
        folder = put_aside(contents, paths.trash_dir(corpus))
    except OSError as error:
        trash = paths.trash_dir(corpus)
        raise AmygdalaError(f"{trash} cannot be written: {error.strerror}; nothing was deleted") from error
    steps: list[Step] = [
        Wrote(path=path, before=kept.remember(content), after=None) for path, content in contents.items()
    ]
    entries = _acceptances(corpus)
    steps += [Marked(path=path, before=entries[path], after=None) for path in contents if path in entries]
    first, *more = contents
    try:
        task = _done(
            corpus, kept, "delete", f"deleted {short(first)}" + (f" and {len(more)} more" if more else ""), steps
        )
    except AmygdalaError:
        with suppress(OSError):
            shutil.rmtree(folder)
        raise
    return task, folder


def accept(corpus: Path, kept: Kept, path: str, entry: Accepted | None) -> Task:
    """Accept a story as it is; not any more with None."""
    step = Marked(path=path, before=_acceptances(corpus).get(path), after=entry)
    return _done(corpus, kept, "accept", f"{'accepted' if entry else 'no longer accepted:'} {short(path)}", [step])


def save(corpus: Path, kept: Kept, path: str, text: str, over: str | None) -> Task | Clash:
    """Save a story's text, as an editor within the studio does; a clash where another text stands there by now.

    Args:
        over: the content id of the text that the writer began with; None where there was no file.
    """
    step = Wrote(path=path, before=over, after=kept.keep(text.encode()))
    clashes = carry_out(corpus, [step], kept)
    return clashes[0] if clashes else Task(kind="edit", words=f"edited {short(path)}", steps=(step,))


# Planning


def _renamed(corpus: Path, kept: Kept, kind: Kind, words: str, targets: Mapping[str, str]) -> Task:
    """Rename files, by their paths, to free places."""
    if len(set(targets.values())) < len(targets):
        twice = next(new for new in targets.values() if list(targets.values()).count(new) > 1)
        raise AmygdalaError(f"two of these would become {short(twice)}: move one of them alone")
    for old, new in targets.items():
        _refuse_neighbours(corpus, new, leaving=old)
    moves = [
        Relocated(old=old, new=new, contents={"": kept.remember(_content(corpus, old))}) for old, new in targets.items()
    ]
    return _done(corpus, kept, kind, words, [*moves, *_marks(corpus, moves)])


def _marks(corpus: Path, moves: Sequence[Relocated]) -> list[Marked]:
    """An acceptance goes with its story where it is of the very text; one of an earlier text stays where it is."""
    entries = _acceptances(corpus)
    marks = []
    for old, new, content_id in (file for step in moves for file in step.files):
        entry = entries.get(old)
        if entry is not None and entry.text_id == content_id:
            marks.append(Marked(path=old, before=entry, after=None))
            marks.append(Marked(path=new, before=entries.get(new), after=entry))
    return marks


def _done(corpus: Path, kept: Kept, kind: Kind, words: str, steps: Sequence[Step]) -> Task:
    clashes = carry_out(corpus, steps, kept)
    if clashes:
        raise AmygdalaError(f"{clashes[0].path} changed just now: look at it, and try again")
    return Task(kind=kind, words=words, steps=tuple(steps))


def _content(corpus: Path, path: str) -> bytes:
    try:
        content = writing.content_at(corpus, path)
    except OSError as error:
        raise AmygdalaError(f"{path} cannot be read: {error.strerror}") from error
    if content is None:
        raise AmygdalaError(f"{path} is not there any more")
    return content


def _acceptances(corpus: Path) -> Mapping[str, Accepted]:
    return accepted.read(str(corpus), [os.path.realpath(corpus)]).accepted


def _refuse(trouble: str) -> None:
    if trouble:
        raise AmygdalaError(trouble)


def _refuse_neighbours(corpus: Path, path: str, leaving: str | None = None) -> None:
    """Refuse a place that is taken, or where a file would not be read; `leaving` is the file that goes there."""
    names = _names_in(corpus, str(PurePosixPath(path).parent))
    if leaving is not None and PurePosixPath(leaving).parent == PurePosixPath(path).parent:
        names = [name for name in names if name != PurePosixPath(leaving).name]
    if trouble := trouble_with_neighbours(PurePosixPath(path).name, names):
        raise AmygdalaError(f"{short(str(PurePosixPath(path).parent))}: {trouble}")


def _refuse_concept_like(corpus: Path, name: str, but: str | None = None) -> None:
    concepts = {concept_of(PurePosixPath(path).name) for path in _files(corpus)} - {but, None}
    if twin := next((concept for concept in concepts if concept and alike(concept) == alike(name)), None):
        what = "there is a concept" if twin == name else "that looks like the concept"
        raise AmygdalaError(f"{what} “{twin}” already: choose another name, or move stories there")


def _files(corpus: Path) -> Iterator[str]:
    """The paths of all files of stories, also of those that cannot be read."""
    paired = [f"paired/{name}" for name in _names_in(corpus, "paired") if not is_silent(name)]
    for folder in ("stories", *paired):
        for name in _names_in(corpus, folder):
            if name.endswith(ENDING) and not is_silent(name):
                yield f"{folder}/{name}"


def _names_in(corpus: Path, folder: str) -> list[str]:
    """What stands in `stories`, `paired` or a scenario."""
    try:
        return writing.names_in(writing.place(corpus, f"{folder}/x").parent)
    except NotADirectoryError:
        return []
    except OSError as error:
        raise AmygdalaError(f"{folder} cannot be read: {error.strerror}") from error
