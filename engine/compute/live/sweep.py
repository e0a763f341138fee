"""The sweep over a model's blocks that chooses those which read a corpus's concepts best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.compute.activations.source import Progress, Tally, silent
from engine.compute.activations.store import Store
from engine.compute.live.measuring import Pooling, measuring, method_of
from engine.compute.live.sampling import sampled
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import Model
from engine.compute.statistics.separation import candidates, choose
from engine.errors import AmygdalaError
from engine.settings import Settings
from engine.wire.jobs import Placement

SWEEP_TEXTS = 256
"""Texts that a sweep over the blocks reads: enough to rank blocks, few enough to wait for."""


def layers_for(
    model: Model,
    settings: Settings,
    store: Store,
    placements: Sequence[Placement],
    texts: Mapping[str, str],
    progress: Progress = silent,
) -> tuple[list[int], dict[int, float]]:
    """The target layers and, where a sweep chose them (`auto`), the held-out AUROC at each block it looked at.

    The sweep reads whole scenarios of about `SWEEP_TEXTS` texts, by the settings' pooling and method.

    Raises:
        AmygdalaError: there are too few stories to tell concepts apart, the model can take none of them, or a layer is
            out of range.
    """
    layers = target_layers(settings, model.anatomy.n_blocks)
    if layers is not None:
        return layers, {}
    sample = sampled(placements, SWEEP_TEXTS)
    measured = measuring(model, settings, store, candidates(model.anatomy.n_blocks), sample, texts, progress, Tally())
    aurocs = measured.aurocs(Pooling.of(settings), method_of(settings))
    if aurocs is None:
        raise AmygdalaError(
            "--target-layers auto: there are too few stories to choose a block by: a concept needs some in two "
            "scenarios (or two without one), and others to stand against; name the blocks, such as 50%,67%"
        )
    scores = {block: auroc.value for block, auroc in aurocs.items()}
    return choose(list(scores.values()), list(scores)), scores
