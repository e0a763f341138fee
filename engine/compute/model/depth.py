"""How deep settings need a model to be loaded, and the extractor that reads it there."""

from __future__ import annotations

from collections.abc import Sequence

from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.folder import Digest
from engine.compute.model.forward import Extractor
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import LoadedModel, Model
from engine.settings import EMBEDDED, Settings


def load_for(settings: Settings, digest: Digest) -> LoadedModel:
    """Load the model that `settings` name as deep as its target layers lie; whole where a sweep chooses them.

    Raises:
        AmygdalaError: as `Checkpoint`.
    """
    checkpoint = Checkpoint(settings, digest)
    return checkpoint.load(_last_layer(settings, checkpoint))


def outline_for(settings: Settings, digest: Digest) -> Model:
    """Describe the model that `load_for` would give; its weights are loaded when they are first needed.

    Raises:
        AmygdalaError: as `Checkpoint`, and `Checkpoint.outline`.
    """
    checkpoint = Checkpoint(settings, digest)
    return checkpoint.outline(_last_layer(settings, checkpoint))


def is_deep_enough(model: Model, settings: Settings) -> bool:
    """Whether the blocks that `settings` ask for are loaded, or an outline would load them."""
    layers = target_layers(settings, model.anatomy.n_blocks)
    n_needed = model.anatomy.n_blocks if layers is None else max(layers) + 1
    return len(model.anatomy.blocks) >= n_needed


def extractor_for(model: Model, layers: Sequence[int], settings: Settings) -> Extractor:
    """The extractor that settings ask for; the model decides what they leave open."""
    return Extractor(
        model,
        layers,
        pooling=settings.pooling or ("mean" if settings.model == EMBEDDED else "last"),
        pool_from=settings.pool_from,
        max_length=settings.max_length,
        batch_size=settings.batch_size,
        keep_tokens=settings.method == "subspace",
    )


def _last_layer(settings: Settings, checkpoint: Checkpoint) -> int | None:
    layers = target_layers(settings, checkpoint.n_blocks)
    return None if layers is None else max(layers)
