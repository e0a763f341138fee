"""A writer's session, counted: the keys from opening a corpus with ten misfiled stories to the first fix, and to ten.

    python -m tests.e2e.counted [--size 120x40] [--screens]

The writer knows what the screen shows and nothing else: presses only keys that the screen names, and takes what is lit.
What is typed in the editor does not count. With `--screens` each screen is printed. Needs tmux.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.e2e import misfiled
from tests.e2e.home import Home, home
from tests.e2e.terminal import Terminal, toast

N_STORIES = len(misfiled.MISFILED)
READ = "⏎ read"


@dataclass
class Session:
    """What a session came to."""

    to_first_fix: int = 0
    """Keys."""
    to_all_fixes: int = 0
    verdicts: list[str] = field(default_factory=list)
    """The lines that said what became of each story."""
    end: str = ""
    """What was said where nothing was left to go to."""


class Writer:
    """Presses keys, and counts them.

    Args:
        terminal: where the studio is.
        look: gets each screen on which the writer decides.
    """

    def __init__(self, terminal: Terminal, look: Callable[[str], object]) -> None:
        self.n_keys = 0
        self._terminal = terminal
        self._look = look

    def press(self, key: str, words: str) -> None:
        """Press a key that the screen names in these words, as "e edit"."""
        shown = self._terminal.screen()
        assert words in shown, f"the screen does not name {words}:\n{shown}"
        self._look(shown)
        self._terminal.press(key)
        self.n_keys += 1


def hold(place: Home, look: Callable[[str], object], width: int = 120, height: int = 40) -> Session:
    """Open the corpus, and fix one story after the other, until the studio says that nothing is left."""
    corpus = misfiled.write(place.new_corpus())
    editor_knows(place, corpus)
    session = Session()
    with place.studio(corpus, width, height) as terminal:
        writer = Writer(terminal, look)
        shown = terminal.wait_for(lambda shown: f"TO FIX  {N_STORIES}" in shown and "● up to date" in shown)
        if READ in shown:  # on a narrow screen the reason is one key away
            writer.press("Enter", READ)
        for n_fixed in range(1, N_STORIES + 1):
            terminal.wait_for(f"{n_fixed} of {N_STORIES}")
            writer.press("e", "e edit")
            left = f"to fix {N_STORIES + 1 - n_fixed} → {N_STORIES - n_fixed}"
            shown = terminal.wait_for(lambda shown, left=left: left in shown)  # type: ignore[misc]
            session.verdicts.append(next(line.strip() for line in shown.splitlines() if left in line))
            if n_fixed == 1:
                session.to_first_fix = writer.n_keys
            session.to_all_fixes = writer.n_keys
            writer.press("n", "n next")
        last = terminal.wait_for(f"All {N_STORIES} looked at")
        look(last)
        session.end = toast(last)
    return session


def editor_knows(place: Home, corpus: object) -> None:
    """From now on the editor saves the text that belongs in the file that it is opened with."""
    for path in misfiled.MISFILED:
        file = place.folder / "right" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(misfiled.right_text(path), "utf-8")
    place.editor_does(f'cp "{place.folder}/right/${{1#{corpus}/}}" "$1"')


def main() -> int:
    """Hold a session, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="120x40", metavar="WxH")
    parser.add_argument("--screens", action="store_true", help="print each screen")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    with home() as place:
        session = hold(place, print if arguments.screens else len, width, height)
    for n_fixed, verdict in enumerate(session.verdicts, 1):
        print(f"{n_fixed:>2}  {verdict}")
    print(f"keys to the first fix: {session.to_first_fix}; to all {N_STORIES}: {session.to_all_fixes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
