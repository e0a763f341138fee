"""Where a model keeps its blocks and, in each, its MLP's down projection: read off the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import AmygdalaError

NOT_THE_MLP = ("attn", "attention", "mamba", "ssm", "per_layer", "laurel")
"""Parts of a block that write into the residual stream besides the MLP: token mixers, and Gemma 3n's side streams."""
OTHER_TOWERS = ("vision", "visual", "audio", "image", "encoder_attn")


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model that are read."""

    blocks: list[nn.Module]
    hidden_size: int

    def down_projection(self, layer: int) -> Tensor | None:
        """Block `layer`'s MLP down projection as `[H, I]`, column i what neuron i writes; None without a dense one."""
        return down_projection(self.blocks[layer], self.hidden_size)


def text_config(model: nn.Module) -> Any:
    """The configuration of the part of a model that reads text."""
    config: Any = model.config
    return config.get_text_config()


def dissect(model: nn.Module) -> Anatomy:
    """Find the list of text blocks: the module list as long as the text config's number of layers.

    Raises:
        AmygdalaError: no list of modules looks like the blocks.
    """
    config = text_config(model)
    count, hidden = getattr(config, "num_hidden_layers", None), getattr(config, "hidden_size", None)
    if count is None or hidden is None:
        raise AmygdalaError(
            f"{type(model).__name__}: its config has no num_hidden_layers or no hidden_size, so it is no model of text"
        )
    lists = {name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    fitting = [
        name
        for name, module in lists.items()
        if len(module) == count and not any(tower in name for tower in OTHER_TOWERS)
    ]
    if not fitting:
        seen = ", ".join(f"{name} ({len(module)})" for name, module in lists.items()) or "none"
        raise AmygdalaError(
            f"{type(model).__name__}: cannot tell which modules are its {count} blocks.\n"
            f"Looked for a list of {count} modules; lists found: {seen}."
        )
    outermost = min(fitting, key=lambda name: (name.count("."), name))
    return Anatomy(blocks=list(lists[outermost]), hidden_size=int(hidden))


def down_projection(block: nn.Module, hidden: int) -> Tensor | None:
    """The last matrix of a block that writes into the residual stream and is not attention's: `[hidden, I]` or None.

    Linear layers keep their weight as `[out, in]`; GPT-2's `Conv1D` keeps it transposed.
    """
    found = None
    if any("expert" in name for name, _ in block.named_modules()):
        return None
    for name, module in block.named_modules():
        weight = getattr(module, "weight", None)
        if any(part in name for part in NOT_THE_MLP) or not isinstance(weight, Tensor) or weight.ndim != 2:
            continue
        if isinstance(module, nn.Linear) and weight.shape[0] == hidden:
            found = weight
        elif type(module).__name__ == "Conv1D" and weight.shape[1] == hidden:
            found = weight.T
    return found


def unit_columns(weight: Tensor) -> Tensor:
    """A matrix `[H, I]` in fp32 with each column of length 1 (columns of zeros stay zero)."""
    return torch.nn.functional.normalize(weight.float(), dim=0)
