"""The tutorial of a corpus: where it is read from, and how its Markdown looks in lines of some width.

rich's Markdown takes about a tenth of a second to import, so this module is imported only once the tutorial is opened.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown
from rich.style import Style
from rich.text import Text
from rich.theme import Theme

from amygdala_tui import styles
from engine.plain import plain

FILE = "TUTORIAL.md"
"""Its name in a corpus."""
MAX_BYTES = 1 << 20
"""A file that is larger is something else under this name."""
LOOKS = Theme(
    {
        "markdown.h1": styles.HEADING + Style(underline=True),
        "markdown.h2": styles.MISREAD,
        "markdown.h3": styles.HEADING,
        "markdown.code": styles.OWN,
        "markdown.block_quote": styles.DIM,
        "markdown.list": Style(),
        "markdown.item.number": styles.HEADING,
        "markdown.link": styles.OWN,
        "markdown.link_url": styles.DIM,
        "markdown.table.header": styles.HEADING,
        "markdown.table.border": styles.DIM,
        "markdown.hr": styles.DIM,
    }
)
"""rich's own names for what Markdown has, in the studio's looks."""
SECTION = "\n## "


@dataclass(frozen=True)
class Passage:
    """A text to be pasted into a story, and the lines of the page that it takes."""

    text: str
    first: int
    last: int


@dataclass(frozen=True)
class Page:
    """A tutorial in lines of some width."""

    text: Text
    sections: tuple[int, ...]
    """The first line of each section."""
    passages: tuple[Passage, ...]

    def passage_from(self, line: int) -> str | None:
        """The first text to be pasted that can be seen, or comes, from a line on; None where none comes any more."""
        return next((passage.text for passage in self.passages if passage.last >= line), None)


class _Passage(CodeBlock):
    """Wrapped and indented; a text to be pasted is marked, so that its lines are known again."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # wrapped here, since a text without an end of line in it would be wrapped at other places once it is shown
        meta = {"passage": str(self.text)} if self.lexer_name == "text" else {}
        text = Text(str(self.text).rstrip(), style=Style(meta=meta) + styles.OWN)
        for line in text.wrap(console, max(1, options.max_width - 2)):
            yield Text.assemble("  ", line)


class _Tutorial(Markdown):
    elements = Markdown.elements | {"fence": _Passage, "code_block": _Passage}


def read(corpus: Path) -> str:
    """The tutorial that lies in a corpus; that of the sample, where it has none that can be read."""
    try:
        with (corpus / FILE).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) <= MAX_BYTES:
            return content.decode("utf-8-sig")
    except (OSError, ValueError):
        pass
    return (resources.files("amygdala_tui") / "sample" / FILE).read_text("utf-8")


def page(markdown: str, width: int) -> Page:
    """A tutorial in lines of at most `width` columns."""
    console = Console(width=width, file=io.StringIO(), theme=LOOKS, color_system=None)
    text, sections, blocks = Text(), [], []
    n_lines = 0
    first, *rest = plain("\n".join(markdown.splitlines())).split(SECTION)
    for part in [first, *(f"{SECTION}{part}" for part in rest)]:
        if part is not first:
            sections.append(n_lines)
        for line in console.render_lines(_Tutorial(part, hyperlinks=False), pad=False):
            for segment in line:
                style = segment.style or Style()
                if (passage := style.meta.get("passage")) is not None:
                    blocks.append((passage, n_lines))
                text.append(segment.text, style=style)
            text.append("\n")
            n_lines += 1
        text.append("\n")
        n_lines += 1
    return Page(text, tuple(sections), tuple(_passages(blocks)))


def _passages(lines: list[tuple[str, int]]) -> list[Passage]:
    """Passages, of the passage that each of their lines is of."""
    passages: list[Passage] = []
    for text, line in lines:
        if passages and passages[-1].text == text:
            passages[-1] = Passage(text, passages[-1].first, line)
        else:
            passages.append(Passage(text, line, line))
    return passages
