"""A whole extraction, from texts to directions and quality, with the seconds of each stage."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks import random_model
from benchmarks.textbook.directions import basis, difference, filtered, mean_projector, top_k, unit
from benchmarks.textbook.forward import all_tokens, forward, last_input, last_token
from benchmarks.textbook.quality import quality
from benchmarks.textbook.stories import Stories
from benchmarks.timing import wait_for_gpu

Method = Literal["pooled", "subspace"]
Direction = Literal["filter", "top-k"]
EIGENVALUES = 20


@dataclass
class Extracted:
    """Directions and quality, and the seconds each stage took."""

    directions: dict[int, Tensor] = field(default_factory=dict)
    """Per layer `[C, H]`."""
    eigenvalues: dict[int, Tensor] = field(default_factory=dict)
    """Per layer `[C, 20]`, with the subspace method."""
    quality: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of a block of code to a stage's."""
        started = time.perf_counter()
        yield
        wait_for_gpu()
        self.seconds[stage] += time.perf_counter() - started


def load(folder: Path, dtype: torch.dtype, device: torch.device) -> tuple[Any, Any]:
    """The whole model with its head, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    random_model.quiet()
    model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype)
    return model.to(device).eval(), AutoTokenizer.from_pretrained(str(folder))


def extract(
    model: Any,
    tokenizer: Any,
    stories: Stories,
    layers: Sequence[int],
    *,
    method: Method = "pooled",
    direction: Direction = "filter",
    max_length: int = 512,
) -> Extracted:
    """Directions and quality of every concept at every layer."""
    extracted = Extracted()
    blocks = [model.model.layers[layer] for layer in layers]
    projections = [block.self_attn.o_proj for block in blocks]
    with extracted.timed("residual pass"):
        read = forward(model, tokenizer, stories.texts, blocks, last_token, max_length)
        residuals = [torch.stack(rows) for rows in read]  # per layer (N, H)
    if method == "subspace":
        with extracted.timed("tokens pass"):
            tokens = forward(model, tokenizer, stories.texts, blocks, all_tokens, max_length)
    with extracted.timed("heads pass"):
        read = forward(model, tokenizer, stories.texts, projections, last_input, max_length)
        heads = [torch.stack(rows) for rows in read]  # per layer (N, A)

    for i, layer in enumerate(layers):
        with extracted.timed("directions"):
            differences = [difference(residuals[i], *stories.split(name)) for name in stories.positives]
            extracted.directions[layer] = torch.stack([unit(d) for d in differences])
        if method == "subspace":
            directions, eigenvalues = subspace(tokens[i], differences, stories, direction, extracted)
            extracted.directions[layer], extracted.eigenvalues[layer] = directions, eigenvalues
    with extracted.timed("quality"):
        for c, name in enumerate(stories.positives):
            extracted.quality[name] = quality(
                name,
                stories,
                {layer: residuals[i] for i, layer in enumerate(layers)},
                {layer: heads[i] for i, layer in enumerate(layers)},
                {layer: extracted.directions[layer] for layer in layers},
                {layer: blocks[i].mlp.down_proj.weight for i, layer in enumerate(layers)},
                model.config.num_attention_heads,
            )
            for layer, values in extracted.eigenvalues.items():
                extracted.quality[name].setdefault("subspace_eigvals", {})[layer] = values[c].tolist()
    return extracted


def subspace(
    tokens: Sequence[Tensor],
    differences: Sequence[Tensor],
    stories: Stories,
    direction: Direction,
    extracted: Extracted,
) -> tuple[Tensor, Tensor]:
    """Directions `[C, H]` and top eigenvalues `[C, 20]` of one layer, by one dense eigendecomposition per concept."""
    with extracted.timed("subspace bases"):
        bases = [basis(text) for text in tokens]
    directions, eigenvalues = [], []
    for name, d in zip(stories.positives, differences, strict=True):
        own, others = stories.split(name)
        with extracted.timed("subspace matrices"):
            matrix = mean_projector(bases, own) - mean_projector(bases, others)
        with extracted.timed("subspace eigenvectors"):
            values, vectors = torch.linalg.eigh(matrix)
            directions.append(filtered(matrix, values, d) if direction == "filter" else top_k(values, vectors, d))
            eigenvalues.append(values.flip(0)[:EIGENVALUES])
    return torch.stack(directions), torch.stack(eigenvalues)
