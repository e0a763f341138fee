"""What can be taken back: the tasks of a sitting, the studio's and those of others that it saw happen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from amygdala_tui.undo_log import Log
from engine.corpus import Accepted, Corpus
from engine.corpus.mending import writing
from engine.corpus.mending.carrying_out import Clash, carry_out
from engine.corpus.mending.kept import Kept
from engine.corpus.mending.operations import short
from engine.corpus.mending.tasks import Kind, Marked, Relocated, Step, Task, Wrote
from engine.errors import AmygdalaError
from engine.paths import kept_dir
from engine.triage import accepted_words


@dataclass(frozen=True)
class Outcome:
    """What an undo or a redo came to: at most one of a task, clashes and later tasks."""

    task: Task | None = None
    """What was done to take it back, or to do it again. None where nothing was."""
    clashes: Sequence[Clash] = ()
    """Another text stands where a text was to be replaced: nothing was written."""
    wanted: Task | None = None
    """With clashes: what would have been carried out."""
    later: Sequence[Task] = ()
    """What would have to be taken back (or done again) before: nothing was written. For example: of two stories that
    were renamed together, the other one was edited since."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Old path -> new path: where the selection goes."""

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing to take back, or to do again."""
        return self.task is None and not self.clashes and not self.later


@dataclass(frozen=True)
class Disagreement:
    """Two contents of which one is to stand; None stands for no file."""

    path: str
    mine: str | None
    """What would be written, or moved away."""
    theirs: str | None
    """What stands there."""


class Journal:
    """Takes back and does again. Its methods ask the file system: call them in a thread, one at a time.

    Args:
        corpus: its folder.
        kept: the texts; by default, kept in the user's state directory.
    """

    def __init__(self, corpus: Path, kept: Kept | None = None) -> None:
        self.kept = kept if kept is not None else Kept(kept_dir(corpus))
        self._corpus = corpus
        self._log = Log()
        self._content_ids: dict[str, str | None] = {}
        """What each file held when it was last looked at; None where there was none."""
        self._accepted: dict[str, Accepted | None] = {}
        """Likewise, which stories are accepted."""
        self._open_paths: set[str] = set()
        """Files that are in an editor."""
        self._unread_paths: set[str] | None = None
        """Files that the scan could not take as stories; None before there was one."""

    def follow(self, corpus: Corpus) -> None:
        """Take a scan as what stands when the sitting begins, and have its texts at hand."""
        for story in corpus.stories:
            if story.text_id not in self.kept:  # what was read of a file itself has its line breaks too
                self.kept.remember(story.text.encode() + b"\n")
            self._content_ids[story.path] = story.text_id
        self._accepted.update(corpus.accepted)
        self._unread_paths = {problem.path for problem in corpus.problems} - self._content_ids.keys()

    def record(self, task: Task) -> None:
        """Take in what the studio did (`engine.corpus.mending.operations`).

        What it came upon and had not seen before was another's save, which is recorded first.
        """
        for step in task.steps:
            for clash in list(self._unseen(step)):
                self._put(_save(clash))
        self._put(task)

    def opened(self, path: str) -> str | None:
        """Keep a file as it is now, before it goes to an editor: its saves from now on are one task, until `closed`.

        Another's save since the last look is recorded first.

        Returns:
            Its content id; None where there is no file.

        Raises:
            AmygdalaError: it cannot be read.
        """
        self.saw([path])
        content_id = self._content_ids.get(path)
        content = None if content_id is None else self.kept.get(content_id)
        if content is not None:
            self.kept.keep(content)
        self._open_paths.add(path)
        return content_id

    def closed(self, path: str) -> Task | None:
        """Record what an editor has made of a file since `opened`; None where that is nothing."""
        self._open_paths.discard(path)
        return self._note(path, "edit", f"edited {short(path)}")

    def saw(self, paths: Iterable[str]) -> list[Task]:
        """Record what others did to files, of whose change the engine or a scan has told; each is a task of its own.

        What the studio did itself is none of theirs, and is left out.
        """
        paths = [path for path in paths if path not in self._open_paths]
        tasks = [self._note(path, "save", f"{short(path)} was saved elsewhere") for path in paths]
        return [task for task in tasks if task is not None]

    @property
    def last_done(self) -> Task | None:
        """The last task of all that can be taken back."""
        return self._log.last(None)

    @property
    def last_undone(self) -> Task | None:
        """The last task of all that was taken back."""
        return self._log.next(None)

    def undo(self, path: str | None = None, *, insist: bool = False) -> Outcome:
        """Take back the last task, of one story or folder, or of all.

        Args:
            path: the story's.
            insist: take back also what stands in the way: tasks that came later, and saves of others. These become
                tasks of the log, so that `redo` brings them again.

        Raises:
            TextForgotten: `kept` has the text no more: have it `remember` the one of the engine's history; try again.
            AmygdalaError: it cannot be done; nothing was changed.
        """
        task = self._log.last(None if path is None else [path])
        return Outcome() if task is None else self._undo(task, insist=insist)

    def redo(self, path: str | None = None, *, insist: bool = False) -> Outcome:
        """Do again what was taken back last, of one story or folder, or of all. Raises as `undo` does."""
        task = self._log.next(None if path is None else [path])
        return Outcome() if task is None else self._redo(task, insist=insist)

    def keep_theirs(self, clashes: Iterable[Clash]) -> list[Task]:
        """Take what stands in the way as tasks of another: the next undo would take that back."""
        tasks = [_save(clash) for clash in clashes]
        for task in tasks:
            self.record(task)
        return tasks

    def disagreements(self, outcome: Outcome) -> list[Disagreement]:
        """What clashes are about, as texts that a dialog shows."""
        steps = outcome.wanted.steps if outcome.wanted is not None else ()
        content_ids = dict(left for step in steps for left in step.left)
        for step in steps:
            if isinstance(step, Relocated):  # it is the text that would go elsewhere, not that no file would be left
                content_ids |= {old: content_id for old, _, content_id in step.files}
        marks = {step.path: step.after for step in steps if isinstance(step, Marked)}
        return [
            Disagreement(clash.path, _accepted_words(marks[clash.path]), _accepted_words(clash.after))
            if isinstance(clash, Marked)
            else Disagreement(clash.path, self.text_of(content_ids.get(clash.path)), self.text_of(clash.after))
            for clash in outcome.clashes
        ]

    def text_of(self, content_id: str | None) -> str | None:
        """A text that is kept, by its id, as a dialog shows it; None where there is none."""
        content = None if content_id is None else self.kept.get(content_id)
        return None if content is None else content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")

    def _undo(self, task: Task, *, insist: bool) -> Outcome:
        moved: dict[str, str] = {}
        hindered: Task | None = None
        while True:
            later = self._log.later(task)
            if later and not insist:
                return Outcome(later=later)
            turn = later[0] if later else task
            outcome = self._write(turn.inverse)
            if outcome.clashes and insist and turn is not hindered:
                self.keep_theirs(outcome.clashes)  # they are the first to go now
                hindered = turn
                continue
            if outcome.task is None:
                return outcome
            self._log.undo(turn)
            moved |= outcome.moved
            if turn is task:
                return replace(outcome, moved=moved)

    def _redo(self, task: Task, *, insist: bool) -> Outcome:
        later = self._log.later(task, is_undone=True)
        if later and not insist:
            return Outcome(later=later)
        moved: dict[str, str] = {}
        for turn in (*later, task):
            outcome = self._write(turn)
            if outcome.clashes and insist:
                for save in reversed(self.keep_theirs(outcome.clashes)):
                    self._undo(save, insist=True)
                outcome = self._write(turn)
            if outcome.task is None:
                return outcome
            if any(turn is undone for undone in self._log.undone):
                self._log.redo(turn)
            else:  # saves of others came between: what was undone then stands in the log already
                self._log.record(turn)
            moved |= outcome.moved
        return replace(outcome, moved=moved)

    def _write(self, task: Task) -> Outcome:
        clashes = carry_out(self._corpus, task.steps, self.kept)
        if clashes:
            return Outcome(clashes=clashes, wanted=task)
        self._take_in(task)
        return Outcome(task, moved=task.moves)

    def _put(self, task: Task) -> None:
        self._log.record(task)
        self._take_in(task)

    def _take_in(self, task: Task) -> None:
        for step in task.steps:
            self._content_ids.update(step.left)
            if isinstance(step, Marked):
                self._accepted[step.path] = step.after

    def _note(self, path: str, kind: Kind, words: str) -> Task | None:
        try:
            content = writing.content_at(self._corpus, path)
        except OSError as error:
            raise AmygdalaError(f"{path} cannot be read: {error.strerror}") from error
        after = None if content is None else self.kept.remember(content)
        before = self._last_seen(path, after)
        if before == after:
            self._content_ids[path] = after
            return None
        task = Task(kind=kind, words=words, steps=(Wrote(path=path, before=before, after=after),))
        self._put(task)
        return task

    def _unseen(self, step: Step) -> Iterator[Clash]:
        """What others did, unseen until now, before a step: so each file's tasks go on where the one before ended."""
        if isinstance(step, Marked):
            accepted = self._accepted.get(step.path, step.before if self._unread_paths is None else None)
            if accepted != step.before:
                yield Marked(path=step.path, before=accepted, after=step.before)
        standing = dict(step.inverse.left)
        if isinstance(step, Relocated) and "" not in step.contents:
            inside = [path for path in self._content_ids if path.startswith(f"{step.old}/")]
            standing = {**dict.fromkeys(inside), **standing}
        for path, now in standing.items():
            last_seen = self._last_seen(path, now)
            if last_seen != now:
                yield Wrote(path=path, before=last_seen, after=now)

    def _last_seen(self, path: str, now: str | None) -> str | None:
        """What a file held when it was last looked at; what it holds now, where nobody looked."""
        is_unknown = self._unread_paths is None or path in self._unread_paths
        return self._content_ids.get(path, now if is_unknown else None)


def _accepted_words(accepted: Accepted | None) -> str:
    return "not accepted" if accepted is None else accepted_words(accepted.reason)


def _save(clash: Clash) -> Task:
    """What another did, as a task that can be taken back."""
    return Task(kind="save", words=f"{short(clash.path)} was saved elsewhere", steps=(clash,))
