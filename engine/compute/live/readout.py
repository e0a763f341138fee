"""The vectors of a corpus as they leave the computation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Readout:
    """The vectors that ship: row c of `vectors[layer]` (`[C, H]`, fp16, CPU) is `concepts[c]`'s unit direction."""

    concepts: list[str]
    layers: list[int]
    hidden_size: int
    vectors: dict[int, Tensor]
    norms: dict[int, list[float]]
    """Per layer, the length of each concept's difference of means before it was made a unit vector."""
    means: dict[int, Tensor]
    """Per layer, the mean of all texts, `[H]`, fp64, CPU: what a text is compared from. It does not ship."""
