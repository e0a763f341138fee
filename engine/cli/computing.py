"""Computes vectors for the command line: in the live engine where there is one, so that a model is in memory only once;
else in this process."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch

from engine import client, paths
from engine.cli.report import ForwardProgress, diagnostics, swept
from engine.compute.activations.source import Tally
from engine.compute.activations.store import Store
from engine.compute.live import methods
from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.readout import Readout
from engine.compute.live.sweep import layers_for
from engine.compute.model.depth import outline_for
from engine.compute.model.loaded import Model
from engine.compute.statistics.steps import run
from engine.corpus import Corpus, Layout, scan
from engine.errors import AmygdalaError
from engine.results import Cost, Facts, Results
from engine.settings import Settings
from engine.threads import in_thread
from engine.wire import protocol
from engine.wire.jobs import Placement

TRIES = 5
"""Exports to ask for, each of which a change of the stories may overtake."""


@dataclass(frozen=True)
class Computed:
    """All that a set of files is made of."""

    corpus: Corpus
    """The stories that the vectors are of."""
    readout: Readout
    results: Results
    cost: Cost
    facts: Facts
    sweep: dict[int, float] = field(default_factory=dict)
    """Block -> how well it separates the concepts, where a sweep chose the blocks; else empty."""
    model: Model | None = None
    """What read the texts; None where an engine did."""


def alone(corpus: Corpus, chosen: Settings, *, with_neurons: bool, with_evidence: bool) -> Computed:
    """Compute in this process. The model's weights are loaded only if a text is not in the store, or for neurons.

    Args:
        with_neurons: whether to compare directions with neurons.
        with_evidence: whether to judge the stories.

    Raises:
        AmygdalaError: the model cannot be used, or there is nothing to compute.
    """
    placements = [Placement(*story.place) for story in corpus.stories]
    texts = {story.text_id: story.text for story in corpus.stories}
    store = Store(paths.cache_dir())
    started = time.perf_counter()
    model = outline_for(chosen, store.digest, store.sketches)
    with ForwardProgress() as progress:
        layers, sweep = layers_for(model, chosen, store, placements, texts, progress)
    swept(layers, sweep)
    live = LiveCorpus(model, chosen, store, layers, with_neurons=with_neurons, with_evidence=with_evidence)
    tally = Tally()
    with ForwardProgress() as progress:
        live.apply(placements, texts, progress=progress, tally=tally)
    results = run(live.for_files(with_evidence=with_evidence))
    assert results is not None, "nothing changes the stories here"
    used = live.extractor.model
    for warning in [*used.warnings, *live.warnings]:
        diagnostics.print(f"warning: {warning}")
    where = f"on {used.placement}" if live.extractor.is_loaded else "not loaded: all that was asked of it is known"
    diagnostics.print(f"{chosen.model} {where} ({time.perf_counter() - started:.1f} s)")
    facts = methods.facts(live.extractor, chosen)
    return Computed(corpus, live.readout(), results, tally.cost, facts, sweep, used)


async def by_engine(
    connection: client.Connection,
    layout: Layout,
    chosen: Settings,
    progress: ForwardProgress,
    *,
    with_evidence: bool,
) -> Computed:
    """Have an engine compute, and judge the stories if asked to.

    Raises:
        AmygdalaError: the engine failed, or the stories kept changing.
    """
    telling = asyncio.create_task(_tell(connection, progress))
    try:
        folders = await in_thread(_absolute, layout)
        for _ in range(TRIES):
            reply = await connection.request(protocol.Export, settings=chosen, with_evidence=with_evidence, **folders)
            assert isinstance(reply, protocol.Exported)
            readout = await in_thread(_fetch, reply)
            corpus = await in_thread(scan, layout)
            if corpus.digest == reply.digest:
                return Computed(corpus, readout, reply.results, reply.cost, reply.facts)
        raise AmygdalaError(f"the stories changed {TRIES} times while they were exported; try again when it is quiet")
    finally:
        telling.cancel()


def _fetch(reply: protocol.Exported) -> Readout:
    """Read the vectors that the engine has written, and remove their file."""
    file = Path(reply.vectors)
    try:
        tensors = safetensors.torch.load_file(file)
    except (OSError, safetensors.SafetensorError) as error:
        raise AmygdalaError(f"{file}: the engine's vectors cannot be read: {error}") from error
    finally:
        file.unlink(missing_ok=True)
    return Readout(
        concepts=[quality.concept for quality in reply.results.concepts],
        layers=reply.results.layers,
        hidden_size=reply.results.hidden_size,
        vectors={layer: tensors[str(layer)] for layer in reply.results.layers},
        norms=reply.norms,
        means={layer: tensors[f"{layer}.mean"] for layer in reply.results.layers},
    )


async def _tell(connection: client.Connection, progress: ForwardProgress) -> None:
    async for event in connection.events():
        if isinstance(event, protocol.Exporting):
            progress(event.done, event.total)


def _absolute(layout: Layout) -> dict[str, str | None]:
    folders = {"stories": layout.stories, "paired": layout.paired, "root": layout.root}
    return {name: None if folder is None else str(folder.resolve()) for name, folder in folders.items()}
