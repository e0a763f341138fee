"""Undo and redo, with what there is to ask: whose text is to stand, and whether later tasks go too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.desk import Desk
from amygdala_tui.earlier import earlier_text
from amygdala_tui.mender import Mender
from amygdala_tui.screens.dialogs import Choice
from amygdala_tui.screens.structure import Conflict, Decision
from amygdala_tui.undo import Outcome
from engine.corpus.mending.carrying_out import TextForgotten
from engine.errors import AmygdalaError
from engine.plain import plain

Turn = Callable[..., Outcome]
"""`Journal.undo` or `Journal.redo`."""


class TakingBack:
    """Takes back what was done to a corpus, or does it again.

    Args:
        desk: the app.
        mender: what did it.
    """

    def __init__(self, desk: Desk, mender: Mender) -> None:
        self._desk = desk
        self._mender = mender

    async def undo(self, path: str | None) -> None:
        """Take back the last thing that was done to a story; where there is none, offer the last of all."""
        await self._begin(self._mender.journal.undo, path, "took back", "to take back")

    async def redo(self, path: str | None) -> None:
        """Do again what was taken back last of a story; where there is none, offer the last of all."""
        await self._begin(self._mender.journal.redo, path, "did again", "to do again")

    async def _begin(self, turn: Turn, path: str | None, done: str, to_do: str) -> None:
        outcome = await self._try(partial(turn, path)) if path is not None else Outcome()
        if outcome is None:
            return
        if not outcome.is_nothing:
            self._tell(outcome, partial(turn, path), done)
            return
        last = self._mender.journal.last_undone if turn == self._mender.journal.redo else self._mender.journal.last_done
        if last is None:
            self._desk.say(f"there is nothing {to_do}")
            return
        if last.kind != "save":  # what the writer did last, wherever the light has gone since
            await self._of_all(turn, done)
            return
        question = Text.assemble((f"There is nothing {to_do} of what is selected.", styles.HEADING))
        question.append(f"\n\nThe last thing of all: {plain(last.words)}")
        answers = {"y": ("yes", f"{'take that back' if done == 'took back' else 'do that again'}")}

        def take(answer: str | None) -> None:
            if answer:
                self._desk.begin(self._of_all(turn, done))

        self._desk.ask(Choice(question, answers), take)

    async def _of_all(self, turn: Turn, done: str) -> None:
        outcome = await self._try(turn)
        if outcome is not None:
            self._tell(outcome, turn, done)

    async def _try(self, turn: Turn) -> Outcome | None:
        """What an undo or a redo comes to; None where it cannot be done, which is said."""
        try:
            try:
                return await self._mender.in_turn(turn)
            except TextForgotten as forgotten:
                text = await earlier_text(self._desk.request, forgotten.path, forgotten.content_id)
                if text is None:
                    raise
                self._mender.journal.kept.remember(text.encode())
                return await self._mender.in_turn(turn)
        except AmygdalaError as error:
            self._desk.say(str(error), is_error=True)
        return None

    def _tell(self, outcome: Outcome, turn: Turn, done: str) -> None:
        """Say what was done; or ask what is to be done about what stands in the way."""
        if outcome.task is not None:
            self._desk.say(f"{done}: {outcome.task.words}")
            self._mender.show_marks(outcome.task)
        elif outcome.later:
            words = "\n".join(f"  {plain(task.words)}" for task in outcome.later)
            question = Text.assemble(("Later things would have to go first:", styles.HEADING), f"\n{words}")
            answers = {"y": ("yes", "all of it")}
            self._desk.ask(Choice(question, answers), lambda answer: self._insist(turn, done) if answer else None)
        else:
            self._ask_whose(outcome, turn, done)

    def _ask_whose(self, outcome: Outcome, turn: Turn, done: str) -> None:
        """Show both texts of the first file that another changed, and act on the writer's decision."""
        disagreement, *_ = self._mender.journal.disagreements(outcome)

        def take(decision: Decision | None) -> None:
            if decision == "mine":
                self._insist(turn, done)
            elif decision == "theirs":
                self._mender.journal.keep_theirs(outcome.clashes)
                self._desk.say("kept what stands there; u takes that back")

        self._desk.ask(Conflict(disagreement.path, disagreement.mine, disagreement.theirs), take)

    def _insist(self, turn: Turn, done: str) -> None:
        self._desk.begin(self._of_all(partial(turn, insist=True), done))
