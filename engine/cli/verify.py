"""`engine verify`: is a set of readout files sound, and which model and corpus is it of?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from engine.cli.report import output
from engine.corpus import Layout, scan
from engine.export.verify import MAX_NAMED, Provenance, Report
from engine.export.verify import verify as check
from engine.plain import plain

SHORT = 12
"""Characters of a hash that are printed: enough to tell it from every other in practice."""


class Comparison(msgspec.Struct, frozen=True):
    """A corpus as it is now, beside the one that a set was made of."""

    corpus: str
    corpus_digest: str
    n_stories: int
    changed: bool | None
    """None where the set does not say what it was made of."""


class Answer(Report, frozen=True, kw_only=True):
    """What `--json` prints."""

    folder: str
    sound: bool
    comparison: Comparison | None


def verify(arguments: argparse.Namespace) -> int:
    """Check a set; 0 if it is sound and, with `--corpus`, made of the stories that the corpus has now."""
    layout = Layout.of(arguments.corpus) if arguments.corpus is not None else None
    report = check(arguments.folder)
    comparison = _compare(arguments.corpus, layout, report.provenance) if layout is not None else None
    if arguments.json:
        facts = {name: getattr(report, name) for name in Report.__struct_fields__}
        answer = Answer(folder=str(arguments.folder), sound=not report.problems, comparison=comparison, **facts)
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer)).decode() + "\n")
    else:
        asides = [*_temporaries(report), *_strangers(report)]
        for line in [*_facts(report), *report.problems, *asides, _verdict(arguments.folder, report)]:
            output.print(plain(line))
        if comparison is not None:
            output.print(plain(_words(comparison, report.provenance)))
    is_current = comparison is None or comparison.changed is False
    return 0 if is_current and not report.problems else 1


def _compare(folder: Path, layout: Layout, provenance: Provenance | None) -> Comparison:
    current = scan(layout)
    exported_digest = provenance.corpus_digest if provenance else None
    changed = current.digest != exported_digest if exported_digest else None
    return Comparison(str(folder), current.digest, len(current.stories), changed)


def _facts(report: Report) -> list[str]:
    lines = []
    if provenance := report.provenance:
        stories = f" ({provenance.n_stories} stories)" if provenance.n_stories is not None else ""
        lines = [
            f"model       {_or_unknown(provenance.model)}, {_short(provenance.model_hash)}",
            f"tokenizer   {_short(provenance.tokenizer_hash)}",
            f"method      {_or_unknown(provenance.method)}, pooling {_or_unknown(provenance.pooling)}",
            f"corpus      {_short(provenance.corpus_digest)}{stories}",
            f"written by  {_or_unknown(provenance.written_by)}",
        ]
    if report.concepts:
        blocks = ", ".join(str(layer) for layer in report.layers)
        lines += [f"layers      {blocks} (hidden size {report.hidden_size})", f"concepts    {len(report.concepts)}"]
    return lines


def _temporaries(report: Report) -> list[str]:
    return [
        f"{file}: not of the set: an export is writing it, or was killed; the next export removes it"
        for file in report.temporaries
    ]


def _strangers(report: Report) -> list[str]:
    shown, n_more = report.strangers[:MAX_NAMED], len(report.strangers) - MAX_NAMED
    lines = [f"{file}: not of the set, and of no other: no export wrote it, and none removes it" for file in shown]
    return lines + ([f"and {n_more} more such files"] if n_more > 0 else [])


def _verdict(folder: Path, report: Report) -> str:
    if count := len(report.problems):
        return f"{folder}: not sound: {count} problem{'' if count == 1 else 's'}"
    if report.provenance is None:
        return f"{folder}: sound, but it carries no provenance: which model and corpus it is of cannot be told"
    return f"{folder}: sound"


def _words(comparison: Comparison, provenance: Provenance | None) -> str:
    if comparison.changed is None:
        return f"{comparison.corpus}: whether it changed cannot be told: the set does not say what it was made of"
    if not comparison.changed:
        return f"{comparison.corpus}: has the stories that the set was made of"
    n_exported = provenance.n_stories if provenance else None
    before = "" if n_exported is None else f", {n_exported} then"
    return f"{comparison.corpus}: its stories changed since ({comparison.n_stories} now{before}): export again"


def _short(digest: str | None) -> str:
    return _or_unknown(digest)[:SHORT]


def _or_unknown(value: str | None) -> str:
    return value or "unknown"
