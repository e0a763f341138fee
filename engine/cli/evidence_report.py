"""`engine report`: a corpus in, what the evidence says of it out, for people."""

from __future__ import annotations

import argparse
import sys

import msgspec

from engine import settings
from engine.cli.export import compute
from engine.cli.held_out import held_out
from engine.cli.report import diagnostics, preflight, warn_of_stories
from engine.corpus import Layout, scan
from engine.errors import AmygdalaError
from engine.export import files
from engine.report import html, markdown
from engine.report.content import report_of


def report(arguments: argparse.Namespace) -> int:
    """Compute as an export does, write no vectors, and report."""
    layout = Layout.of(arguments.corpus)
    chosen = settings.load(arguments.corpus, settings.from_flags(arguments))
    page = arguments.html
    if page is not None:
        files.prepare_file(page, "--html")
    corpus = scan(layout)
    preflight(corpus, chosen.thin_below)
    if not corpus.concepts:
        raise AmygdalaError(f"{arguments.corpus}: no stories to report on")
    computed = compute(layout, corpus, chosen, with_neurons=False, with_evidence=True)
    warn_of_stories(computed.results, computed.corpus)
    facts = computed.facts
    made_of = {
        "model": chosen.model,
        "model_hash": facts.model_hash,
        "method": chosen.method,
        "pooling": facts.pooling,
    }
    name = arguments.corpus.resolve().name
    kept = held_out(layout, chosen, computed)
    content = report_of(
        name,
        computed.results,
        computed.corpus,
        made_of,
        chosen.thresholds.redundant_r2,
        None if kept is None else kept.concepts,
        [] if kept is None else kept.problems,
    )
    if page is not None:
        try:
            files.replace_all(page.parent, {page.name: html.page(content).encode()})
        except OSError as error:
            raise AmygdalaError(f"cannot write {page}: {error.strerror}") from error
        diagnostics.print(f"wrote {page}")
    if arguments.format == "json":
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(content)).decode() + "\n")
    elif arguments.format == "md" or page is None:
        sys.stdout.write(markdown.document(content))
    return 0
