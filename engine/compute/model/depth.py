"""How deep settings need a model to be loaded, and the extractor that reads it there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Literal

from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.folder import Digest
from engine.compute.model.forward import EXTRACTOR_VERSION, Extractor
from engine.compute.model.layers import target_layers
from engine.compute.model.loaded import LoadedModel, Model
from engine.compute.model.parts import Parts
from engine.compute.model.sketch import Sketches
from engine.settings import EMBEDDED, Settings

DETERMINING_PACKAGES = ("transformers", "tokenizers", "torch")
"""Those of which another version may make other modules of the same files, or tell another longest text."""


def load_for(settings: Settings, digest: Digest) -> LoadedModel:
    """Load the model that `settings` name as deep as its target layers lie; whole where a sweep chooses them.

    Raises:
        AmygdalaError: as `Checkpoint`.
    """
    checkpoint = Checkpoint(settings, digest)
    checkpoint.start_hashing()
    return checkpoint.load(_last_layer(settings, checkpoint))


def outline_for(settings: Settings, digest: Digest, sketches: Sketches | None = None) -> Model:
    """Describe the model that `load_for` would give; its weights are loaded when they are first needed.

    With `sketches`, a model that was described before is not looked through again. One that brings code of its own is,
    since its hash does not cover all of that code. One whose files were never read here is loaded at once, beside their
    hashing: the store can hardly have a text of it.

    Raises:
        AmygdalaError: as `Checkpoint`, and `Checkpoint.outline`.
    """
    checkpoint = Checkpoint(settings, digest)
    if sketches is None or settings.trust_remote_code:
        return checkpoint.outline(_last_layer(settings, checkpoint))
    identity = checkpoint.identify(sketches.remembered)
    sketch = None if identity is None else sketches.get(key_of(settings, *identity))
    if identity is not None and sketch is not None:
        return checkpoint.outlined(sketch, *identity)
    checkpoint.start_hashing()
    last_layer = _last_layer(settings, checkpoint)
    model = checkpoint.load(last_layer) if identity is None else checkpoint.outline(last_layer)
    # files may have come meanwhile; and of a quantised model more is known once it is loaded
    if checkpoint.is_as_it_was and not checkpoint.is_quantised:
        sketches.put(key_of(settings, model.model_hash, model.tokenizer_hash), model.sketch)
    return model


def key_of(settings: Settings, model_hash: str, tokenizer_hash: str) -> str:
    """A hash of all that decides a model's sketch: its files, how deep it is loaded, what is named by hand, and the
    code that looks through it."""
    parts = (
        EXTRACTOR_VERSION, *map(version, DETERMINING_PACKAGES), model_hash, tokenizer_hash,
        settings.model == EMBEDDED, settings.target_layers, Parts.of(settings),
    )  # fmt: skip
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


def is_deep_enough(model: Model, settings: Settings) -> bool:
    """Whether the blocks that `settings` ask for are loaded, or an outline would load them."""
    layers = target_layers(settings, model.anatomy.n_blocks)
    n_needed = model.anatomy.n_blocks if layers is None else max(layers) + 1
    return model.anatomy.depth >= n_needed


def extractor_for(model: Model, layers: Sequence[int], settings: Settings, *, keep_later: bool = False) -> Extractor:
    """The extractor that settings ask for; the model decides what they leave open. `keep_later` as of `Extractor`."""
    return Extractor(
        model,
        layers,
        pooling=pooling_of(settings),
        pool_from=settings.pool_from,
        max_length=settings.max_length,
        batch_size=settings.batch_size,
        keep_tokens=settings.method == "subspace",
        keep_later=keep_later,
    )


def pooling_of(settings: Settings) -> Literal["last", "mean"]:
    """The pooling that settings ask for; the model decides where they do not."""
    return settings.pooling or ("mean" if settings.model == EMBEDDED else "last")


def _last_layer(settings: Settings, checkpoint: Checkpoint) -> int | None:
    layers = target_layers(settings, checkpoint.n_blocks)
    return None if layers is None else max(layers)
