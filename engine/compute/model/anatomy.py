"""Where a model keeps its blocks and, in each, the attention's output projection and the MLP's down projection.

The parts are read off the model itself: by shape (what writes into the residual stream), by role, and by the names that
the field uses. A part that is told wrong in this way can be named by hand (`Parts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from engine.compute.model.parts import UNNAMED, Parts, named, shape
from engine.errors import AmygdalaError

MIXERS = ("attn", "attention", "mixer", "mamba", "ssm")
"""Names of the parts of a block that move information between tokens."""
NOT_THE_MLP = (*MIXERS, "per_layer", "laurel", "router")
"""Parts of a block that write into the residual stream besides the MLP: mixers, and Gemma 3n's side streams."""
OUTPUT_NAMES = ("o_proj", "out_proj", "dense", "c_proj", "wo", "o", "out_lin", "proj")
"""What attention's output projection is called; inputs (q, k, v) may have the same shape, so shape does not tell."""
HEAD_SIZES = ("v_head_dim", "head_v_dim", "head_dim", "attention_head_size", "head_size")
"""Attributes in which attention modules keep the width of a head's output; those of values first, which may differ."""
OTHER_TOWERS = ("vision", "visual", "audio", "image", "multi_modal", "encoder_attn", "crossattention")
"""Parts that text does not pass, or not on its way through the blocks."""
AFTER_THE_BLOCKS = (
    "norm", "ln_f", "norm_f", "ln_out", "layer_norm", "final_norm", "final_layer_norm", "final_layernorm",
    "project_out", "pooler",
)  # fmt: skip
"""Neighbours of the blocks that run after the last of them."""
HARMLESS = re.compile(
    r"(^|\.)(inv_freq|cos_cached|sin_cached|position_ids|token_type_ids|embed_positions\.(weights|_float_tensor)"
    r"|(attn|attention)\.bias|masked_bias|causal_mask|[kqv]_scale|kv_scale|input_scale|output_scale)$"
)
"""Tensors that old checkpoints keep and the model makes itself (masks, positions), and scales of caches and of inputs,
which do not change what the weights are."""
PLAIN_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Number formats whose values are the weights; quantised formats keep scales elsewhere."""
HOW_TO_NAME = (
    "Name it in amygdala.toml, as a dotted path in the model (blocks) or in a block (the others):\n"
    '  blocks = "model.layers"\n  attention_output = "self_attn.o_proj"\n  down_projection = "mlp.down_proj"'
)


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model that are read."""

    blocks: list[nn.Module]
    """The blocks that are loaded: the first ones."""
    n_blocks: int
    """How many the checkpoint has."""
    hidden_size: int
    n_heads: int | None
    """Attention heads by the config; used where a mixer does not tell the width of its heads."""
    parts: Parts = UNNAMED

    @property
    def depth(self) -> int:
        """How many blocks are loaded."""
        return len(self.blocks)

    def attention_output(self, block: int) -> nn.Module | None:
        """A block's attention (or linear attention) output projection; None where none is found."""
        if self.parts.attention_output is not None:
            return named(self.blocks, block, self.parts, "attention_output")
        return _attention_output(self.blocks[block], self.hidden_size)

    def head_width(self, block: int) -> int:
        """How wide the input of `attention_output(block)` is, all heads together; 0 without one."""
        projection = self.attention_output(block)
        return 0 if projection is None else shape(projection)[1]

    def head_dim(self, block: int) -> int:
        """How wide one head is in the input of `attention_output(block)`; 0 without one."""
        width = self.head_width(block)
        mixers = [mixer for _, mixer in _mixers(self.blocks[block])]
        projection = self.attention_output(block)
        # the mixer that the projection belongs to comes first
        mixers.sort(key=lambda mixer: all(part is not projection for part in mixer.modules()))
        for mixer in mixers:
            sizes = [getattr(mixer, name, None) for name in HEAD_SIZES]
            fitting = [size for size in sizes if isinstance(size, int) and size > 0 and width % size == 0]
            if fitting:
                return fitting[0]
        return width // self.n_heads if self.n_heads and width % self.n_heads == 0 else width

    def down_projections(self, block: int) -> list[Tensor]:
        """What a block's neurons write, as matrices `[H, I]`, one column per neuron.

        A dense MLP has one matrix. Experts have one each, in order, and those that all tokens share come last. The list
        is empty where none is found.
        """
        if self.parts.down_projection is not None:
            module = named(self.blocks, block, self.parts, "down_projection")
            return [] if module is None else _columns(module, self.hidden_size)
        return _down_projections(self.blocks[block], self.hidden_size)


def text_config(model: nn.Module) -> Any:
    """The configuration of the part of a model that reads text."""
    config: Any = model.config
    return config.get_text_config()


def needs_masking(module: nn.Module, blocks: Sequence[nn.Module]) -> bool:
    """Whether some attention looks ahead, or no module says that it does not: a mask is never wrong, only slower."""
    causal = {part.is_causal for block in blocks for part in block.modules() if hasattr(part, "is_causal")}
    return causal != {True} or getattr(text_config(module), "is_causal", True) is False


def dissect(model: nn.Module, parts: Parts = UNNAMED, n_blocks: int | None = None) -> Anatomy:
    """Find the parts of a model.

    Args:
        model: the model, whole or cut off above some block.
        parts: what is named by hand.
        n_blocks: blocks of the whole model, where this one is cut off.

    Raises:
        AmygdalaError: no list of modules looks like the blocks; says what was looked for.
    """
    name = find_blocks(model, parts)
    config = text_config(model)
    blocks = list(cast(nn.ModuleList, model.get_submodule(name)))
    return Anatomy(
        blocks=blocks,
        n_blocks=n_blocks or len(blocks),
        hidden_size=_hidden_size(model),
        n_heads=getattr(config, "num_attention_heads", None),
        parts=parts,
    )


def find_blocks(model: nn.Module, parts: Parts = UNNAMED) -> str:
    """The path of the list of text blocks: the module list as long as the text config's number of layers.

    Raises:
        AmygdalaError: no list of modules looks like the blocks.
    """
    lists: dict[str, nn.ModuleList] = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.ModuleList)
    }
    if parts.blocks is not None:
        if parts.blocks not in lists:
            raise AmygdalaError(
                f"amygdala.toml: blocks = {parts.blocks!r}: {type(model).__name__} has no such list of modules; "
                f"its lists: {_described(lists)}"
            )
        return parts.blocks
    count = getattr(text_config(model), "num_hidden_layers", None)
    fitting: list[str] = [
        name
        for name, module in lists.items()
        if len(module) == count and not any(tower in name for tower in OTHER_TOWERS)
    ]
    if not fitting:
        expected = f"a list of {count} modules" if count else "num_hidden_layers in its config, which is not there"
        raise AmygdalaError(
            f"{type(model).__name__}: cannot tell which modules are its blocks.\n"
            f"Looked for {expected}; lists found: {_described(lists)}.\n{HOW_TO_NAME}"
        )
    return min(fitting, key=lambda name: (name.count("."), name))


def unread(model: nn.Module, blocks: str) -> list[str]:
    """Paths of the modules that no text passes on its way to the last block: other towers, and what runs after it."""
    ancestors = {""} | {blocks.rsplit(".", depth)[0] for depth in range(blocks.count(".") + 1)}
    unread_paths = []
    for path in ancestors:
        for name, _ in model.get_submodule(path).named_children():
            child = f"{path}.{name}" if path else name
            on_the_way = child in ancestors or child == blocks
            if not on_the_way and (name in AFTER_THE_BLOCKS or any(tower in name for tower in OTHER_TOWERS)):
                unread_paths.append(child)
    return unread_paths


def positions_beyond_padding(model: nn.Module) -> int:
    """How many positions a model has for text, if it keeps some of its table for padding; 1 << 30 if it does not.

    RoBERTa and its kin number tokens from the one after padding's row: of 514 rows with padding in row 1, text has 512.
    """
    tables = [
        module
        for name, module in model.named_modules()
        if "position" in name.rpartition(".")[2]
        and isinstance(module, nn.Embedding)
        and module.padding_idx is not None
        and not any(tower in name for tower in OTHER_TOWERS)
    ]
    return min((table.num_embeddings - cast(int, table.padding_idx) - 1 for table in tables), default=1 << 30)


def leftovers(names: Iterable[str], model: nn.Module, blocks: str, cut: Sequence[str]) -> list[str]:
    """Those of a checkpoint's unused tensors that belong to a part which is run.

    A weight whose scale is not used has other values than those it was trained to have. Heads, and blocks that are not
    loaded, belong to no part that is run: `lm_head.weight` is not among them, `layers.0.mlp.up_proj.weight_scale` is.

    Args:
        names: tensors in the files that the model does not use.
        model: the loaded model.
        blocks: the path of its blocks.
        cut: paths of the modules that were left out of it.
    """
    prefix = f"{getattr(model, 'base_model_prefix', '')}."
    on_the_way = {""} | {blocks.rsplit(".", depth)[0] for depth in range(blocks.count(".") + 1)}
    modules = {path for path, _ in model.named_modules()} - on_the_way - set(cut)
    children = {path.partition(".")[0] for path in modules}
    belonging = []
    for name in sorted(names):
        path = name if name.partition(".")[0] in children else name.removeprefix(prefix)
        owners = [path.rsplit(".", depth)[0] for depth in range(1, path.count(".") + 1)]
        is_cut = any(owner in cut for owner in owners)
        if not is_cut and any(owner in modules for owner in owners) and not HARMLESS.search(name):
            belonging.append(name)
    return belonging


def _described(lists: dict[str, nn.ModuleList]) -> str:
    return ", ".join(f"{name} ({len(module)})" for name, module in lists.items()) or "none"


def _hidden_size(model: Any) -> int:
    hidden = getattr(text_config(model), "hidden_size", None)
    if hidden is None:
        try:
            hidden = model.get_input_embeddings().weight.shape[1]
        except (AttributeError, NotImplementedError):
            raise AmygdalaError(
                f"{type(model).__name__}: neither its config nor an embedding tells the width of its residual stream, "
                "so it is no model of text"
            ) from None
    return int(hidden)


def _mixers(block: nn.Module) -> list[tuple[str, nn.Module]]:
    """All modules within the block's token mixer."""
    return [
        (name, module)
        for name, module in block.named_modules()
        if any(mixer in name for mixer in MIXERS) and not any(tower in name for tower in OTHER_TOWERS)
    ]


def _attention_output(block: nn.Module, hidden: int) -> nn.Module | None:
    writers = {name: module for name, module in _mixers(block) if shape(module)[0] == hidden}
    for output_name in OUTPUT_NAMES:
        for name, module in writers.items():
            if name.rpartition(".")[2].lower() == output_name:
                return module
    return None


def _down_projections(block: nn.Module, hidden: int) -> list[Tensor]:
    routed: list[Tensor] = []
    shared: list[Tensor] = []
    dense: list[Tensor] = []
    for name, module in block.named_modules():
        if any(part in name for part in NOT_THE_MLP):
            continue
        leaf = name.rpartition(".")[2]
        if "shared_expert" in name:
            shared = _columns(module, hidden) or shared
        elif "expert" in name and not any(part in leaf for part in ("gate", "up", "w1", "w3")):
            routed += _columns(module, hidden)
        elif "expert" not in name and "gate" not in leaf:
            dense = _columns(module, hidden) or dense  # the last matrix that writes into the stream is the MLP's
    return routed + shared + dense if routed else dense


def _columns(module: nn.Module, hidden: int) -> list[Tensor]:
    """The matrices `[hidden, I]` of one module: a linear layer's, or those of experts fused into one parameter."""
    for name, weight in module.named_parameters(recurse=False):
        if "down" in name and weight.ndim == 3 and weight.dtype in PLAIN_DTYPES:
            # (E, H, I), or (E, I, H) where the module says so or the shape leaves no doubt
            is_transposed = getattr(module, "is_transposed", False) or weight.shape[1] != hidden
            return list((_weight(module, name).mT if is_transposed else _weight(module, name)).unbind(0))
    if shape(module)[0] != hidden or module.get_parameter("weight").dtype not in PLAIN_DTYPES:
        return []
    matrix = _weight(module, "weight")
    return [matrix.T if type(module).__name__ == "Conv1D" else matrix]


def _weight(module: nn.Module, name: str) -> Tensor:
    """A module's weight; a copy on the CPU where it lies on disk or comes to a GPU only when it is used."""
    if module.get_parameter(name).device.type != "meta":
        return module.get_parameter(name)
    from accelerate.utils import align_module_device

    with align_module_device(module, "cpu"):
        return module.get_parameter(name).clone()
