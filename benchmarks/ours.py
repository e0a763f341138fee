"""A whole export with the quality report, as `engine export` does it, loading apart: to be timed within a process."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.compute.activations.source import Tally
from engine.compute.activations.store import Store
from engine.compute.live.corpus import LiveCorpus
from engine.compute.live.readout import Readout
from engine.compute.model.loaded import LoadedModel
from engine.corpus import Corpus
from engine.export import readout
from engine.results import Results
from engine.settings import Settings
from engine.triage import judge
from engine.wire.jobs import Placement


@dataclass(frozen=True)
class Exported:
    """What came of it, and the seconds each stage took."""

    results: Results
    readout: Readout
    seconds: dict[str, float]


def export(model: LoadedModel, settings: Settings, corpus: Corpus) -> Exported:
    """Everything from an empty cache to files on the disk; the cache is filled on the way."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        live = LiveCorpus(model, settings, Store(Path(folder) / "cache"))
        tally = Tally()
        results = live.apply(
            [Placement(*story.place) for story in corpus.stories],
            {story.text_id: story.text for story in corpus.stories},
            tally=tally,
        )
        numbers = time.perf_counter() - started
        verdicts = {
            quality.concept: judge(quality, results.middle, settings.thresholds) for quality in results.concepts
        }
        run = readout.provenance(
            msgspec.to_builtins(settings),
            corpus,
            model=settings.model,
            model_hash=model.model_hash,
            tokenizer_hash=model.tokenizer_hash,
            pooling=live.extractor.pooling,
            method=settings.method,
            dtype=str(model.dtype),
        )
        out = Path(folder) / "out"
        out.mkdir()
        vectors = live.readout()
        quality = readout.quality_document(results, verdicts, corpus, settings.thresholds.redundant_r2)
        readout.write(out, vectors, run, quality)
        together = time.perf_counter() - started
    forward = tally.fetching_s
    assert tally.n_run == len({story.text_id for story in corpus.stories}), tally
    return Exported(
        results,
        vectors,
        {
            "forward": forward,
            "statistics": numbers - forward,
            "files and the rest": together - numbers,
        },
    )
