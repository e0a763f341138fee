"""What is lit is what `e` opens, in a real terminal: the ways in which the two once parted; and keys typed ahead."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e import misfiled
from tests.e2e.counted import editor_knows
from tests.e2e.home import Home
from tests.e2e.terminal import Terminal

EDITING = "the editor is open"
PAUSES = f"echo {EDITING}; sleep 1"


def edit_lit(home: Home, terminal: Terminal, lit: str) -> Path:
    """Press `e` once a row is lit that says this; returns the file that the editor was opened with.

    The row, the keys' line and what is shown on the right must speak of that file.
    """
    row = terminal.wait_for_lit(lit)
    before, shown = len(home.opened), terminal.screen()
    terminal.press("e")
    terminal.wait_for(lambda _: len(home.opened) > before)
    opened = home.opened[before:]
    (file,) = opened
    place, concept = file.parent.name, file.stem
    assert place in row or (concept in row and f"{concept} · {place}" in shown), shown
    assert f"e edit {concept}" in shown, shown
    terminal.wait_for(EDITING)  # a key from before the editor's end would be of nobody
    terminal.wait_for(lambda shown: EDITING not in shown and "e edit" in shown)
    time.sleep(0.3)
    return file.relative_to(file.parents[2 if "paired" in file.parts else 1])


def test_lit_row_is_what_e_opens_in_the_five_ways_in_which_they_parted(home: Home) -> None:
    corpus = misfiled.write(home.new_corpus())
    home.editor_does(PAUSES)
    with home.studio(corpus, in_colours=False) as terminal:
        terminal.wait_for(lambda shown: "1 of 10" in shown and "● up to date" in shown)

        # at the start: the lit row of each view, with no key pressed before
        assert edit_lit(home, terminal, "office") == Path("paired/office/furious.txt")
        terminal.press("2")
        assert terminal.wait_for_lit("furious")
        terminal.press("4")
        terminal.wait_for("furious · 10 stories")
        terminal.press("r")
        terminal.wait_for("concept furious")
        terminal.press("Escape")
        terminal.wait_for(lambda shown: "concept furious" not in shown)
        assert edit_lit(home, terminal, "%").stem == "furious"

        # a search
        terminal.press("1", "j", "j")
        terminal.wait_for_lit("market")
        terminal.press("/")
        terminal.type("proud garden")
        terminal.press("Enter")
        assert edit_lit(home, terminal, "proud") == Path("paired/garden/proud.txt")
        terminal.press("Escape")
        assert edit_lit(home, terminal, "market") == Path("paired/market/terrified.txt")

        # a search in one burst, with the key that edits in it
        before = len(home.opened)
        terminal.press("/", *"lonely school", "Enter", "Enter", "e")
        terminal.wait_for(lambda _: len(home.opened) > before)
        assert home.opened[before:] == [corpus / "paired/school/lonely.txt"]
        assert edit_lit(home, terminal, "lonely") == Path("paired/school/lonely.txt")

        # the tree
        terminal.press("3")
        assert edit_lit(home, terminal, "lonely") == Path("paired/school/lonely.txt")

        # a fixed story leaves the queue, but not from under the writer's hands
        terminal.press("1", "g", "j", "j")
        terminal.wait_for_lit("market")
        editor_knows(home, corpus)
        terminal.press("e")
        terminal.wait_for("to fix 10 → 9")
        home.editor_does(PAUSES)
        assert edit_lit(home, terminal, "cleared") == Path("paired/market/terrified.txt")
        terminal.press("j")
        assert edit_lit(home, terminal, "garden") == Path("paired/garden/curious.txt")
        assert "cleared" not in terminal.screen().split("─")[0]


def test_keys_typed_after_e_in_one_burst_and_while_the_editor_is_open_reach_nobody(home: Home) -> None:
    corpus = misfiled.write(home.new_corpus())
    home.editor_does("sleep 1")
    with home.studio(corpus, in_colours=False) as terminal:
        terminal.wait_for(lambda shown: "1 of 10" in shown and "● up to date" in shown)
        before = len(home.opened)
        terminal.type("exn")
        terminal.wait_for(lambda _: len(home.opened) > before)
        terminal.type("8L")
        terminal.wait_for("1 of 10")
        time.sleep(0.5)  # for what must not come
        shown = terminal.screen()
        assert "1 of 10" in shown
        assert "nothing waits" not in shown
        assert "paused" not in shown
        assert "office" in terminal.lit_row()
        assert home.opened[before:] == [corpus / "paired/office/furious.txt"]
        terminal.press("n")
        terminal.wait_for("2 of 10")
