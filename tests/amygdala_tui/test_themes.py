"""What themes promise: every word can be read, whoever reads it and whatever the terminal has."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.constants import DIM_FACTOR

from amygdala_tui import themes
from amygdala_tui.styles import LIT_WITHOUT_COLOURS, NAMED, NOT_DIM
from amygdala_tui.themes import LOOKS, Look

LEAST_CONTRAST = 4.5
"""WCAG 2, level AA, for text."""
Rgb = tuple[float, float, float]
COLOUR_BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
"""What is seen of linear RGB, at full severity (Machado, Oliveira and Fernandes, 2009)."""


def drawn(look: Look, style: Style, surface: str) -> tuple[Rgb, Rgb]:
    """What a style's words and their background look like on a surface: 0 to 255 a channel."""
    if surface == look.lit:
        style += NOT_DIM
    ground: Rgb = Color.parse(surface).get_truecolor()
    colour = style.color or Color.parse("default")
    words: Rgb = colour.get_truecolor(look.slots, foreground=True)
    if style.dim:
        red, green, blue = (low + (high - low) * DIM_FACTOR for low, high in zip(ground, words, strict=True))
        words = (red, green, blue)
    return (ground, words) if style.reverse else (words, ground)


def linear(colour: Rgb) -> list[float]:
    shares = [channel / 255 for channel in colour]
    return [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]


def contrast(one: Rgb, other: Rgb) -> float:
    """WCAG 2's contrast ratio, from 1 to 21."""
    low, high = sorted(float(np.dot(linear(colour), [0.2126, 0.7152, 0.0722])) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def as_in_256(colour: Rgb) -> Rgb:
    """The nearest of a terminal's 256 colours, as Rich finds it."""
    return Color.from_rgb(*colour).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_style_can_be_read_on_every_surface(look: Look) -> None:
    for (name, style), surface in itertools.product(NAMED.items(), look.surfaces):
        words, ground = drawn(look, style, surface)
        assert contrast(words, ground) >= LEAST_CONTRAST, (name, surface)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_style_can_be_read_in_256_colours(look: Look) -> None:
    for (name, style), surface in itertools.product(NAMED.items(), look.surfaces):
        words, ground = map(as_in_256, drawn(look, style, surface))
        assert contrast(words, ground) >= LEAST_CONTRAST, (name, surface)


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_the_lit_row_stands_out_from_those_around_it(look: Look) -> None:
    grounds = [Color.parse(surface).get_truecolor() for surface in (look.background, look.lit, look.lit_elsewhere)]
    distances = [np.linalg.norm(np.subtract(*pair)) for pair in itertools.combinations(grounds, 2)]
    assert min(distances) > 25
    assert len({as_in_256(ground) for ground in grounds}) == 3


def lab(rgb: list[float]) -> np.ndarray:
    """CIE Lab of linear RGB (D65)."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.dot(to_xyz, np.clip(rgb, 0, 1)) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen", COLOUR_BLIND.values(), ids=COLOUR_BLIND)
@pytest.mark.parametrize("pair", [("own", "rival"), ("good", "bad"), ("good", "misread")], ids="-".join)
def test_what_stands_side_by_side_differs_for_eyes_that_see_red_and_green_alike(
    seen: list[list[float]], pair: tuple[str, str]
) -> None:
    look = LOOKS["colour-blind"]
    one, other = (lab(list(np.dot(seen, linear(drawn(look, NAMED[name], look.background)[0])))) for name in pair)
    assert np.linalg.norm(one - other) > 30


def looks(style: Style) -> tuple[object, ...]:
    return style.color, style.bold, style.dim, style.reverse, style.underline


def test_in_16_colours_no_two_styles_look_the_same_and_no_colour_is_taken_for_another() -> None:
    assert len({looks(style) for style in NAMED.values()}) == len(NAMED)
    for style in NAMED.values():
        if style.color is not None:
            assert style.color.downgrade(ColorSystem.STANDARD) == style.color


def test_without_colours_what_must_be_seen_is_bold_or_reversed_and_never_dim() -> None:
    for name in ("misread", "bad", "loud", "key", "heading"):
        assert NAMED[name].bold or NAMED[name].reverse, name
    assert [name for name, style in NAMED.items() if style.dim] == ["dim"]
    assert LIT_WITHOUT_COLOURS.reverse


@pytest.mark.parametrize(
    ("color_system", "no_color", "theme"),
    [
        ("truecolor", False, "light"),
        ("256", False, "light"),
        ("standard", False, "terminal"),
        (None, False, "terminal"),
        ("256", True, "terminal"),
    ],
)
def test_a_theme_is_used_where_the_terminal_can_draw_it(color_system: str | None, no_color: bool, theme: str) -> None:
    assert themes.chosen("light", color_system, no_color=no_color) == theme


def test_a_theme_that_is_not_known_gives_way_to_the_default() -> None:
    assert themes.chosen("no such theme", "truecolor", no_color=False) == themes.DEFAULT
