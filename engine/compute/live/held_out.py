"""Stories that no vector is made of, read by the vectors that ship."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import torch
from torch import Tensor

from engine.compute.activations.source import Progress, Source, Tally
from engine.compute.activations.store import Store
from engine.compute.live.readout import Readout
from engine.compute.model.depth import extractor_for
from engine.compute.model.loaded import Model
from engine.compute.statistics.evidence.aurocs import Auroc
from engine.compute.statistics.held_out import read_by
from engine.compute.statistics.leave_one_out import membership
from engine.evidence import HeldOutConcept
from engine.results import middle_layer
from engine.settings import Settings
from engine.wire.jobs import Placement


def read_held_out(
    model: Model,
    settings: Settings,
    store: Store,
    readout: Readout,
    placements: Sequence[Placement],
    texts: Mapping[str, str],
    progress: Progress,
    tally: Tally,
) -> tuple[dict[str, HeldOutConcept], dict[str, str]]:
    """Read stories at the middle target block, in one pass, as the texts of the vectors were read.

    Args:
        model: loaded, or described, as deep as the vectors' blocks lie.
        settings: those that the vectors were made by.
        store: what was read so before is not run again.
        readout: the vectors.
        placements: of the stories, each under a concept that has a vector, and of baselines.
        texts: theirs, by text id.
        progress: told of texts through the model.
        tally: counts what it costs.

    Returns:
        What each of the vectors' concepts comes to, in their order; and why the model cannot take a text, by id.

    Raises:
        AmygdalaError: the machine fails.
    """
    layers, middle = readout.layers, middle_layer(readout.layers)
    pooled = msgspec.structs.replace(settings, method="pooled")  # every token, which subspace takes, is not needed here
    source = Source(extractor_for(model, layers, pooled), store)
    rows: dict[str, Tensor] = {}
    left_out: dict[str, str] = {}
    wanted = {text_id: texts[text_id] for text_id in sorted({placement.text_id for placement in placements})}
    for batch in source.batches(wanted, (), tally):
        if batch.total:
            progress(batch.done, batch.total)
        rows |= {text_id: read.x[layers.index(middle)] for text_id, read in batch.activations.items()}
        left_out |= batch.left_out
    text_ids = sorted(rows)
    own = {
        name: sorted({place.text_id for place in placements if place.concept == name and place.text_id in rows})
        for name in readout.concepts
    }
    stacked = torch.stack([rows[i] for i in text_ids]) if rows else torch.empty(0, readout.hidden_size)
    aurocs, read_as = read_by(readout.vectors[middle], stacked, readout.means[middle], membership(text_ids, own))
    concepts = {
        name: _concept(len(own[name]), auroc, dict(zip(readout.concepts, counts, strict=True)))
        for name, auroc, counts in zip(readout.concepts, aurocs, read_as.tolist(), strict=True)
    }
    return concepts, left_out


def _concept(n: int, auroc: Auroc | None, read_as: Mapping[str, int]) -> HeldOutConcept:
    return HeldOutConcept(
        n=n,
        auroc=None if auroc is None else auroc.value,
        auroc_interval=None if auroc is None else (auroc.low, auroc.high),
        reads_as={name: count for name, count in sorted(read_as.items(), key=lambda pair: -pair[1]) if count},
    )
