"""`engine export`: a corpus in, readout files out."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine import paths, settings
from engine.cli.report import ForwardProgress, diagnostics, preflight, summary, swept, warn_of_stories
from engine.corpus import Corpus, Layout, scan
from engine.errors import AmygdalaError, UsageError
from engine.export import files
from engine.results import Results
from engine.settings import Settings
from engine.triage import judge, outliers
from engine.work import Placement

if TYPE_CHECKING:
    from engine.compute.live import LiveCorpus

GGUF = "gguf"


def export(arguments: argparse.Namespace) -> int:
    """Scan, compute, write, and print the triage."""
    layout, home = _layout(arguments)
    chosen = settings.load(home, settings.from_flags(arguments))
    corpus = scan(layout)
    preflight(corpus)
    if not corpus.concepts:
        raise AmygdalaError(f"{home}: no stories to compute anything from")

    _prepare(arguments)
    placements = [Placement(story.text_id, story.concept) for story in corpus.stories]
    texts = {story.text_id: story.text for story in corpus.stories}
    live, sweep = _open(chosen, placements, texts)
    if arguments.format == GGUF:
        from engine.export import gguf

        gguf.check(live.layers)
    with ForwardProgress() as progress:
        results = live.apply(placements, texts, progress=progress)
    warn_of_stories(results, corpus)
    written = _write(arguments, chosen, corpus, live, results, sweep)
    work = results.work
    diagnostics.print(
        f"{work.texts_run} texts through the model, {work.texts_cached} from the cache: {work.seconds_forward:.1f} s; "
        f"statistics {work.seconds_statistics:.2f} s"
    )
    diagnostics.print("wrote " + ", ".join(map(str, written)))
    return 0


def _open(chosen: Settings, placements: list[Placement], texts: dict[str, str]) -> tuple[LiveCorpus, dict[int, float]]:
    """Load the model and choose the blocks; says what it does. Returns the sweep's scores, if there was one, too."""
    # imported here, so that a wrong flag or folder is answered at once: torch takes seconds
    from engine.compute.live import LiveCorpus
    from engine.compute.reading import layers_for, load_for
    from engine.compute.store import Store

    started = time.perf_counter()
    store = Store(paths.cache_dir())
    model = load_for(chosen, store.digest)
    diagnostics.print(f"{chosen.model} on {model.placement} ({time.perf_counter() - started:.1f} s to load)")
    with ForwardProgress() as progress:
        layers, sweep = layers_for(model, chosen, store, placements, texts, progress)
    swept(layers, sweep)
    live = LiveCorpus(model, chosen, store, layers)
    for warning in [*model.warnings, *live.warnings]:
        diagnostics.print(f"warning: {warning}")
    return live, sweep


def _write(
    arguments: argparse.Namespace,
    chosen: Settings,
    corpus: Corpus,
    live: LiveCorpus,
    results: Results,
    sweep: dict[int, float],
) -> list[Path]:
    """Write the files and print the triage; returns what was written."""
    from engine.compute import methods
    from engine.export import readout

    verdicts = {quality.concept: judge(quality, results.middle, chosen.thresholds) for quality in results.concepts}
    model = live.extractor.model
    run = readout.provenance(
        msgspec.to_builtins(chosen),
        corpus,
        model=chosen.model,
        model_hash=model.model_hash,
        tokenizer_hash=model.tokenizer_hash,
        pooling=live.extractor.pooling,
        method=chosen.method,
        dtype=str(model.dtype).removeprefix("torch."),
        directions=methods.words(chosen),
        **({"layer_sweep": sweep} if sweep else {}),
    )
    quality = readout.quality_document(results, verdicts, corpus) if arguments.quality_report else None
    hint = model.kind if arguments.format == GGUF else None
    written = readout.write(arguments.output_dir, live.readout(), run, quality, hint)
    summary(results, verdicts, outliers(results), corpus)
    return list(written.values())


def _prepare(arguments: argparse.Namespace) -> None:
    """Make sure, before anything is computed, that what is asked for can be written."""
    if arguments.format == GGUF:
        from engine.export import gguf

        gguf.prepare(arguments.output_dir)
    else:
        files.prepare(arguments.output_dir)


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
