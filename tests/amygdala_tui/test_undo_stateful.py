"""Any sequence of tasks, saves of others, undos and redos: no text is lost, and all of it can be taken back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from amygdala_tui.undo import Journal, Outcome
from engine.corpus import Accepted, Layout, scan
from engine.corpus.accepted import FILE, read, write
from engine.corpus.mending import operations
from engine.corpus.mending.kept import Kept
from engine.corpus.mending.tasks import Task
from engine.corpus.mending.writing import content_id
from engine.errors import AmygdalaError
from tests.engine.corpus.mending.making import tree, written

CONCEPTS, SCENARIOS = ["a", "b", "c"], ["s", "t", "u"]
PLACES = [f"stories/{c}.txt" for c in CONCEPTS] + [f"paired/{s}/{c}.txt" for s in SCENARIOS for c in CONCEPTS]
PATH, CONCEPT, SCENARIO = st.sampled_from(PLACES), st.sampled_from(CONCEPTS), st.sampled_from(SCENARIOS)
TEXT = st.sampled_from(["One.", "Two.", ""])
BEGINNING = {f"{folder}/{c}.txt": f"{folder} {c}" for folder in ("stories", "paired/s") for c in "ab"}


class Sitting(RuleBasedStateMachine):
    """A writer in the studio, and a colleague beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())

    @initialize()
    def begin(self) -> None:
        self.corpus = written(self.folder / "corpus", BEGINNING)
        self.journal = Journal(self.corpus, Kept(self.folder / "kept"))
        self.journal.follow(scan(Layout.of(self.corpus)))
        self.beginning = self.standing()
        self.texts: set[object] = set()
        """Content ids of all that the studio replaced, removed, wrote or was told of."""
        self.n_texts = 0
        self.is_alone_in_accepting = True

    def teardown(self) -> None:
        self.journal.saw(PLACES)
        stood = set(self.standing().values())
        for turn in (self.journal.redo, self.journal.undo):
            while not turn(insist=True).is_nothing:
                stood |= set(self.standing().values())
        assert self.texts - stood == set()
        end = self.standing()
        assert {path: end[path] for path in end if path in PLACES or self.is_alone_in_accepting} == self.beginning
        shutil.rmtree(self.folder)

    def another(self, text: str) -> str:
        """A text that has not been before; an empty one stays empty."""
        self.n_texts += 1
        return text and f"{text} {self.n_texts}"

    def note(self, task: Task | None) -> None:
        for one in (task, task.inverse) if task is not None else ():
            self.texts |= {content_id for step in one.steps for _, content_id in step.left if content_id is not None}

    def standing(self) -> dict[str, object]:
        """Content ids by path, and acceptances."""
        marks = read(str(self.corpus), [os.path.realpath(self.corpus)]).accepted
        texts = {path: content_id(content) for path, content in tree(self.corpus).items() if path != FILE}
        return {**texts, **{f"accepted {path}": mark for path, mark in marks.items()}}

    def act(self, operation: Callable[[], Task]) -> None:
        """The studio does something; where it is refused, all stays as it was."""
        before = self.standing()
        try:
            task = operation()
        except AmygdalaError:
            assert self.standing() == before
        else:
            self.journal.record(task)
            self.note(task)

    @rule(path=PATH, text=TEXT)
    def edit(self, path: str, text: str) -> None:
        if (self.corpus / path).exists():
            self.texts.add(self.journal.opened(path))
            (self.corpus / path).write_text(self.another(text))
            self.note(self.journal.closed(path))

    @rule(concept=CONCEPT, scenario=st.none() | SCENARIO)
    def new(self, concept: str, scenario: str | None) -> None:
        self.act(lambda: operations.new_story(self.corpus, self.journal.kept, concept=concept, scenario=scenario))

    @rule(paths=st.lists(PATH, min_size=1, max_size=3, unique=True), concept=CONCEPT)
    def move(self, paths: list[str], concept: str) -> None:
        self.act(lambda: operations.move(self.corpus, self.journal.kept, paths, concept))

    @rule(old=CONCEPT, new=CONCEPT)
    def rename_concept(self, old: str, new: str) -> None:
        self.act(lambda: operations.rename_concept(self.corpus, self.journal.kept, old, new))

    @rule(old=SCENARIO, new=SCENARIO)
    def rename_scenario(self, old: str, new: str) -> None:
        self.act(lambda: operations.rename_scenario(self.corpus, self.journal.kept, old, new))

    @rule(paths=st.lists(PATH, min_size=1, max_size=3, unique=True))
    def delete(self, paths: list[str]) -> None:
        self.act(lambda: operations.delete(self.corpus, self.journal.kept, paths)[0])

    @rule(path=PATH, reason=st.none() | st.sampled_from(["", "so"]))
    def accept(self, path: str, reason: str | None) -> None:
        if (self.corpus / path).exists():
            key = content_id((self.corpus / path).read_bytes())
            entry = None if reason is None else Accepted(text_id=key, reason=reason)
            self.act(lambda: operations.accept(self.corpus, self.journal.kept, path, entry))

    @rule(path=PATH, text=st.none() | TEXT, is_seen=st.booleans())
    def another_saves(self, path: str, text: str | None, is_seen: bool) -> None:
        with suppress(FileNotFoundError):
            if text is None:
                (self.corpus / path).unlink()
            else:
                (self.corpus / path).write_text(self.another(text))
        if is_seen:
            for task in self.journal.saw([path]):
                self.note(task)

    @rule(path=st.none() | PATH, insist=st.booleans(), back=st.booleans())
    def go(self, path: str | None, insist: bool, back: bool) -> None:
        before = self.standing()
        outcome = self.turn(path, insist=insist, back=back)
        after = self.standing()
        if outcome.task is None:
            assert after == before
            assert not insist or outcome.is_nothing
            return
        self.texts |= {before[path] for path in before.keys() & set(PLACES) if before[path] != after.get(path)}
        if not insist:
            self.turn(None, insist=False, back=not back)
            assert self.standing() == before
            self.turn(None, insist=False, back=back)
            assert self.standing() == after

    def turn(self, path: str | None, *, insist: bool, back: bool) -> Outcome:
        return (self.journal.undo if back else self.journal.redo)(path, insist=insist)

    @rule(path=PATH)
    def keep_theirs(self, path: str) -> None:
        before = self.standing()
        outcome = self.journal.undo(path)
        if outcome.clashes:
            for task in self.journal.keep_theirs(outcome.clashes):
                self.note(task)
            assert self.standing() == before
            assert not self.journal.undo(path).clashes

    @rule(path=PATH)
    def another_accepts(self, path: str) -> None:
        write(self.corpus, path, Accepted(text_id="0" * 32, reason="theirs"))
        self.is_alone_in_accepting = False  # others' acceptances are no tasks unless they stand in the way


def test_no_text_is_lost_and_all_of_it_can_be_taken_back() -> None:
    run_state_machine_as_test(Sitting, settings=settings(max_examples=60, stateful_step_count=25))
