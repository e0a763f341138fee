"""A writer's hands on the corpus: asks by dialogs, changes files in a thread, and keeps what was done to be undone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.desk import Desk
from amygdala_tui.screens.dialogs import Choice, Reason
from amygdala_tui.screens.structure import Delete, Move, New, NewStory, Rename
from amygdala_tui.selection import Selection
from amygdala_tui.targets import offered_rival, target, targets
from amygdala_tui.undo import Journal
from amygdala_tui.words import counted, title
from engine.corpus import Accepted, Corpus, accepted, relatives
from engine.corpus.entries import alike
from engine.corpus.mending import operations
from engine.corpus.mending.carrying_out import Clash
from engine.corpus.mending.kept import Kept
from engine.corpus.mending.names import trouble_with_concept, trouble_with_neighbours, trouble_with_scenario
from engine.corpus.mending.tasks import Marked, Task
from engine.errors import AmygdalaError
from engine.paths import trash_dir
from engine.plain import plain
from engine.threads import answered_within
from engine.verdicts import Finding

T = TypeVar("T")
ANSWERS_WITHIN_S = 10.0
"""Seconds after which the file system is taken not to answer."""


class Renaming(NamedTuple):
    """One thing that can have another name."""

    old: str
    trouble: Callable[[str], str]
    """Says why a name cannot be; empty if it can."""
    carry_out: Callable[[Path, Kept, str], Task]
    """Gives it the new name, in a corpus."""


class Mender:
    """Changes a corpus for a writer.

    Args:
        desk: the app.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.journal = Journal(desk.corpus)
        self._turn = asyncio.Lock()
        """Only one change at a time: the journal is written in the order of what is done."""
        self.left: set[str] = set()
        """Paths where the writer's own moves and deletions have left no file."""

    @property
    def corpus(self) -> Path:
        """The corpus's folder."""
        return self._desk.corpus

    async def in_turn(self, call: Callable[[], T]) -> T:
        """What a call that may ask the file system gives, once it is its turn.

        Raises:
            AmygdalaError: the file system does not answer.
            Whatever the call raises.
        """
        async with self._turn:
            return await answered_within(ANSWERS_WITHIN_S, self._desk.corpus, call)

    async def follow(self, corpus: Corpus) -> None:
        """Take a scan as what stands when the sitting begins."""
        await self.in_turn(lambda: self.journal.follow(corpus))

    async def saw(self, paths: Sequence[str]) -> None:
        """Keep what others did to files."""
        await self._told(self.in_turn(lambda: self.journal.saw(paths)), "read")

    # Accept

    def accept(self, paths: Sequence[str]) -> None:
        """Ask for a reason, and accept stories as they are; where all are accepted, take that back."""
        views = [view for path in paths if (view := self._desk.mirror.stories.get(path)) is not None]
        open_ones = [
            view.path
            for view in views
            if view.accepted is None and (view.rank is not None or (view.misfit is None and view.concept is not None))
        ]
        if open_ones:
            self._ask_why(open_ones)
        elif accepted_ones := [view.path for view in views if view.accepted is not None]:
            self._desk.begin(self._take_back(accepted_ones))
        else:
            self._desk.say("there is nothing to accept: what is selected is not to fix, nor a maybe")

    def _ask_why(self, paths: Sequence[str]) -> None:
        # read at once: what is accepted is the text that the writer has seen, not one that is saved meanwhile
        readings = {path: asyncio.ensure_future(self._read_text_id(path)) for path in paths}

        def take(reason: str | None) -> None:
            if reason is None:
                for reading in readings.values():
                    reading.cancel()
            else:
                self._desk.begin(self._accept(readings, reason))

        self._desk.ask(Reason(title(paths[0]) if len(paths) == 1 else f"{len(paths)} stories"), take)

    async def _read_text_id(self, path: str) -> str | None:
        """The id of a story's text on disk; None where that cannot be told, which is said."""
        read = partial(accepted.text_id_at, self._desk.corpus, path)
        return await self._told(answered_within(ANSWERS_WITHIN_S, path, read), "read")

    async def _accept(self, readings: Mapping[str, asyncio.Future[str | None]], reason: str) -> None:
        reason = accepted.one_line(reason)
        for path, reading in readings.items():
            text_id = await reading
            entry = None if text_id is None else Accepted(text_id=text_id, reason=reason)
            if entry is not None and await self._do(operations.accept, path, entry) is not None:
                self._desk.show_accepted(path, reason, goes_on=True)
                self._desk.say(f"accepted {title(path)}; u takes it back")

    async def _take_back(self, paths: Sequence[str]) -> None:
        for path in paths:
            if await self._do(operations.accept, path, None) is not None:
                self._desk.show_accepted(path, None, goes_on=False)
                self._desk.say("no longer accepted")

    # A draft

    async def save(self, path: str, text: str, over: str | None) -> Task | Clash | None:
        """Write a draft to its file; a clash where another text stands there by now. None where it fails, as is said.

        Args:
            over: the content id of the text that the writer began with; None where there was no file.
        """

        def write() -> Task | Clash:
            done = operations.save(self._desk.corpus, self.journal.kept, path, text, over)
            if isinstance(done, Task):
                self.journal.record(done)
            return done

        return await self._told(self.in_turn(write))

    # Relatives

    def relate(self, concept: str | None) -> None:
        """Call a concept and the one that it is told like relatives; where they are, no longer."""
        view = self._desk.mirror.concepts.get(concept or "")
        verdict = None if view is None else view.evidence_verdict
        if view is None or verdict is None or verdict.rival is None:
            self._desk.say("only concepts that are told like another one can be called relatives")
        else:
            self._desk.begin(self._relate(view.name, verdict.rival, related=verdict.finding is Finding.ALIKE))

    async def _relate(self, one: str, other: str, *, related: bool) -> None:
        def write() -> bool:
            relatives.write(self._desk.corpus, one, other, related=related)
            return True

        if await self._told(self.in_turn(write)) is not None:
            are = "are relatives; K takes it back" if related else "are no longer relatives"
            self._desk.say(f"{one} and {other} {are}")

    # Structure

    def move(self, paths: Sequence[str]) -> None:
        """Ask under which concept stories are to be filed, and move them."""
        mirror = self._desk.mirror
        rival = offered_rival(mirror.stories[paths[0]]) if len(paths) == 1 else None
        listed = targets(paths, mirror.story_concepts, mirror.stories, rival)

        def take(concept: str | None) -> None:
            if concept is not None:
                self._desk.begin(self._done(operations.move, list(paths), concept))

        what = title(paths[0]) if len(paths) == 1 else f"{len(paths)} stories"
        self._desk.ask(Move(what, listed, lambda name: target(paths, name, mirror.stories)), take)

    def rename(self, selection: Selection) -> None:
        """Ask what is to be renamed: the concept or the scenario; then for its new name."""
        story = self._desk.mirror.stories.get(selection.path or "")
        scenario = selection.scenario if story is None else story.scenario
        kinds: dict[str, tuple[str, Renaming]] = {}
        if (concept := selection.concept) is not None:
            stories = counted(len(self._desk.mirror.stories_of(concept)), "story", "stories")
            ask = Renaming(concept, self._concept_trouble, partial(_rename_concept, concept))
            kinds["c"] = (f"the concept {concept} ({stories})", ask)
        if scenario is not None:
            ask = Renaming(scenario, self._scenario_trouble, partial(_rename_scenario, scenario))
            kinds["s"] = (f"the scenario {scenario}", ask)
        if (file := selection.problem) is not None:
            ask = Renaming(Path(file).stem, trouble_with_concept, partial(_rename_file, file))
            kinds["f"] = (f"the file {file}", ask)
        match list(kinds.values()):
            case []:
                self._desk.say("there is nothing to rename here")
            case [(what, renaming)]:
                self._ask_name(what, renaming)
            case _:
                answers = {key: (key, what) for key, (what, _) in kinds.items()}

                def take(key: str | None) -> None:
                    if key:
                        self._ask_name(*kinds[key])

                self._desk.ask(Choice(Text.assemble(("Rename what?", styles.HEADING)), answers), take)

    def _ask_name(self, what: str, renaming: Renaming) -> None:
        def take(name: str | None) -> None:
            if name is not None:
                self._desk.begin(self._done(renaming.carry_out, name))

        self._desk.ask(Rename(what, renaming.old, renaming.trouble), take)

    def _concept_trouble(self, name: str) -> str:
        return trouble_with_concept(name) or _twin(name, self._desk.mirror.story_concepts, "concept")

    def _scenario_trouble(self, name: str) -> str:
        return trouble_with_scenario(name) or _twin(name, self._desk.mirror.scenarios, "scenario")

    def new(self, selection: Selection) -> None:
        """Ask where a new story is to stand, make it, and open it in the editor."""
        mirror = self._desk.mirror
        story = mirror.stories.get(selection.path or "")
        scenario = (selection.scenario if story is None else story.scenario) or ""

        def place(new: NewStory) -> tuple[str, str]:
            path = operations.path_of(new.concept or "…", new.scenario)
            trouble = trouble_with_concept(new.concept)
            if not trouble and new.scenario is not None:
                trouble = trouble_with_scenario(new.scenario)
            siblings = [Path(other).name for other in mirror.stories if Path(other).parent == Path(path).parent]
            return operations.short(path), trouble or trouble_with_neighbours(Path(path).name, siblings)

        def take(new: NewStory | None) -> None:
            if new is not None:
                self._desk.begin(self._write(new, is_new=not mirror.stories_of(new.concept)))

        concept = (selection.concept or "") if story is None else ""
        self._desk.ask(New(concept, scenario, place), take)

    async def _write(self, new: NewStory, *, is_new: bool) -> None:
        write = partial(
            operations.new_story,
            concept=new.concept,
            scenario=new.scenario,
            from_baseline=new.from_baseline,
            is_new=is_new,
        )
        if await self._do(write) is not None:
            path = operations.path_of(new.concept, new.scenario)
            self._desk.await_story(path)
            self._desk.edit(path)

    def delete(self, paths: Sequence[str]) -> None:
        """Ask whether stories are to be deleted, and delete them: a copy of each goes into the trash."""

        def take(answer: bool | None) -> None:
            if answer:
                self._desk.begin(self._done(lambda corpus, kept: operations.delete(corpus, kept, list(paths))[0]))

        self._desk.ask(Delete(paths, str(trash_dir(self._desk.corpus))), take)

    # Doing it

    async def _done(self, operation: Callable[..., Task], *arguments: object) -> None:
        """Carry out an operation, and say what was done."""
        task = await self._do(operation, *arguments)
        if task is not None:
            self._desk.say(f"{task.words}; u takes it back")

    async def _do(self, operation: Callable[..., Task], *arguments: object) -> Task | None:
        """Carry out an operation, and keep it to be undone; None where it cannot be done, which is said."""

        def do() -> Task:
            task = operation(self._desk.corpus, self.journal.kept, *arguments)
            self.journal.record(task)
            self.left |= {path for step in task.steps for path, now in step.left if now is None}
            return task

        return await self._told(self.in_turn(do))

    async def _told(self, work: Awaitable[T], done: str = "written") -> T | None:
        """What some work gives; None where it fails, which is said: a file cannot be `done`."""
        try:
            return await work
        except OSError as error:
            name = error.filename or self._desk.corpus
            self._desk.say(f"{name} cannot be {done}: {error.strerror}", is_error=True)
        except AmygdalaError as error:
            self._desk.say(str(error), is_error=True)
        return None

    def show_marks(self, task: Task) -> None:
        """Show what a task accepted, or takes back from being accepted."""
        for step in task.steps:
            if isinstance(step, Marked) and step.path in self._desk.mirror.stories:
                self._desk.show_accepted(step.path, None if step.after is None else step.after.reason, goes_on=False)


def _twin(name: str, names: Collection[str], what: str) -> str:
    """That a name is taken, or looks like another one; empty if it does not."""
    twin = next((other for other in names if alike(other) == alike(name)), None)
    return "" if twin is None else f"there is a {what} {plain(twin)} already: choose another name"


def _rename_concept(old: str, corpus: Path, kept: Kept, new: str) -> Task:
    return operations.rename_concept(corpus, kept, old, new)


def _rename_scenario(old: str, corpus: Path, kept: Kept, new: str) -> Task:
    return operations.rename_scenario(corpus, kept, old, new)


def _rename_file(path: str, corpus: Path, kept: Kept, name: str) -> Task:
    return operations.rename_story(corpus, kept, path, name)
