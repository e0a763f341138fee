"""Parts of a model that are named by hand, in amygdala.toml: which they are, and whether they can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from engine.errors import AmygdalaError
from engine.settings import Settings

LATER_ONE = re.compile(r"(^|\.)[1-9]\d*(\.|$)")
"""Paths in any but the first module of a list: experts, of which one stands for all."""


@dataclass(frozen=True)
class Parts:
    """Parts named by hand, as dotted paths; None where a part is read off the model."""

    blocks: str | None = None
    attention_output: str | None = None
    down_projection: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Parts:
        """The parts that settings name."""
        return cls(settings.blocks, settings.attention_output, settings.down_projection)


UNNAMED = Parts()
"""No part is named by hand."""


def named(blocks: Sequence[nn.Module], block: int, parts: Parts, setting: str) -> nn.Module | None:
    """The part of a block that a setting names; None where only other blocks have it, as in hybrid models.

    Raises:
        AmygdalaError: no block has it.
    """
    path: str = getattr(parts, setting)
    modules = [_submodule(module, path) for module in blocks]
    if all(module is None for module in modules):
        raise AmygdalaError(
            f"amygdala.toml: {setting} = {path!r}: no block of the model has such a part; "
            f"a block has: {', '.join(_matrices(blocks)) or 'no matrix'}"
        )
    return modules[block]


def check_parts(blocks: Sequence[nn.Module], parts: Parts, hidden_size: int) -> None:
    """Refuse named parts that a block does not have, or that cannot be what they are named for.

    The weights must have the shapes that they compute with: quantised ones are packed.

    Raises:
        AmygdalaError: no block has such a part, or it does not write into the residual stream.
    """
    for setting in ("attention_output", "down_projection"):
        path = getattr(parts, setting)
        modules = [] if path is None else [named(blocks, block, parts, setting) for block in range(len(blocks))]
        if any(module is not None and not _writes(module, setting, hidden_size) for module in modules):
            writers = ", ".join(name for name, height in _matrices(blocks).items() if height == hidden_size)
            raise AmygdalaError(
                f"amygdala.toml: {setting} = {path!r}: it is no matrix whose output is as wide as the residual stream "
                f"({hidden_size}); in a block these are: {writers or 'none'}"
            )


def _writes(module: nn.Module, setting: str, hidden_size: int) -> bool:
    is_fused = any("down" in name and weight.ndim == 3 for name, weight in module.named_parameters(recurse=False))
    return shape(module)[0] == hidden_size or (setting == "down_projection" and is_fused)


def _matrices(blocks: Sequence[nn.Module]) -> dict[str, int]:
    """The paths of the matrices in blocks, and how wide the output of each is; of a list of experts, the first's."""
    heights = {name: shape(module)[0] for block in blocks for name, module in block.named_modules()}
    return {name: height for name, height in heights.items() if name and height and not LATER_ONE.search(name)}


def _submodule(block: nn.Module, path: str) -> nn.Module | None:
    try:
        return block.get_submodule(path)
    except AttributeError:
        return None


def shape(module: nn.Module) -> tuple[int, int]:
    """(out, in) of a module that is one matrix, else (0, 0). GPT-2's `Conv1D` keeps its weight transposed."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 2 or isinstance(module, nn.Embedding):
        return 0, 0
    rows, columns = weight.shape
    return (columns, rows) if type(module).__name__ == "Conv1D" else (rows, columns)
