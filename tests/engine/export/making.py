"""Readout sets to test with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from engine.compute.live.readout import Readout

RUN_DOCUMENT: dict[str, Any] = {
    "written_by": "amygdala-studio 0",
    "model": "m",
    "model_hash": "a" * 64,
    "corpus_digest": "c" * 64,
    "settings": {"max_length": 3},
    "n_stories": 2,
}


def readout(
    seed: int = 0, *, concepts: Sequence[str] = ("calm", "sad"), layers: Sequence[int] = (3, 1), hidden: int = 4
) -> Readout:
    """Random unit vectors in fp16."""
    generator = torch.Generator().manual_seed(seed)
    random = {layer: torch.randn(len(concepts), hidden, generator=generator) for layer in layers}
    return Readout(
        concepts=list(concepts),
        layers=list(layers),
        hidden_size=hidden,
        vectors={layer: (made / made.norm(dim=1, keepdim=True)).half() for layer, made in random.items()},
        norms={layer: [layer + c / 4 for c in range(len(concepts))] for layer in layers},
        means={layer: torch.zeros(hidden, dtype=torch.float64) for layer in layers},
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file beneath a folder, by its path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


class Refusal:
    """Makes the n-th call of a function fail, as a full disk does."""

    def __init__(self, function: Any, nth: int) -> None:
        self.function, self.left = function, nth

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "No space left on device")
        return self.function(*arguments, **named)
