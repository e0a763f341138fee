"""The log of a sitting: which task is taken back next, which is done again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.corpus.mending.tasks import Task

MAX_TASKS = 1000
"""Tasks that can be taken back."""


class Log:
    """Tasks in the order in which they were done, and those that were taken back.

    No text is ever out of reach: a new task after an undo puts what was undone back into the log, followed by its
    undoing, so that going back leads through it.
    """

    def __init__(self) -> None:
        self.done: list[Task] = []
        """The latest last; what they left stands now."""
        self.undone: list[Task] = []
        """The one that was taken back last comes last."""

    def record(self, task: Task) -> None:
        """Take in a task that was done."""
        ended = self._redos_ended_by(task)
        for undone in ended:
            _take(self.undone, undone)
        self.done += [*reversed(ended), *(undone.inverse for undone in ended), task]
        del self.done[:-MAX_TASKS]

    def last(self, places: Collection[str] | None) -> Task | None:
        """The task to take back next: of all, or of those that touch certain files and folders."""
        return _last(self.done, places)

    def next(self, places: Collection[str] | None) -> Task | None:
        """The task to do again next, likewise."""
        return _last(self.undone, places)

    def undo(self, task: Task) -> None:
        """Note that a task was taken back."""
        self.undone.append(_take(self.done, task))

    def redo(self, task: Task) -> None:
        """Note that a task was done again."""
        self.done.append(_take(self.undone, task))

    def later(self, task: Task, *, is_undone: bool = False) -> list[Task]:
        """What must be taken back before a task (or, of what is undone, be done again): what came after it and touches
        the same files, directly or by way of others; the first to go first."""
        tasks = self.undone if is_undone else self.done
        places, later = set(task.places), list[Task]()
        for other in tasks[_index(tasks, task) + 1 :]:
            if other.touches(places):
                places |= other.places
                later.append(other)
        return later[::-1]

    def _redos_ended_by(self, task: Task) -> list[Task]:
        """What was undone and cannot be done again after a task: what touches the same files, directly or by way of
        others; in the order of `undone`."""
        places = set(task.places)
        while True:
            ended = [undone for undone in self.undone if undone.touches(places)]
            wider = places.union(*(undone.places for undone in ended))
            if wider == places:
                return ended
            places = wider


def _index(tasks: Sequence[Task], task: Task) -> int:
    """Where this very task was put last; others may be equal, since one may edit back and forth."""
    return next(at for at in reversed(range(len(tasks))) if tasks[at] is task)


def _take(tasks: list[Task], task: Task) -> Task:
    return tasks.pop(_index(tasks, task))


def _last(tasks: Sequence[Task], places: Collection[str] | None) -> Task | None:
    return next((task for task in reversed(tasks) if places is None or task.touches(places)), None)
