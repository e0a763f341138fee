"""Carries out the steps of a task: all of them, or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from engine.corpus import accepted
from engine.corpus.mending import writing
from engine.corpus.mending.kept import Kept
from engine.corpus.mending.tasks import Marked, Relocated, Step, Wrote
from engine.errors import AmygdalaError
from engine.paths import real

Clash = Wrote | Marked
"""Something else stands where a step is to act: told as the step by which another has put it there. `before` is what
the step expects, `after` is what stands there."""


class TextForgotten(AmygdalaError):
    """A text that is to be written is not kept any more; the engine's history may have it.

    Args:
        path: of the story.
        content_id: of its text.
    """

    def __init__(self, path: str, content_id: str) -> None:
        super().__init__(f"the text that {path} had is not kept any more: look for it in the history")
        self.path = path
        self.content_id = content_id


def carry_out(corpus: Path, steps: Sequence[Step], kept: Kept) -> list[Clash]:
    """Carry out steps of different paths, unless something else stands where they act.

    What a step replaces or removes is kept first.

    Returns:
        What stands in the way; nothing was changed then. Empty where all steps were carried out.

    Raises:
        TextForgotten: a text to be written is not kept any more; nothing was changed.
        AmygdalaError: a path leads out of the corpus, or a step failed; what was done before it was taken back, or the
            message says what could not be.
    """
    try:
        clashes = [clash for step in steps for clash in _clashes(corpus, step, kept)]
        clashes += _clashes_of_marks(corpus, [step for step in steps if isinstance(step, Marked)])
    except OSError as error:
        raise AmygdalaError(f"{_named(error, corpus)} cannot be read: {error.strerror}; nothing was changed") from error
    if not clashes:
        for step in steps:
            if isinstance(step, Wrote) and step.after is not None and kept.get(step.after) is None:
                raise TextForgotten(step.path, step.after)
        _do_all(corpus, steps, kept)
    return clashes


def _clashes(corpus: Path, step: Step, kept: Kept) -> Iterator[Clash]:
    if isinstance(step, Wrote):
        yield from _clash(corpus, step.path, step.before, kept)
    elif isinstance(step, Relocated):
        is_folder = "" not in step.contents
        old_place, new_place = writing.place(corpus, step.old), writing.place(corpus, step.new)
        is_taken = writing.is_taken(old_place, new_place)
        if is_folder and is_taken and writing.names_in(new_place):
            raise AmygdalaError(f"{step.new} stands there already: rename it first; nothing was changed")
        if is_folder and not old_place.is_dir():
            raise AmygdalaError(f"{step.old} is not there any more; nothing was changed")
        for old, new, content_id in step.files:
            yield from _clash(corpus, old, content_id, kept)
            if is_taken and not is_folder:
                yield from _clash(corpus, new, None, kept)


def _clash(corpus: Path, path: str, expected: str | None, kept: Kept) -> Iterator[Clash]:
    content = writing.content_at(corpus, path)
    standing = None if content is None else kept.remember(content)
    if standing != expected:
        yield Wrote(path=path, before=expected, after=standing)


def _clashes_of_marks(corpus: Path, steps: Iterable[Marked]) -> Iterator[Clash]:
    steps = list(steps)
    entries = accepted.read(str(corpus), [real(corpus)]).accepted if steps else {}
    for step in steps:
        if (standing := entries.get(step.path)) != step.before:
            yield Marked(path=step.path, before=step.before, after=standing)


def _do_all(corpus: Path, steps: Sequence[Step], kept: Kept) -> None:
    done: list[Step] = []
    marks = [step for step in steps if isinstance(step, Marked)]
    try:
        for step in steps:
            if not isinstance(step, Marked):
                _do(corpus, step, kept)
                done.append(step)
        if marks:
            accepted.write_all(corpus, {step.path: step.after for step in marks})
    except (OSError, AmygdalaError) as error:
        words = str(error)
        if isinstance(error, OSError):
            words = f"{_named(error, corpus)}: {error.strerror}"
        stuck = list(_take_back(corpus, done, kept))
        outcome = f"this could not be taken back: {'; '.join(stuck)}" if stuck else "nothing was changed"
        raise AmygdalaError(f"{words}; {outcome}") from error


def _do(corpus: Path, step: Wrote | Relocated, kept: Kept) -> None:
    if isinstance(step, Relocated):
        old, new = writing.place(corpus, step.old), writing.place(corpus, step.new)
        writing.rename(old, new)
        writing.remove_if_empty(old.parent)
        return
    file = writing.place(corpus, step.path)
    if step.before is not None:
        content = writing.content_at(corpus, step.path)
        if content is None or kept.keep(content) != step.before:
            raise AmygdalaError(f"{step.path} was saved meanwhile")
    if step.after is None:
        assert step.before is not None
        writing.remove(file, step.before)
        return
    content = kept.get(step.after)
    assert content is not None
    if step.before is None:
        writing.write_new(file, content)
    else:
        writing.replace(file, content)


def _take_back(corpus: Path, done: Sequence[Step], kept: Kept) -> Iterator[str]:
    """Undo steps, the last first; yields words for those that cannot be undone."""
    for step in reversed(done):
        assert not isinstance(step, Marked)
        try:
            _do(corpus, step.inverse, kept)
        except (OSError, AmygdalaError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            what = f"{step.old} is {step.new} now" if isinstance(step, Relocated) else f"{step.path} is changed"
            yield f"{what} ({why})"


def _named(error: OSError, corpus: Path) -> str:
    """The file that an error is about, as short as it can be said."""
    name = error.filename if isinstance(error.filename, str) else str(corpus)
    return name.removeprefix(f"{os.path.realpath(corpus)}/")
