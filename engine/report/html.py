"""A report as one HTML page that needs no network: style and charts stand in it, and no script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from engine.evidence import DOTS
from engine.plain import plain
from engine.report import charts, words
from engine.report.content import FlaggedStory, Report, ReportedConcept

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever a story holds, a browser loads nothing and runs nothing."""


def page(report: Report) -> str:
    """The whole page."""
    title = f"{report.corpus}: how its stories read"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_text(title)}</title>\n<style>\n{STYLE.read_text('utf-8')}</style>\n</head>\n<body>",
            f"<h1>{_text(title)}</h1>",
            f'<p class="lead">{_text(" ".join(report.headline))}</p>',
            *_to_fix(report.flagged),
            *_list("Files", report.problems),
            *_list("Stories that share most of their wording", words.copies(report)),
            *_concepts(report.concepts),
            *_held_out(report),
            *_flagged(report.flagged),
            *_list("How to read this", words.HOW_TO_READ),
            f"<footer><p>{_text(words.made_of(report))}</p></footer>\n</body>\n</html>\n",
        ]
    )


def _to_fix(flagged: Sequence[FlaggedStory]) -> Iterator[str]:
    if flagged:
        yield "<h2>To look at</h2>"
        yield from _table(
            ["how sure", "story", "what is off"],
            (
                [
                    f'<span class="mark">{_mark(story)}</span>',
                    f'<a class="path" href="#story-{i}">{_text(story.evidence.path)}</a>',
                    _text(story.says),
                ]
                for i, story in enumerate(flagged)
            ),
        )


def _concepts(concepts: Sequence[ReportedConcept]) -> Iterator[str]:
    yield "<h2>Concepts</h2>"
    aurocs = [
        (concept.name, concept.evidence.auroc, concept.evidence.auroc_interval)
        for concept in concepts
        if concept.evidence is not None
        if concept.evidence.auroc is not None and concept.evidence.auroc_interval is not None
    ]
    if aurocs:
        yield (
            "<p>Of 100 pairs of a story of the concept and a story of another one, so many does the concept read "
            "right: 50 is chance. In brackets, where the number lies with a probability of 90 %.</p>"
        )
        yield charts.intervals(aurocs)
    is_judged = any(concept.evidence is not None for concept in concepts)
    head = ["concept", "stories", "to look at", *(["beside its closest rival"] if is_judged else []), "remarks"]
    yield from _table(head, (_concept_row(concept, is_judged) for concept in concepts))


def _concept_row(concept: ReportedConcept, is_judged: bool) -> list[str]:
    rival = "–" if concept.evidence is None else words.reads_right_beside_rival(concept.evidence)
    return [
        _text(concept.name),
        str(concept.n_stories),
        str(concept.n_flagged or ""),
        *([_text(rival)] if is_judged else []),
        _text("; ".join(words.remarks(concept))),
    ]


def _held_out(report: Report) -> Iterator[str]:
    if report.held_out is None:
        return
    yield f"<h2>Held-out stories</h2>\n<p>{_text(words.held_out(report))}</p>"
    aurocs = [
        (each.concept, each.reading.auroc, each.reading.auroc_interval)
        for each in report.held_out
        if each.reading.auroc is not None and each.reading.auroc_interval is not None
    ]
    if aurocs:
        yield charts.intervals(aurocs)
    if report.held_out:
        yield from _table(
            ["concept", "stories", "read as"],
            (
                [_text(each.concept), str(each.reading.n), _text(words.reads_as(each.reading))]
                for each in report.held_out
            ),
        )


def _flagged(flagged: Sequence[FlaggedStory]) -> Iterator[str]:
    if flagged:
        yield "<h2>The stories to look at, in full</h2>"
    for i, story in enumerate(flagged):
        yield f'<section id="story-{i}">\n<h3 class="path">{_text(story.evidence.path)}</h3>'
        yield f'<p><span class="mark">{_mark(story)}</span> {story.evidence.strength}. {_text(story.says)}</p>'
        yield charts.shares(story.evidence.shares, story.concept)
        yield from _items(story.reasons)
        yield f'<blockquote dir="auto">{_text(story.text)}</blockquote>\n</section>'


def _list(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield f"<h2>{_text(title)}</h2>"
        yield from _items(sentences)


def _items(sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield "<ul>" + "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences) + "</ul>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are HTML already."""
    yield "<table>\n<thead><tr>" + "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr></thead>\n<tbody>"
    yield from ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    yield "</tbody>\n</table>"


def _mark(story: FlaggedStory) -> str:
    return DOTS[story.evidence.strength]


def _text(words: str) -> str:
    """Words from anywhere as HTML text: data, whatever they hold."""
    return escape(plain(words))
