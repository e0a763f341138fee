"""`engine export`: a corpus in, readout files out."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine import client, paths, settings
from engine.cli.held_out import HeldOut, held_out
from engine.cli.report import ForwardProgress, diagnostics, preflight, summary, to_fix, warn_of_stories
from engine.corpus import Corpus, Layout, scan
from engine.errors import AmygdalaError, UsageError
from engine.export import files
from engine.settings import Settings
from engine.triage import Verdict, judge

if TYPE_CHECKING:
    from engine.cli.computing import Computed

GGUF = "gguf"


def export(arguments: argparse.Namespace) -> int:
    """Scan, compute, write, and print what is to be fixed."""
    layout, home = _layout(arguments)
    chosen = settings.load(home, settings.from_flags(arguments))
    corpus = scan(layout)
    preflight(corpus, chosen.thin_below)
    if not corpus.concepts:
        raise AmygdalaError(f"{home}: no stories to compute anything from")
    prepare(arguments)
    with_quality = arguments.quality_report
    computed = compute(layout, corpus, chosen, with_neurons=with_quality, with_evidence=with_quality)
    warn_of_stories(computed.results, computed.corpus)
    written = write(arguments, chosen, computed, held_out(layout, chosen, computed) if with_quality else None)
    cost = computed.cost
    diagnostics.print(
        f"{cost.texts_run} texts through the model, {cost.texts_cached} from the cache: {cost.seconds_forward:.1f} s; "
        f"statistics {cost.seconds_statistics:.2f} s; {chosen.model} in {computed.facts.dtype}"
    )
    diagnostics.print("wrote " + ", ".join(map(str, written)))
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(answer(chosen, computed, written))).decode() + "\n")
    else:
        redundant_r2 = chosen.thresholds.redundant_r2
        summary(computed.results, verdicts(chosen, computed), computed.corpus, redundant_r2)
    return 0


def compute(layout: Layout, corpus: Corpus, chosen: Settings, *, with_neurons: bool, with_evidence: bool) -> Computed:
    """Compute in the live engine where there is one, else here; arguments as of `computing.alone`."""
    computed = asyncio.run(_by_engine(layout, chosen, with_evidence=with_evidence))
    if computed is None:
        # imported here, so that a wrong flag or folder is answered at once: torch takes seconds
        from engine.cli.computing import alone

        computed = alone(corpus, chosen, with_neurons=with_neurons, with_evidence=with_evidence)
    return computed


async def _by_engine(layout: Layout, chosen: Settings, *, with_evidence: bool) -> Computed | None:
    """Have the live engine compute; None where there is no engine, or none that can be used."""
    try:
        connection = await client.connect(paths.socket_path())
    except client.NoEngine:
        return None
    except AmygdalaError as error:
        diagnostics.print(f"the live engine is not used: {error}")
        return None
    from engine.cli.computing import by_engine

    diagnostics.print(f"computed by the engine at {paths.socket_path()} (pid {connection.welcome.pid})")
    try:
        with ForwardProgress() as progress:
            return await by_engine(connection, layout, chosen, progress, with_evidence=with_evidence)
    except client.NoEngine as error:
        diagnostics.print(f"{error}; going on without it")
        return None
    finally:
        await connection.close()


def verdicts(chosen: Settings, computed: Computed) -> dict[str, Verdict]:
    """The classic buckets by concept."""
    results = computed.results
    return {quality.concept: judge(quality, results.middle, chosen.thresholds) for quality in results.concepts}


def write(
    arguments: argparse.Namespace, chosen: Settings, computed: Computed, kept: HeldOut | None = None
) -> list[Path]:
    """Write the files that the flags ask for; returns what was written. `kept` is what `quality.json` tells of held-out
    stories."""
    from engine.export import readout

    facts = computed.facts
    provenance = readout.provenance(
        msgspec.to_builtins(chosen),
        computed.corpus,
        model=chosen.model,
        model_hash=facts.model_hash,
        tokenizer_hash=facts.tokenizer_hash,
        pooling=facts.pooling,
        method=chosen.method,
        dtype=facts.dtype,
        directions=facts.directions,
        **({"left_out": _left_out(computed)} if computed.results.left_out else {}),
        **({"layer_sweep": computed.sweep} if computed.sweep else {}),
    )
    quality = (
        readout.quality_document(
            computed.results,
            verdicts(chosen, computed),
            computed.corpus,
            chosen.thresholds.redundant_r2,
            None if kept is None else kept.concepts,
        )
        if arguments.quality_report
        else None
    )
    hint = facts.kind if arguments.format == GGUF else None
    if hint is not None:
        from engine.export import gguf

        gguf.check(computed.readout.layers)
    return list(readout.write(arguments.output_dir, computed.readout, provenance, quality, hint).values())


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    written: list[str]
    corpus_digest: str
    n_stories: int
    layers: list[int]
    buckets: dict[str, str]
    """By concept."""
    without_vector: dict[str, str]
    left_out: dict[str, str]
    """Paths of stories that the model cannot take, each with what is wrong; no number is of them."""
    misread: list[str] | None
    """Paths of stories that read as another concept or are unlike their own's, the worst first, without those that a
    writer accepts; None where no story was judged (`--quality-report` judges them)."""
    accepted: list[str]
    """Paths of stories that a writer accepts as they are."""
    texts_run: int
    texts_cached: int


def answer(chosen: Settings, computed: Computed, written: list[Path]) -> Answer:
    """What was computed and written, for scripts."""
    results, corpus = computed.results, computed.corpus
    return Answer(
        written=[str(file) for file in written],
        corpus_digest=corpus.digest,
        n_stories=len(corpus.stories),
        layers=results.layers,
        buckets={name: verdict.label for name, verdict in verdicts(chosen, computed).items()},
        without_vector=results.without_vector,
        left_out=_left_out(computed),
        misread=list(to_fix(results, corpus)) if results.evidence else None,
        accepted=[story.path for story in corpus.stories if corpus.acceptance(story) is not None],
        texts_run=computed.cost.texts_run,
        texts_cached=computed.cost.texts_cached,
    )


def _left_out(computed: Computed) -> dict[str, str]:
    """Why the model cannot take a story, by its path."""
    reasons = computed.results.left_out
    return {story.path: reasons[story.text_id] for story in computed.corpus.stories if story.text_id in reasons}


def prepare(arguments: argparse.Namespace) -> None:
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
