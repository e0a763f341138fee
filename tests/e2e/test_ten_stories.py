"""A corpus with ten misfiled stories in a real terminal, from the first screen to the words at the end."""

from __future__ import annotations

import pytest

from tests.e2e import misfiled
from tests.e2e.counted import N_STORIES, editor_knows, hold
from tests.e2e.home import Home
from tests.e2e.terminal import toast

GOALS = (2, 20)
"""The most keys to the first fix, and to ten."""


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_ten_stories_are_fixed_from_the_screen_alone_in_no_more_keys_than_promised(
    home: Home, size: tuple[int, int]
) -> None:
    screens: list[str] = []
    session = hold(home, screens.append, *size)
    assert session.to_first_fix <= GOALS[0]
    assert session.to_all_fixes <= GOALS[1]
    assert all(verdict.startswith("cleared: as ") for verdict in session.verdicts)
    assert session.end == f"All {N_STORIES} looked at: {N_STORIES} fixed. Nothing left to fix."
    assert all(len(line) <= size[0] for shown in screens for line in shown.splitlines())


def test_loop_of_reason_edit_verdict_undo_accept_and_end(home: Home) -> None:
    corpus = misfiled.write(home.new_corpus())
    worst, second = "paired/office/furious.txt", "paired/hospital/disgusted.txt"
    was = (corpus / worst).read_text("utf-8")
    with home.studio(corpus, in_colours=False) as terminal:
        shown = terminal.wait_for(lambda shown: "1 of 10" in shown and "● up to date" in shown)
        assert "Unlike the other furious stories" in shown
        assert "●●● strong" in shown
        assert "office" in terminal.wait_for_lit("furious")

        home.editor_pastes(misfiled.right_text("paired/office/terrified.txt").replace("office", "harbour"))
        terminal.press("e")
        shown = terminal.wait_for("office / furious edited")
        assert "still misread" in shown, shown
        assert (corpus / worst).read_text("utf-8") != was

        terminal.press("u")
        terminal.wait_for(lambda shown: "took back" in shown and "joyful" in terminal.lit_row())
        assert (corpus / worst).read_text("utf-8") == was

        terminal.press("a")
        terminal.wait_for("Why?")
        terminal.type("it is a joke")
        terminal.press("Enter")
        terminal.wait_for(lambda shown: "kept 1" in shown and "2 of 10" in shown)
        assert "disgusted" in terminal.wait_for_lit("hospital")
        assert "it is a joke" in (corpus / "accepted.tsv").read_text("utf-8")

        editor_knows(home, corpus)
        for number in range(2, N_STORIES + 1):
            terminal.wait_for(f"{number} of 10")
            terminal.press("e")
            terminal.wait_for(f"fixed {number - 1} kept 1")
            terminal.press("n")
        end = toast(terminal.wait_for("All 10 looked at"))
        assert end == "All 10 looked at: 9 fixed, 1 kept. Nothing left to fix."
        assert (corpus / second).read_text("utf-8") == misfiled.right_text(second)
        assert home.opened[-1] == corpus / list(misfiled.MISFILED)[-1]
