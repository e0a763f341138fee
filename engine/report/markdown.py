"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from engine.evidence import DOTS
from engine.plain import plain
from engine.report import words
from engine.report.content import FlaggedStory, Report, ReportedConcept

SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")


def document(report: Report) -> str:
    """The whole document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {_text(report.corpus)}: how its stories read\n\n{_text(' '.join(report.headline))}"
    if report.flagged:
        yield "\n## To look at\n\n| how sure | story | what is off |\n| --- | --- | --- |"
        yield from (
            f"| {DOTS[each.evidence.strength]} | {_text(each.evidence.path)} | {_text(each.says)} |"
            for each in report.flagged
        )
    yield from _list("Files", report.problems)
    yield from _list("Stories that share most of their wording", words.copies(report))
    yield "\n## Concepts\n"
    yield from _concepts(report.concepts)
    yield from _held_out(report)
    if report.flagged:
        yield "\n## The stories to look at, in full"
    for story in report.flagged:
        yield from _story(story)
    yield from _list("How to read this", words.HOW_TO_READ)
    yield "\n" + _text(words.made_of(report))


def _concepts(concepts: Sequence[ReportedConcept]) -> Iterator[str]:
    is_judged = any(concept.evidence is not None for concept in concepts)
    judged_columns = ["pairs read right", "beside its closest rival"] if is_judged else []
    head = ["concept", "stories", "to look at", *judged_columns, "remarks"]
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for concept in concepts:
        evidence = concept.evidence
        numbers = (
            ["–", "–"] if evidence is None else [words.reads_right(evidence), words.reads_right_beside_rival(evidence)]
        )
        cells = [concept.name, str(concept.n_stories), str(concept.n_flagged or ""), *(numbers if is_judged else [])]
        yield f"| {' | '.join(map(_text, [*cells, '; '.join(words.remarks(concept))]))} |"


def _held_out(report: Report) -> Iterator[str]:
    if report.held_out is None:
        return
    yield f"\n## Held-out stories\n\n{_text(words.held_out(report))}"
    if report.held_out:
        yield "\n| concept | stories | pairs read right | read as |\n| --- | --- | --- | --- |"
    for each in report.held_out:
        reading = each.reading
        cells = [each.concept, str(reading.n), words.reads_right(reading), words.reads_as(reading)]
        yield f"| {' | '.join(map(_text, cells))} |"


def _story(story: FlaggedStory) -> Iterator[str]:
    evidence = story.evidence
    yield f"\n### {_text(evidence.path)}\n"
    yield f"{DOTS[evidence.strength]} {evidence.strength}. {_text(story.says)}"
    if evidence.shares:
        shares = ", ".join(f"{name} {words.percent(share)}" for name, share in evidence.shares)
        yield f"\nHow it reads: {_text(shares)}"
    if story.reasons:
        yield ""
        yield from (f"- {_text(reason)}" for reason in story.reasons)
    text = plain(story.text)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield f"\n{fence}text\n{text}\n{fence}"


def _list(title: str, sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield f"\n## {title}\n"
        yield from (f"- {_text(sentence)}" for sentence in sentences)


def _text(words: str) -> str:
    """Words from anywhere on one line of Markdown: data, whatever they hold."""
    return SPECIAL.sub(r"\\\1", plain(" ".join(words.split())))
