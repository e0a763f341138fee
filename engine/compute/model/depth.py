"""How deep a model is loaded for what settings ask of it, and what reads it there."""

from __future__ import annotations

from collections.abc import Sequence

from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.folder import Digest
from engine.compute.model.forward import Extractor
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import LoadedModel, Model
from engine.settings import EMBEDDED, Settings


def load_for(settings: Settings, digest: Digest) -> LoadedModel:
    """Load the model that `settings` name as deep as its target layers lie; whole where a sweep is to choose them.

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
    """Whether the blocks that `settings` ask for are loaded, or would be."""
    layers = target_layers(settings, model.anatomy.n_blocks)
    needed = model.anatomy.n_blocks if layers is None else max(layers) + 1
    return len(model.anatomy.blocks) >= needed


def extractor_for(model: Model, layers: Sequence[int], settings: Settings) -> Extractor:
    """The extractor that settings ask for; what they leave open, the model decides."""
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
