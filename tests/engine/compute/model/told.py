"""All that is told of a model without running it."""

from __future__ import annotations

from engine.compute.model.loaded import Model


def facts(model: Model) -> dict[str, object]:
    """What a model says of itself, by name."""
    anatomy = model.anatomy
    layers = range(anatomy.depth)
    names = ("name", "model_hash", "tokenizer_hash", "dtype", "kind", "device", "needs_mask", "max_positions")
    return {name: getattr(model, name) for name in (*names, "placement", "warnings")} | {
        "n_blocks": anatomy.n_blocks,
        "depth": anatomy.depth,
        "hidden_size": anatomy.hidden_size,
        "parts": anatomy.parts,
        "head_width": [anatomy.head_width(layer) for layer in layers],
        "head_dim": [anatomy.head_dim(layer) for layer in layers],
    }
