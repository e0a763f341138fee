"""`engine export`: a corpus in, readout files out."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import msgspec

from engine import paths, settings
from engine.cli.report import ForwardProgress, diagnostics, preflight, summary
from engine.corpus import Layout, scan
from engine.errors import AmygdalaError, UsageError
from engine.export import files
from engine.triage import judge, outliers
from engine.work import Placement


def export(arguments: argparse.Namespace) -> int:
    """Scan, compute, write, and print the triage."""
    layout, home = _layout(arguments)
    chosen = settings.load(home, settings.from_flags(arguments))
    corpus = scan(layout)
    preflight(corpus)
    if not corpus.concepts:
        raise AmygdalaError(f"{home}: no stories to compute anything from")

    files.prepare(arguments.output_dir)
    # imported here, so that a wrong flag or folder is answered at once: torch takes seconds
    from engine.compute.live import LiveCorpus
    from engine.compute.models import load
    from engine.compute.store import Store
    from engine.export import readout

    started = time.perf_counter()
    store = Store(paths.cache_dir())
    model = load(chosen, store.digest)
    live = LiveCorpus(model, chosen, store)
    loaded = time.perf_counter()
    diagnostics.print(
        f"{chosen.model} on {model.device} ({loaded - started:.1f} s to load); blocks {live.layers}, "
        f"{live.extractor.pooling} pooling"
    )
    if not live.has_neurons:
        diagnostics.print("warning: this model's blocks have no dense down projection, so neurons are not compared")
    with ForwardProgress() as progress:
        results = live.apply(
            [Placement(story.text_id, story.concept) for story in corpus.stories],
            {story.text_id: story.text for story in corpus.stories},
            progress=progress,
        )
    for story in corpus.stories:
        if story.text_id in results.truncated:
            diagnostics.print(f"warning: {story.path}: only its first {results.max_tokens} tokens are read")
    verdicts = {quality.concept: judge(quality, results.middle, chosen.thresholds) for quality in results.concepts}
    run = readout.provenance(
        msgspec.to_builtins(chosen),
        corpus,
        model=chosen.model,
        model_hash=model.model_hash,
        tokenizer_hash=model.tokenizer_hash,
        pooling=live.extractor.pooling,
        method=chosen.method,
        dtype=str(model.dtype).removeprefix("torch."),
    )
    quality = readout.quality_document(results, verdicts, corpus) if arguments.quality_report else None
    written = readout.write(arguments.output_dir, live.readout(), run, quality)
    summary(results, verdicts, outliers(results), corpus)
    work = results.work
    diagnostics.print(
        f"{work.texts_run} texts through the model, {work.texts_cached} from the cache: {work.seconds_forward:.1f} s; "
        f"statistics {work.seconds_statistics:.2f} s"
    )
    diagnostics.print("wrote " + ", ".join(str(path) for path in written.values()))
    return 0


def _layout(arguments: argparse.Namespace) -> tuple[Layout, Path]:
    """Where the stories are, and the folder whose `amygdala.toml` counts."""
    if arguments.corpus is not None:
        if arguments.stories_dir or arguments.paired_dir:
            raise UsageError("give either CORPUS or --stories-dir (and --paired-dir), not both")
        return Layout.of(arguments.corpus), arguments.corpus
    if arguments.stories_dir is None:
        raise UsageError("which corpus? give CORPUS, or --stories-dir (and --paired-dir)")
    for folder in (arguments.stories_dir, arguments.paired_dir):
        if folder is not None and not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
    return Layout(stories=arguments.stories_dir, paired=arguments.paired_dir), arguments.stories_dir.parent
