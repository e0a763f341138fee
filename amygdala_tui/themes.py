"""What the studio looks like: themes by name, and what each makes of the 16 colours that styles are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rich.color import Color
from rich.terminal_theme import TerminalTheme
from textual.theme import BUILTIN_THEMES, Theme

TERMINAL = "terminal"
"""The theme of terminals with 16 colours or none: it takes the terminal's own; the rest is bold and reverse."""
DEFAULT = "dark"


@dataclass(frozen=True)
class Look:
    """A theme of the studio's, for terminals with 256 colours or more. Colours are written `#rrggbb`."""

    name: str
    help: str
    is_dark: bool
    foreground: str
    background: str
    panel: str
    """Behind the status line and the footer."""
    lit: str
    """Behind the selected row of the list that has the keys."""
    lit_elsewhere: str
    """Behind that row in other lists."""
    yellow: str
    cyan: str
    green: str
    red: str
    magenta: str

    @property
    def surfaces(self) -> tuple[str, ...]:
        """All that words stand on."""
        return self.background, self.panel, self.lit, self.lit_elsewhere

    @property
    def slots(self) -> TerminalTheme:
        """What the 16 colours look like; bright ones as the others, since styles use one of each pair."""
        ends = (self.background, self.foreground) if self.is_dark else (self.foreground, self.background)
        row = [ends[0], self.red, self.green, self.yellow, self.cyan, self.magenta, self.cyan, ends[1]]
        return TerminalTheme(_rgb(self.background), _rgb(self.foreground), list(map(_rgb, row)), list(map(_rgb, row)))

    @property
    def theme(self) -> Theme:
        """The frame: panels, dialogs, borders, the keys in the footer."""
        return Theme(
            name=self.name,
            dark=self.is_dark,
            primary=self.cyan,
            secondary=self.magenta,
            warning=self.yellow,
            error=self.red,
            success=self.green,
            accent=self.yellow,
            foreground=self.foreground,
            background=self.background,
            surface=self.background,
            panel=self.panel,
            text_alpha=1.0,
            variables={
                "block-cursor-background": self.lit,
                "block-cursor-foreground": self.foreground,
                "block-cursor-blurred-background": self.lit_elsewhere,
                "block-cursor-blurred-foreground": self.foreground,
                "footer-key-foreground": self.yellow,
                "footer-foreground": self.foreground,
            },
        )


LOOKS: Mapping[str, Look] = {
    look.name: look
    for look in (
        Look(
            name=DEFAULT,
            help="light words on near-black",
            is_dark=True,
            foreground="#e4e4e4",
            background="#121212",
            panel="#262626",
            lit="#1b2a6b",
            lit_elsewhere="#3a3a3a",
            yellow="#ffd75f",
            cyan="#87d7ff",
            green="#afffaf",
            red="#ffafaf",
            magenta="#ffafff",
        ),
        Look(
            name="high-contrast",
            help="the strongest contrast: white and full colours on black",
            is_dark=True,
            foreground="#ffffff",
            background="#000000",
            panel="#1c1c1c",
            lit="#1b2a6b",
            lit_elsewhere="#303030",
            yellow="#ffff00",
            cyan="#5fffff",
            green="#5fff5f",
            red="#ffafaf",
            magenta="#ffafff",
        ),
        Look(
            name="colour-blind",
            help="colours that stay apart for eyes that see red and green alike",
            is_dark=True,
            foreground="#e4e4e4",
            background="#121212",
            panel="#262626",
            lit="#1b2a6b",
            lit_elsewhere="#3a3a3a",
            yellow="#ffd75f",
            cyan="#87d7ff",
            green="#afd7ff",
            red="#ffaf5f",
            magenta="#d7afff",
        ),
        Look(
            name="light",
            help="dark words on near-white",
            is_dark=False,
            foreground="#121212",
            background="#ffffff",
            panel="#eeeeee",
            lit="#c6ecff",
            lit_elsewhere="#e4e4e4",
            yellow="#5f4600",
            cyan="#00507a",
            green="#005f00",
            red="#870000",
            magenta="#5f005f",
        ),
    )
}
"""The themes that a writer can choose, by name."""

ANSI = BUILTIN_THEMES["ansi-dark"]
OF_THE_TERMINAL = replace(
    ANSI,
    name=TERMINAL,
    primary="ansi_cyan",  # Textual's is a blue that few can read on black
    error="ansi_bright_red",
    variables=ANSI.variables
    | {
        "footer-key-foreground": "ansi_yellow",
        # underlined, so that it is seen without colours too: Textual's own lists do not draw what is reversed
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "block-cursor-text-style": "underline",
        "block-cursor-blurred-foreground": "ansi_black",
        "block-cursor-blurred-background": "ansi_white",
        "block-cursor-blurred-text-style": "underline",
    },
)
THEMES = (*(look.theme for look in LOOKS.values()), OF_THE_TERMINAL)


def chosen(name: str, color_system: str | None, *, no_color: bool) -> str:
    """The theme to use where a writer wants one, by name; the terminal's own where it cannot be drawn.

    Args:
        name: of the theme; one that is not known stands for the default.
        color_system: what the terminal has (`rich.console.Console.color_system`); None: no colours.
        no_color: whether the writer wants none (`NO_COLOR`).
    """
    if no_color or color_system in (None, "standard"):
        return TERMINAL
    return name if name in LOOKS else DEFAULT


def _rgb(colour: str) -> tuple[int, int, int]:
    return Color.parse(colour).get_truecolor()
