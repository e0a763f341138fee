"""Why a story is flagged, in a writer's words: what sets its wording apart, and what each sentence does. Pure."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from amygdala_tui import styles
from amygdala_tui.words import WRAPPING, bar
from engine.plain import plain
from engine.prose import saying
from engine.results import CopyOf, Draft, SentenceEffect

MOST_DIFFERENCES = 3
QUOTED = 60
"""Characters of a passage that are quoted."""
MARK = "▸ "
"""Before the sentence that pulls hardest away from the story's own concept."""
NARROW_BAR, WIDE_BAR = 6, 11
LEAST_TEXT = 24
"""Columns that the text must have beside bars; where it has fewer, there is only the mark."""
ROOMY_TEXT = 40
LEAST_BAR = 0.03
"""The share of the longest bar below which there is a dot in place of a bar."""


def reasons(text: str, draft: Draft, concept: str) -> Text:
    """What sets a story's wording apart, as lines; empty where the engine did not say.

    Args:
        text: what was scored.
        draft: the engine's answer.
        concept: the story's.
    """
    prose = draft.prose
    if prose is None:
        return Text()
    told: list[str] = []
    if prose.narrator is not None:
        other = prose.narrator
        told.append(saying.narrator(other.person, other.usual, other.n_usual, prose.n_others))
    told += [
        saying.difference(each.feature, each.is_word, each.amount, each.usual)
        for each in prose.differences[:MOST_DIFFERENCES]
    ]
    lines = [Text(f"  {plain(line)}") for line in told]
    if prose.n_others:
        others = f"the other {prose.n_others} {plain(concept)} stories"
        head = f"What sets it apart from {others}:" if told else f"Its words are told as those of {others}."
        lines.insert(0, Text(head, style=styles.HEADING if told else styles.DIM))
    lines += [Text(plain(_copy(text, copy))) for copy in prose.copies]
    if prose.giveaways:
        said = saying.giveaways(text[start:end] for start, end in prose.giveaways)
        lines.append(Text(plain(said).replace("\n", " ")))
    return Text("\n").join(lines)


def _copy(text: str, copy: CopyOf) -> str:
    name = copy.concept or "baseline"
    where = name if copy.scenario is None else f"{copy.scenario} / {name}"
    words = f"It shares {copy.share:.0%} of its wording with {where}"
    if copy.passages:
        start, end = copy.passages[0]
        passage = " ".join(text[start:end].split())
        words += f', as "{passage if len(passage) <= QUOTED else passage[: QUOTED - 1] + "…"}"'
    return f"{words}."


def by_sentence(text: str, draft: Draft, concept: str, width: int) -> Text:
    """A story's text, each sentence on a line of its own, with a bar for its own concept and one for the rival.

    Args:
        text: what was scored.
        draft: the engine's answer; without effects, the text stays as it is.
        concept: the story's.
        width: columns that there are. Where they are too few for bars, the hardest pull has a mark.
    """
    effects, rival = draft.effects, draft.evidence.reads_as if draft.evidence else None
    if not effects or rival is None:
        return Text(plain(text))
    roomy = width - len(MARK) - 2 * (WIDE_BAR + 1) >= ROOMY_TEXT
    bar_width = WIDE_BAR if roomy else NARROW_BAR
    text_width = width - len(MARK) - 2 * (bar_width + 1)
    has_bars = text_width >= LEAST_TEXT
    text_width = text_width if has_bars else max(width - len(MARK), 1)
    lines: list[Text] = []
    hardest = max(effects, key=lambda effect: effect.pull)
    if has_bars:
        names = [" " + set_cell_size(_cut(plain(name), bar_width), bar_width) for name in (concept, rival)]
        legend = f"{MARK}pulls hardest" if hardest.pull > 0 else ""
        lines.append(Text(set_cell_size(legend, len(MARK) + text_width) + "".join(names), style=styles.DIM))
    peak = max(max(effect.own, effect.rival) for effect in effects)
    end = 0
    for reading, effect in zip(draft.sentences, effects, strict=True):
        if "\n\n" in text[end : reading.start]:
            lines.append(Text())
        end = reading.end
        is_hardest = effect is hardest and effect.pull > 0
        sentence = Text(plain(text[reading.start : end]), style=styles.HEADING if is_hardest else "")
        bars = _bars(effect, peak, bar_width) if has_bars else None
        lines += beside(sentence, bars, MARK if is_hardest else " " * len(MARK), text_width)
    if rest := text[end:].strip():
        lines += beside(Text(plain(rest), style=styles.DIM), None, " " * len(MARK), text_width)
    return Text("\n").join(lines)


def beside(sentence: Text, bars: Text | None, mark: str, width: int) -> list[Text]:
    """A sentence wrapped to `width` columns behind a mark, with the bars beside its first line."""
    wrapped = list(sentence.wrap(WRAPPING, width)) or [sentence]
    lines = [Text.assemble(mark if n == 0 else " " * len(mark), line) for n, line in enumerate(wrapped)]
    if bars is not None:
        lines[0].append(" " * (width - cell_len(wrapped[0].plain))).append_text(bars)
    return lines


def _bars(effect: SentenceEffect, peak: float, width: int) -> Text:
    bars = Text()
    for value, style in ((effect.own, styles.OWN), (effect.rival, styles.RIVAL)):
        bars.append(f" {bar_or_dot(value, peak, width):<{width}}", style=style)
    return bars


def bar_or_dot(value: float, peak: float, width: int) -> str:
    """A sentence's bar, `width` long for the longest, which is of `peak`; a dot where there is next to nothing."""
    return (bar(value / peak, width) or "▏") if value > LEAST_BAR * peak > 0 else "·"


def _cut(name: str, width: int) -> str:
    return name if cell_len(name) <= width else set_cell_size(name, width - 1).rstrip() + "…"
