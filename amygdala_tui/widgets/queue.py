"""The Queue view's list: stories to fix, the worst first; broken files; concepts worth a look; maybes."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import partial

from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import CONCEPT, PROBLEM
from amygdala_tui.sitting import Tally
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.words import fit, rival_in_lead, state_sign
from engine.corpus import Problem
from engine.evidence import DOTS
from engine.plain import plain
from engine.verdicts import Finding
from engine.wire.snapshot import ConceptView, StoryView

BROKEN = ("error", "empty", "duplicate", "left-out")
"""States of files that no vector can be made of."""
ORDERS = ("strength", "concept", "scenario")
"""By what the stories to fix can be ordered."""
LONGEST_CONCEPT = 14
DOTS_WIDTH = 3


class QueueList(LineList):
    """What is to be done in a corpus. The selected story keeps its row until the writer goes on, fixed or not."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, empty="")
        self._mirror = Mirror()
        self._tally = Tally()
        self._rows: list[str] = []
        """Keys of the stories to fix that were shown last, in their order."""
        self.with_maybes = False
        self._order = 0
        self.only = ""
        """The concept or the scenario whose stories alone are shown; empty: of all."""

    def sort_next(self) -> None:
        """Order the stories to fix in the next way: by strength, concept, scenario."""
        self._order = (self._order + 1) % len(ORDERS)
        self._rebuild()

    def narrow(self, only: str) -> None:
        """Show only the stories of a concept or of a scenario, or of all where `only` is empty."""
        self.only = only
        self._rebuild()

    def narrowed(self, views: Sequence[StoryView]) -> list[StoryView]:
        """Those of these stories that are of what is shown."""
        return [view for view in views if not self.only or self.only in (view.concept, view.scenario or "stories")]

    def show_mirror(self, mirror: Mirror, tally: Tally) -> None:
        """Draw this state."""
        before = self._mirror
        is_same = mirror.stories is before.stories and mirror.concepts is before.concepts
        if self._lines and is_same and mirror.problems == before.problems and tally == self._tally:
            return
        self._mirror, self._tally = mirror, tally
        self._rebuild()

    def toggle_maybes(self) -> None:
        """Show the maybes, or hide them."""
        self.with_maybes = not self.with_maybes
        self._rebuild()

    def holds(self, mirror: Mirror, path: str) -> bool:
        """Whether a story has a row here in some state of the corpus."""
        view = mirror.stories[path]
        return (
            view.misread or path in self._rows or view.state in BROKEN or (self.with_maybes and view.rank is not None)
        )

    def select(self, key: str | None) -> None:
        """Light a row; a row that was kept for the story that was lit before may go now."""
        left = self.key
        super().select(key)
        if left is not None and left != key and left in self._rows:
            view = self._mirror.stories.get(left)
            if view is None or not view.misread:
                self._rebuild()

    def _rebuild(self) -> None:
        mirror, titles = self._mirror, self._mirror.titles
        to_fix = [view for view in self.narrowed(mirror.queue) if view.misread]
        order = ORDERS[self._order]
        if order != "strength":
            to_fix.sort(key=lambda view: (getattr(view, order) or "", view.rank))
        self._keep_place(to_fix)
        self._rows = [view.path for view in to_fix]
        lines = [_heading(f"TO FIX  {len(mirror.misread)}", _so_far(mirror, self._tally))]
        aside = [f"by {order}"] if order != "strength" else []
        aside += [f"only {plain(self.only)}, F: all"] if self.only else []
        lines += [_note(" · ".join(aside))] if aside else []
        lines += [_story(view, titles) for view in to_fix]
        if not to_fix:
            lines.append(_note(_nothing_to_fix(mirror)))
        lines += _broken(mirror, self.narrowed(broken_stories(mirror)), titles, self._rows)
        lines += _concepts(mirror)
        maybes = [view for view in self.narrowed(mirror.queue) if not view.misread and view.path not in self._rows]
        lines += _maybes(maybes, titles, self.with_maybes)
        self.show(lines)

    def _keep_place(self, to_fix: list[StoryView]) -> None:
        """Keep the lit story where it stood, although it is no longer to fix."""
        lit = self._mirror.stories.get(self._selected or "")
        was_shown = lit is not None and lit.path in self._rows
        if lit is not None and not lit.misread and (was_shown or lit.path in self._tally.paths):
            above = set(self._rows[: self._rows.index(lit.path)] if was_shown else ())  # moved: its path is a new one
            place = max((n for n, view in enumerate(to_fix, 1) if view.path in above), default=0)
            to_fix.insert(place, lit)


def broken_stories(mirror: Mirror) -> list[StoryView]:
    """Stories that no vector can be made of, by path."""
    return sorted((view for view in mirror.stories.values() if view.state in BROKEN), key=lambda view: view.path)


def _nothing_to_fix(mirror: Mirror) -> str:
    if not mirror.stories:
        return "No story yet: + writes the first one."
    return "Nothing left to fix." if mirror.is_judged else "The stories are not judged yet."


def _so_far(mirror: Mirror, tally: Tally) -> str:
    accepted = mirror.n_accepted - tally.kept
    words = [f"fixed {tally.fixed}"] if tally.flagged else []
    words += [f"kept {tally.kept}"] if tally.flagged else []
    words += [f"{accepted} accepted"] if accepted else []
    return " ".join(words)


def _story(view: StoryView, titles: Mapping[str, str]) -> Line:
    place = titles.get(view.scenario or "", "stories")
    return Line(view.path, partial(_draw_story, view, place))


def _draw_story(view: StoryView, place: str, width: int) -> Text:
    """Its concept, where it stands, what it reads as, how sure that is."""
    name = fit(plain(view.concept or "baseline"), LONGEST_CONCEPT)
    if view.misread:
        reads_as = fit(plain(rival_in_lead(view) or "unlike its own"), LONGEST_CONCEPT + 2)
        right = Text.assemble((reads_as, styles.HEADING))
        right.append(f" {DOTS.get(view.strength or 'none', ''):<{DOTS_WIDTH}}", style=styles.MISREAD)
    else:
        right = _standing(view)
    return _columns(name, plain(place), right, width, is_strong=view.misread)


def _standing(view: StoryView) -> Text:
    """How a story stands that is not to fix."""
    if view.accepted is not None:
        return Text("kept", style=styles.DIM)
    if view.state in BROKEN or view.state in ("stale", "computing"):
        return state_sign(view)
    if view.misfit is not None and view.rank is not None:
        return Text(f"{view.misfit:.0%}", style=styles.DIM)
    return Text("cleared", style=styles.GOOD) if view.strength is not None else Text("")


def _columns(name: str, place: str, right: Text, width: int, *, is_strong: bool) -> Text:
    line = Text("  ").append(Text(name, style=styles.HEADING if is_strong else styles.DIM))
    line.truncate(LONGEST_CONCEPT + 2, pad=True)
    room = max(1, width - line.cell_len - right.cell_len - 3)
    where = Text(fit(place, room), style="" if is_strong else styles.DIM)
    where.truncate(room, overflow="ellipsis", pad=True)
    return Text.assemble(line, " ", where, " ", right, " ")


def _broken(
    mirror: Mirror, stories: Sequence[StoryView], titles: Mapping[str, str], shown: Container[str]
) -> list[Line]:
    """Files that no vector can be made of, and files that are no story, less those that have a row above."""
    broken = [view for view in stories if view.path not in shown]
    strangers = {problem.path: problem for problem in mirror.problems if problem.path not in mirror.stories}
    if not broken and not strangers:
        return []
    lines = [_blank(), _heading(f"BROKEN FILES  {len(broken) + len(strangers)}", "")]
    return lines + [_story(view, titles) for view in broken] + [_problem(problem) for problem in strangers.values()]


def _problem(problem: Problem) -> Line:
    def draw(width: int) -> Text:
        text = Text(f"  {fit(plain(problem.path), max(12, width // 2))}  ")
        return text.append(plain(problem.message), style=styles.BAD if problem.severity == "error" else styles.DIM)

    return Line(f"{PROBLEM}{problem.path}", draw)


def _concepts(mirror: Mirror) -> list[Line]:
    judged = [view for view in mirror.concepts.values() if view.evidence_verdict is not None]
    worth_a_look = [view for view in judged if view.evidence_verdict is not None and view.evidence_verdict.worth_a_look]
    if not judged:
        return []
    unknown = sum(
        view.evidence_verdict is not None and view.evidence_verdict.finding is Finding.UNKNOWN for view in judged
    )
    lines = [_blank(), _heading(f"CONCEPTS  {len(mirror.concepts)}", "2: all of them")]
    lines += [_concept(view) for view in sorted(worth_a_look, key=lambda view: view.name)]
    rest = len(judged) - len(worth_a_look) - unknown
    words = [f"{rest} as chance would have it"] if rest else []
    words += [f"{unknown} without a verdict yet"] if unknown else []
    return [*lines, _note(", ".join(words))] if words else lines


def _concept(view: ConceptView) -> Line:
    label = plain(view.evidence_verdict.label) if view.evidence_verdict is not None else ""

    def draw(_: int) -> Text:
        name = Text(f"  {fit(plain(view.name), LONGEST_CONCEPT)}", style=styles.HEADING)
        name.truncate(LONGEST_CONCEPT + 2, pad=True)
        return Text.assemble(name, " ", (label, styles.RIVAL))

    return Line(f"{CONCEPT}{view.name}", draw)


def _maybes(maybes: Sequence[StoryView], titles: Mapping[str, str], with_maybes: bool) -> list[Line]:
    if not maybes:
        return []
    lines = [_blank(), _heading(f"MAYBE  {len(maybes)}", "m hides them" if with_maybes else "m shows them")]
    lines.append(_note("one chance in ten or more that something is off: look, and often keep"))
    return lines + [_story(view, titles) for view in maybes] if with_maybes else lines


def _heading(title: str, aside: str) -> Line:
    def draw(width: int) -> Text:
        text = Text.assemble((f" {title}", styles.HEADING))
        text.truncate(max(1, width - len(aside) - 1), overflow="ellipsis", pad=True)
        return text.append(f"{aside} ", style=styles.DIM)

    return Line("", draw, is_heading=True)


def _note(words: str) -> Line:
    return Line("", lambda _: Text(f"   {words}", style=styles.DIM), is_heading=True)


def _blank() -> Line:
    return Line("", lambda _: Text(), is_heading=True)
