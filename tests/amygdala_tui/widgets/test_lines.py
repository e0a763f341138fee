"""The line-drawn list and the tree made of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.text import Text
from textual.app import App, ComposeResult

from amygdala_tui.mirror import Mirror
from amygdala_tui.selection import BRANCH
from amygdala_tui.widgets.lines import Line, LineList
from amygdala_tui.widgets.tree import CorpusTree
from tests.amygdala_tui.making import mirror, misread, story


class Host(App[None]):
    """Holds one list and notes what it says."""

    def __init__(self, widget: LineList) -> None:
        super().__init__()
        widget.selector = self
        self.widget = widget
        self.is_leading = True
        self.lit: list[str | None] = []
        self.chosen: list[str | None] = []

    def compose(self) -> ComposeResult:
        yield self.widget

    def leads(self, rows: LineList) -> bool:
        return rows is self.widget and self.is_leading

    def row_lit(self, key: str | None) -> None:
        self.lit.append(key)

    def row_chosen(self) -> None:
        self.chosen.append(self.widget.key)


def lines(*keys: str) -> list[Line]:
    return [Line(key.lstrip("#"), drawing(key), is_heading=key.startswith("#")) for key in keys]


def drawing(key: str) -> Callable[[int], Text]:
    return lambda _width: Text(key)


def shown(widget: LineList) -> list[str]:
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


async def test_the_cursor_skips_headings_and_stops_at_the_ends() -> None:
    app = Host(LineList())
    async with app.run_test() as pilot:
        app.widget.show(lines("#one", "a", "#two", "b", "c"))
        assert app.widget.key == "a"
        await pilot.press("down", "down", "down", "k", "k", "k")
        assert app.lit[-5:] == ["a", "b", "c", "b", "a"]
        await pilot.press("G", "enter")
        assert app.chosen == ["c"]


async def test_the_cursor_stays_on_its_row_when_rows_come_and_go() -> None:
    app = Host(LineList())
    async with app.run_test() as pilot:
        app.widget.show(lines("a", "b", "c"))
        await pilot.press("down")
        app.widget.show(lines("x", "y", "b"))
        assert app.widget.key == "b"
        app.widget.show(lines("x"))
        assert app.widget.key == "x"
        app.widget.show([])
        assert app.widget.key is None
        await pilot.press("down", "enter", "end", "pagedown")
        assert app.chosen == []


async def test_a_list_that_does_not_lead_lights_the_selection_or_nothing() -> None:
    app = Host(LineList())
    app.is_leading = False
    async with app.run_test():
        app.widget.select("b")
        app.widget.show(lines("a", "b"))
        assert app.widget.key == "b"
        app.widget.show(lines("a", "c"))
        assert app.widget.key is None
        assert app.lit == []


async def test_ten_thousand_rows_draw_only_what_is_on_screen() -> None:
    drawn: list[int] = []

    def draw(number: int, _width: int) -> Text:
        drawn.append(number)
        return Text(str(number))

    app = Host(LineList())
    async with app.run_test(size=(40, 20)) as pilot:
        app.widget.show([Line(str(i), partial(draw, i)) for i in range(10_000)])
        await pilot.pause()
        await pilot.press("end")
        await pilot.pause()
        assert "9999" in shown(app.widget)
        assert len(set(drawn)) <= 60


async def test_brackets_are_text_not_markup() -> None:
    app = Host(LineList())
    async with app.run_test() as pilot:
        app.widget.show([Line("a", lambda _: Text("[red]a[/red] [/]"))])
        await pilot.pause()
        assert shown(app.widget)[0] == "[red]a[/red] [/]"


STORIES = mirror(
    [
        story("stories/joy.txt"),
        story("paired/bus/baseline.txt"),
        misread("paired/bus/joy.txt", "fear"),
        story("paired/snow/fear.txt", state="empty"),
    ]
)


async def test_the_tree_opens_and_closes() -> None:
    tree = CorpusTree(id="tree")
    app = Host(tree)
    async with app.run_test(size=(40, 20)) as pilot:
        tree.show_mirror(STORIES)
        await pilot.pause()
        assert [row.split()[:2] for row in shown(tree)[:5]] == [
            ["▾", "stories"], ["joy"], ["▾", "paired"], ["▸", "bus"], ["▸", "snow"],
        ]  # fmt: skip
        await pilot.press("down", "down", "down", "right", "right")
        assert tree.key == "paired/bus/baseline.txt"
        assert any(row.endswith("! fear") for row in shown(tree))
        await pilot.press("left", "left", "left", "left")
        assert tree.key == BRANCH + "paired"
        assert [row for row in shown(tree) if row][-1].startswith("▸ paired")


async def test_a_closed_branch_says_that_something_in_it_needs_a_look() -> None:
    tree = CorpusTree(id="tree")
    app = Host(tree)
    async with app.run_test(size=(40, 20)) as pilot:
        tree.show_mirror(STORIES)
        await pilot.pause()
        assert next(row for row in shown(tree) if "bus" in row).endswith("!1 2")


async def test_the_tree_groups_by_concept() -> None:
    tree = CorpusTree(id="tree")
    app = Host(tree)
    async with app.run_test(size=(40, 20)) as pilot:
        tree.show_mirror(STORIES)
        tree.group_by_concept()
        await pilot.pause()
        assert tree.is_by_concept
        assert [row.split()[1] for row in shown(tree) if row] == ["baseline", "fear", "joy"]


async def test_selecting_a_story_opens_the_branches_above_it() -> None:
    tree = CorpusTree(id="tree")
    async with Host(tree).run_test(size=(40, 20)):
        tree.show_mirror(STORIES)
        tree.select("paired/snow/fear.txt")
        assert tree.key == "paired/snow/fear.txt"


async def test_an_empty_corpus_says_so() -> None:
    tree = CorpusTree(id="tree")
    app = Host(tree)
    async with app.run_test(size=(40, 20)) as pilot:
        tree.show_mirror(Mirror())
        await pilot.pause()
        assert shown(tree)[0] == "no stories yet"
