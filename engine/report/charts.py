"""Charts as SVG, drawn by hand: two kinds, which a page shows without any script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from engine.evidence import Ranked
from engine.plain import plain
from engine.report import words

ROW, TEXT_DOWN = 22, 15
"""The height of a row, and how far down in it its text stands."""
LABELS, PLOT, VALUES = 180, 400, 120
"""Widths of names, of what is drawn, and of numbers."""
WIDTH = LABELS + PLOT + VALUES
LONGEST_NAME = 24


def shares(ranked: Sequence[Ranked], own: str) -> str:
    """A bar for each concept that a story may belong to; that of its own is marked."""
    rows = []
    for i, (name, share) in enumerate(ranked):
        kind = "own" if name == own else "other"
        rows.append(
            f'{_label(i, name)}<rect class="{kind}" x="{LABELS}" y="{i * ROW + 4}" width="{max(share * PLOT, 1):.1f}" '
            f'height="{ROW - 8}"/>{_value(i, words.percent(share))}'
        )
    return _svg(len(rows), "How it reads, in shares of 100 %", rows)


def intervals(aurocs: Sequence[tuple[str, float, tuple[float, float]]]) -> str:
    """A dot for each concept, with the interval about it, from 50 (chance) or less to 100."""
    lowest = min([0.5, *(low for _, _, (low, _) in aurocs)])

    def x(auroc: float) -> float:
        return LABELS + PLOT * (auroc - lowest) / (1 - lowest)

    rows = [_line("chance", (x(0.5), 0), (x(0.5), len(aurocs) * ROW))]
    for i, (name, auroc, (low, high)) in enumerate(aurocs):
        y = i * ROW + ROW / 2
        rows.append(
            f"{_label(i, name)}{_line('interval', (x(low), y), (x(high), y))}"
            f'<circle class="other" cx="{x(auroc):.1f}" cy="{y}" r="4"/>'
            f"{_value(i, f'{100 * auroc:.0f} ({100 * low:.0f}–{100 * high:.0f})')}"
        )
    return _svg(len(aurocs), "Pairs of 100 that each concept reads right; the line at 50 is chance", rows)


def _svg(n_rows: int, title: str, parts: Sequence[str]) -> str:
    spoken = escape(title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {n_rows * ROW}" role="img" aria-label="{spoken}"><title>{spoken}</title>'
        + "".join(parts)
        + "</svg>"
    )


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    """A line whose colour is the style sheet's, or where that is not applied, the text's."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" stroke="currentColor" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _label(row: int, name: str) -> str:
    name = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return f'<text x="{LABELS - 8}" y="{row * ROW + TEXT_DOWN}" text-anchor="end">{escape(plain(name))}</text>'


def _value(row: int, number: str) -> str:
    return f'<text x="{LABELS + PLOT + 8}" y="{row * ROW + TEXT_DOWN}">{escape(number)}</text>'
