"""A naive oracle for every family of `tests.families`: where its parts are, by hand, and its activations in fp64.

Nothing is searched for or inferred: whoever adds a family reads its source and writes a row of `PARTS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.families import weights


@dataclass(frozen=True)
class Block:
    """One block: what is read of it, by paths within it."""

    attention: str
    """The output projection of attention, or of what stands in its place."""
    heads: int
    head_dim: int
    """`heads * head_dim` is what that projection reads."""
    down: tuple[str, ...]
    """Stored names, within the block, of what neurons write: one, or the experts' and then the shared one's."""


@dataclass(frozen=True)
class Parts:
    """One family."""

    model: str
    """The class of the whole model, its head included."""
    blocks: str
    """Path of the list of blocks in that class."""
    stored: str
    """What the stored names of a block's tensors begin with, before its index."""
    below: tuple[str, ...]
    """The stored names' beginnings for what a token passes before the first block."""
    each: tuple[Block, ...]
    causal: bool = True
    """Whether no token sees those after it."""
    turned: tuple[str, ...] = ()
    """Stored names, within blocks, of the matrices above that are stored as `[in, out]`."""
    buffers: tuple[str, ...] = ()
    """Stored names, within blocks, of what is no parameter."""


def _dense(attention: str, heads: int, head_dim: int, down: str) -> Block:
    return Block(attention, heads, head_dim, (f"{down}.weight",))


def _experts(attention: str, heads: int, head_dim: int, stored: str, shared: tuple[str, ...] = ()) -> Block:
    return Block(attention, heads, head_dim, (*(stored.format(expert) for expert in range(4)), *shared))


LLAMA = _dense("self_attn.o_proj", 4, 16, "mlp.down_proj")
LINEAR = _dense("linear_attn.out_proj", 4, 10, "mlp.down_proj")
GPT2 = _dense("attn.c_proj", 4, 12, "mlp.c_proj")
OPT = _dense("self_attn.out_proj", 4, 12, "fc2")
BERT = _dense("attention.output.dense", 4, 12, "output.dense")
CONV1D = ("attn.c_proj.weight", "mlp.c_proj.weight")
EXPERT = "mlp.experts.{}.down_proj.weight"
SHARED = ("mlp.shared_expert.down_proj.weight",)

PARTS: dict[str, Parts] = {
    "llama": Parts("LlamaForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",), (LLAMA,) * 4),
    "qwen3": Parts("Qwen3ForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",), (LLAMA,) * 4),
    "qwen3_encoder": Parts("Qwen3Model", "layers", "layers.", ("embed_tokens.",), (LLAMA,) * 4, causal=False),
    "qwen3_moe": Parts(
        "Qwen3MoeForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",),
        (
            _experts("self_attn.o_proj", 4, 16, EXPERT),
            LLAMA,
            _experts("self_attn.o_proj", 4, 16, EXPERT),
            _experts("self_attn.o_proj", 4, 16, EXPERT),
        ),
    ),
    "qwen3_next": Parts(
        "Qwen3NextForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",),
        (
            _experts("linear_attn.out_proj", 4, 10, EXPERT, SHARED),
            _experts("self_attn.o_proj", 4, 16, EXPERT, SHARED),
        ) * 2,
    ),
    "qwen3_5_moe_images": Parts(
        "Qwen3_5MoeForConditionalGeneration", "model.language_model.layers", "model.language_model.layers.",
        ("model.language_model.embed_tokens.",),
        (
            Block("linear_attn.out_proj", 4, 10, ("mlp.experts.down_proj", *SHARED)),
            Block("self_attn.o_proj", 4, 16, ("mlp.experts.down_proj", *SHARED)),
        ) * 2,
    ),
    "mixtral": Parts(
        "MixtralForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",),
        (_experts("self_attn.o_proj", 4, 16, "block_sparse_moe.experts.{}.w2.weight"),) * 4,
    ),
    "gpt_oss": Parts(
        "GptOssForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",),
        (Block("self_attn.o_proj", 4, 16, ("mlp.experts.down_proj",)),) * 4, turned=("mlp.experts.down_proj",),
    ),
    "deepseek_v3": Parts(
        "DeepseekV3ForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",),
        (
            _dense("self_attn.o_proj", 4, 20, "mlp.down_proj"),
            *(_experts("self_attn.o_proj", 4, 20, EXPERT, ("mlp.shared_experts.down_proj.weight",)),) * 3,
        ),
        buffers=("mlp.gate.e_score_correction_bias",),
    ),
    "qwen3_5": Parts(
        "Qwen3_5ForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",), (LINEAR, LLAMA) * 2
    ),
    "qwen3_5_images": Parts(
        "Qwen3_5ForConditionalGeneration", "model.language_model.layers", "model.language_model.layers.",
        ("model.language_model.embed_tokens.",), (LINEAR, LLAMA) * 2,
    ),
    "gemma3": Parts("Gemma3ForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",), (LLAMA,) * 4),
    "gemma3_images": Parts(
        "Gemma3ForConditionalGeneration", "model.language_model.layers", "language_model.model.layers.",
        ("language_model.model.embed_tokens.",), (LLAMA,) * 4,
    ),
    "gemma3_encoder": Parts("Gemma3TextModel", "layers", "layers.", ("embed_tokens.",), (LLAMA,) * 4, causal=False),
    "mistral": Parts("MistralForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",), (LLAMA,) * 4),
    "phi3": Parts(
        "Phi3ForCausalLM", "model.layers", "model.layers.", ("model.embed_tokens.",),
        (_dense("self_attn.o_proj", 4, 12, "mlp.down_proj"),) * 4,
    ),
    "gpt2": Parts(
        "GPT2LMHeadModel", "transformer.h", "transformer.h.", ("transformer.wte.", "transformer.wpe."), (GPT2,) * 4,
        turned=CONV1D,
    ),
    "gpt2_bare": Parts(
        "GPT2LMHeadModel", "transformer.h", "h.", ("wte.", "wpe."), (GPT2,) * 4, turned=CONV1D,
        buffers=("attn.bias",),
    ),
    "gpt_neox": Parts(
        "GPTNeoXForCausalLM", "gpt_neox.layers", "gpt_neox.layers.", ("gpt_neox.embed_in.",),
        (_dense("attention.dense", 4, 12, "mlp.dense_4h_to_h"),) * 4,
        buffers=("attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq"),
    ),
    "opt": Parts(
        "OPTForCausalLM", "model.decoder.layers", "model.decoder.layers.",
        ("model.decoder.embed_tokens.", "model.decoder.embed_positions."), (OPT,) * 4,
    ),
    "opt_projected": Parts(
        "OPTForCausalLM", "model.decoder.layers", "model.decoder.layers.",
        ("model.decoder.embed_tokens.", "model.decoder.embed_positions.", "model.decoder.project_in."), (OPT,) * 4,
    ),
    "bert": Parts(
        "BertForMaskedLM", "bert.encoder.layer", "bert.encoder.layer.", ("bert.embeddings.",), (BERT,) * 4,
        causal=False,
    ),
    "bert_pretraining": Parts(
        "BertForPreTraining", "bert.encoder.layer", "bert.encoder.layer.", ("bert.embeddings.",), (BERT,) * 4,
        causal=False,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Read:
    """What a whole model computes of one text, fp64; by block."""

    tokens: list[Tensor]
    """`[T, H]`: the block's output."""
    heads: list[Tensor]
    """`[T, A]`: what its attention output projection reads."""


def whole_model(folder: Path, family: str) -> Any:
    """The model with its head, in fp64; experts one after the other, since what runs them as one knows no fp64."""
    import transformers

    model_type = getattr(transformers, PARTS[family].model)
    return model_type.from_pretrained(str(folder), dtype=torch.float64, experts_implementation="eager").eval()


def activations(folder: Path, family: str, texts: Sequence[str]) -> list[Read]:
    """What the whole model computes, one text at a time, unpadded and unmasked."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = whole_model(folder, family)
    parts = PARTS[family]
    of_texts = []
    for text in texts:
        tokens: dict[int, Tensor] = {}
        heads: dict[int, Tensor] = {}
        hooks = []
        for i, block in enumerate(parts.each):
            path = f"{parts.blocks}.{i}"
            hooks.append(model.get_submodule(path).register_forward_hook(_output(tokens, i)))
            projection = model.get_submodule(f"{path}.{block.attention}")
            hooks.append(projection.register_forward_pre_hook(_input(heads, i)))
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            model(input_ids=torch.tensor([ids]))
        for hook in hooks:
            hook.remove()
        read = Read([tokens[i] for i in range(len(parts.each))], [heads[i] for i in range(len(parts.each))])
        assert all(len(rows) == len(ids) for rows in (*read.tokens, *read.heads))
        of_texts.append(read)
    return of_texts


def _output(taken: dict[int, Tensor], i: int) -> Any:
    def hook(_module: object, _inputs: object, output: Any) -> None:
        taken[i] = (output[0] if isinstance(output, tuple) else output)[0].double()

    return hook


def _input(taken: dict[int, Tensor], i: int) -> Any:
    def hook(_module: object, inputs: Any) -> None:
        taken[i] = inputs[0].reshape(-1, inputs[0].shape[-1]).double()

    return hook


def attention_output(folder: Path, family: str, layer: int) -> Tensor:
    """`[H, A]`."""
    (weight,) = _stored(folder, family, layer, f"{PARTS[family].each[layer].attention}.weight")
    return weight


def down_projections(folder: Path, family: str, layer: int) -> list[Tensor]:
    """`[H, I]` each; experts in order, the shared one last."""
    names = PARTS[family].each[layer].down
    return [matrix for name in names for matrix in _stored(folder, family, layer, name)]


def _stored(folder: Path, family: str, layer: int, name: str) -> list[Tensor]:
    """What is stored under a name within a block, as `[out, in]`; several where it is stored as one tensor."""
    parts = PARTS[family]
    weight = weights(folder)[f"{parts.stored}{layer}.{name}"]
    each = [weight] if weight.ndim == 2 else list(weight)
    return [matrix.T if name in parts.turned else matrix for matrix in each]


def needed(family: str, last_layer: int, name: str) -> bool:
    """Whether what is stored under `name` may have a say in the output of block `last_layer`."""
    parts = PARTS[family]
    if not name.startswith(parts.stored):
        return name.startswith(parts.below)
    return int(name.removeprefix(parts.stored).partition(".")[0]) <= last_layer


def parameter(family: str, name: str) -> bool:
    """Whether what is stored under `name` is a parameter of the model."""
    return not name.endswith(tuple(f".{buffer}" for buffer in PARTS[family].buffers))
