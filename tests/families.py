"""Tiny checkpoints of many model families, laid out on disk as the families' real ones are: head, towers and all.

Weights are random but seeded, and large enough that every part of a block shows in its output. The shapes mislead
whoever guesses: towers as deep as the text model, down projections that are square, heads wider than the residual.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.places import GOLDEN

HIDDEN = 48
N_BLOCKS = 4
VOCABULARY = 512
"""What the golden tokenizers know; multimodal families have a few ids more, for images."""

Config = dict[str, Any]
SPECIAL: Config = {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3}
COMMON: Config = {
    **SPECIAL,
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": N_BLOCKS,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
ROPE: Config = {"rope_type": "default", "rope_theta": 10000.0}
PARTLY: Config = {**ROPE, "partial_rotary_factor": 0.25}
LINEAR: Config = {
    "layer_types": ["linear_attention", "full_attention", "linear_attention", "full_attention"],
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_value_head_dim": 10,
    "linear_num_value_heads": 4,
}
QWEN3_5: Config = {
    **COMMON, **LINEAR, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 72, "rope_parameters": PARTLY,
}  # fmt: skip
GEMMA3: Config = {
    **COMMON, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 72, "query_pre_attn_scalar": 16,
    "sliding_window": 8,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "sliding_attention"],
}  # fmt: skip
MROPE: Config = {"rope_parameters": {**PARTLY, "mrope_section": [1, 1, 0], "mrope_interleaved": True}}
IMAGES: Config = {"hidden_size": HIDDEN, "intermediate_size": 40}
VISUAL: Config = {
    **IMAGES, "depth": N_BLOCKS, "num_heads": 4, "patch_size": 4, "out_hidden_size": HIDDEN,
    "num_position_embeddings": 16,
}  # fmt: skip
IMAGE_TOKENS: Config = {
    "image_token_id": VOCABULARY, "video_token_id": VOCABULARY + 1, "vision_start_token_id": VOCABULARY + 2,
    "vision_end_token_id": VOCABULARY + 3,
}  # fmt: skip


def _model(kind: str, config: str, **values: Any) -> Callable[[], Any]:
    """Makes a model of transformers' class `kind` with a configuration of class `config`."""

    def make() -> Any:
        import transformers

        return getattr(transformers, kind)(getattr(transformers, config)(**values))

    return make


MODELS: dict[str, Callable[[], Any]] = {
    "llama": _model(
        "LlamaForCausalLM", "LlamaConfig", **COMMON, num_key_value_heads=2, head_dim=16, intermediate_size=72
    ),
    "qwen3": _model(
        "Qwen3ForCausalLM", "Qwen3Config", **COMMON, num_key_value_heads=2, head_dim=16, intermediate_size=HIDDEN,
        tie_word_embeddings=True,
    ),
    # as embedding models are: a language model's class, but every token sees those after it; only the config tells
    "qwen3_encoder": _model(
        "Qwen3Model", "Qwen3Config", **COMMON, num_key_value_heads=2, head_dim=16, intermediate_size=72,
        is_causal=False,
    ),
    "qwen3_moe": _model(
        "Qwen3MoeForCausalLM", "Qwen3MoeConfig", **COMMON, num_key_value_heads=2, head_dim=16, intermediate_size=72,
        num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24, decoder_sparse_step=1, mlp_only_layers=[1],
    ),
    "qwen3_next": _model(
        "Qwen3NextForCausalLM", "Qwen3NextConfig", **COMMON, **LINEAR, num_key_value_heads=2, head_dim=16,
        rope_parameters=PARTLY, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24,
        shared_expert_intermediate_size=28,
    ),
    # experts stored in one tensor as `[experts, H, I]`, within a model that sees
    "qwen3_5_moe_images": _model(
        "Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeConfig",
        text_config={
            **COMMON, **LINEAR, **MROPE, "vocab_size": VOCABULARY + 8, "num_key_value_heads": 2, "head_dim": 16,
            "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
            "shared_expert_intermediate_size": 28,
        },
        vision_config=VISUAL, **IMAGE_TOKENS,
    ),
    "mixtral": _model(
        "MixtralForCausalLM", "MixtralConfig", **COMMON, num_key_value_heads=2, head_dim=16, intermediate_size=24,
        num_local_experts=4, num_experts_per_tok=2,
    ),
    # experts stored as `[experts, I, H]`, and I = H as in the real one
    "gpt_oss": _model(
        "GptOssForCausalLM", "GptOssConfig", **COMMON, num_key_value_heads=2, head_dim=16, intermediate_size=HIDDEN,
        num_local_experts=4, num_experts_per_tok=2, sliding_window=8, rope_parameters=ROPE,
    ),
    # the config's head_dim is not that of what attention's output projection reads
    "deepseek_v3": _model(
        "DeepseekV3ForCausalLM", "DeepseekV3Config", **COMMON, num_key_value_heads=4, intermediate_size=72,
        moe_intermediate_size=24, n_shared_experts=2, n_routed_experts=4, num_experts_per_tok=2, n_group=2,
        topk_group=1, first_k_dense_replace=1, q_lora_rank=24, kv_lora_rank=16, qk_rope_head_dim=8,
        qk_nope_head_dim=16, v_head_dim=20,
    ),
    "qwen3_5": _model("Qwen3_5ForCausalLM", "Qwen3_5TextConfig", **QWEN3_5),
    "qwen3_5_images": _model(
        "Qwen3_5ForConditionalGeneration", "Qwen3_5Config",
        text_config={**QWEN3_5, **MROPE, "vocab_size": VOCABULARY + 8}, vision_config=VISUAL, **IMAGE_TOKENS,
    ),
    "gemma3": _model("Gemma3ForCausalLM", "Gemma3TextConfig", **GEMMA3),
    "gemma3_images": _model(
        "Gemma3ForConditionalGeneration", "Gemma3Config", text_config={**GEMMA3, "vocab_size": VOCABULARY + 8},
        vision_config={
            **IMAGES, "model_type": "siglip_vision_model", "num_hidden_layers": N_BLOCKS, "num_attention_heads": 4,
            "image_size": 16, "patch_size": 4,
        },
        image_token_index=VOCABULARY, boi_token_index=VOCABULARY + 1, eoi_token_index=VOCABULARY + 2,
        mm_tokens_per_image=4,
    ),
    # the same here, by another name
    "gemma3_encoder": _model("Gemma3TextModel", "Gemma3TextConfig", **GEMMA3, use_bidirectional_attention=True),
    "mistral": _model(
        "MistralForCausalLM", "MistralConfig", **COMMON, num_key_value_heads=2, head_dim=16, intermediate_size=72,
        sliding_window=8,
    ),
    # gate and up in one matrix, which is square here
    "phi3": _model(
        "Phi3ForCausalLM", "Phi3Config", **COMMON, num_key_value_heads=2, intermediate_size=HIDDEN // 2,
        sliding_window=8,
    ),
    # the transposed down projection is square, so that only its values tell
    "gpt2": _model(
        "GPT2LMHeadModel", "GPT2Config", **SPECIAL, vocab_size=VOCABULARY, n_embd=HIDDEN, n_layer=N_BLOCKS, n_head=4,
        n_positions=256, n_inner=HIDDEN,
    ),
    # as on the hub: saved from the model without a head, so nothing has a prefix
    "gpt2_bare": _model(
        "GPT2Model", "GPT2Config", **SPECIAL, vocab_size=VOCABULARY, n_embd=HIDDEN, n_layer=N_BLOCKS, n_head=4,
        n_positions=256,
    ),
    "gpt_neox": _model("GPTNeoXForCausalLM", "GPTNeoXConfig", **COMMON, intermediate_size=72),
    "opt": _model("OPTForCausalLM", "OPTConfig", **COMMON, ffn_dim=HIDDEN),
    # as OPT 350m: narrower embeddings, the norms after the sums, and none at the end
    "opt_projected": _model(
        "OPTForCausalLM", "OPTConfig", **COMMON, ffn_dim=72, word_embed_proj_dim=32, do_layer_norm_before=False
    ),
    "bert": _model("BertForMaskedLM", "BertConfig", **COMMON, intermediate_size=HIDDEN),
    # as on the hub: with a pooler, and norms by their old names
    "bert_pretraining": _model("BertForPreTraining", "BertConfig", **COMMON, intermediate_size=72),
}  # fmt: skip
FAMILIES = tuple(MODELS)
BERTS = ("bert", "bert_pretraining")


def make(family: str, folder: Path) -> Path:
    """Write a checkpoint of a family with its tokenizer; returns the folder."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(zlib.crc32(family.encode()))
    model = MODELS[family]()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("A_log"):
                continue  # the decay of linear attention: as the family initialises it
            if parameter.ndim == 1:  # norms, about one (Gemma's about zero), and biases
                parameter += 0.1 * torch.randn_like(parameter)
            else:
                parameter.normal_(std=0.15)
    model.eval().save_pretrained(folder)
    _add_what_real_ones_have(family, folder)
    _write_tokenizer(family, folder)
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Everything stored in a checkpoint, by the names there."""
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
    return tensors


def with_padding(folder: Path, side: str, into: Path) -> Path:
    """A copy whose tokenizer likes to pad on `side`; the weights are links."""
    into.mkdir()
    for file in folder.iterdir():
        (into / file.name).symlink_to(file)
    _change(into / "tokenizer_config.json", padding_side=side)
    return into


def poisoned(folder: Path, needed: Callable[[str], bool], into: Path) -> Path:
    """A copy in which every stored tensor is NaN, but those whose name is `needed`."""
    shutil.copytree(folder, into)
    for file in into.glob("*.safetensors"):
        tensors = load_file(file)
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not needed(name):
                tensor.fill_(torch.nan)
        save_file(tensors, file, metadata={"format": "pt"})
    return into


def _add_what_real_ones_have(family: str, folder: Path) -> None:
    """Make the stored names those of published checkpoints, where transformers would write others today."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    if family in (
        "qwen3_next",
        "qwen3_5",
        "qwen3_5_images",
        "qwen3_5_moe_images",
    ):  # a block and a head that predict tokens further on
        for name in list(tensors):
            _, last_block, rest = name.partition("layers.3.")
            if last_block:
                tensors[f"mtp.layers.0.{rest}"] = torch.randn_like(tensors[name])
        tensors["mtp.fc.weight"] = torch.randn(HIDDEN, 2 * HIDDEN)
        tensors["mtp.norm.weight"] = torch.randn(HIDDEN)
    if family == "qwen3_5_moe_images":
        for layer in range(N_BLOCKS):
            experts = f"model.language_model.layers.{layer}.mlp.experts"
            for part in ("gate", "up", "down"):
                each = [tensors.pop(f"{experts}.{expert}.{part}_proj.weight") for expert in range(4)]
                tensors[f"{experts}.{part}_proj"] = torch.stack(each)
            gate_up = [tensors.pop(f"{experts}.{part}_proj") for part in ("gate", "up")]
            tensors[f"{experts}.gate_up_proj"] = torch.cat(gate_up, dim=1)
    if family == "deepseek_v3":  # the same, as if it were one block more
        for name in list(tensors):
            before, last_block, rest = name.partition("layers.3.")
            if last_block:
                tensors[f"{before}layers.{N_BLOCKS}.{rest}"] = torch.randn_like(tensors[name])
        tensors[f"model.layers.{N_BLOCKS}.eh_proj.weight"] = torch.randn(HIDDEN, 2 * HIDDEN)
    if family == "gemma3_images":
        tensors = {name.replace("vision_tower.", "vision_tower.vision_model."): its for name, its in tensors.items()}
    if family == "gpt_neox":  # buffers: the causal mask, the value that masks, the rotations
        for layer in range(N_BLOCKS):
            attention = f"gpt_neox.layers.{layer}.attention"
            tensors[f"{attention}.bias"] = torch.ones(1, 1, 256, 256, dtype=torch.bool).tril()
            tensors[f"{attention}.masked_bias"] = torch.tensor(-1e9)
            tensors[f"{attention}.rotary_emb.inv_freq"] = torch.rand(2)
    if family == "gpt2_bare":  # the causal mask again
        for layer in range(N_BLOCKS):
            tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 256, 256).tril()
    if family == "bert_pretraining":
        for new, old in (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")):
            tensors = {name.replace(new, old): its for name, its in tensors.items()}
    save_file(tensors, file, metadata={"format": "pt"})


def _write_tokenizer(family: str, folder: Path) -> None:
    """A golden tokenizer; BERT's closes its texts, as it does."""
    source = GOLDEN / "models" / ("qwen3" if "qwen" in family else "llama")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(source / name, folder / name)
    if family not in BERTS:
        return
    names = {"<s>": "[CLS]", "</s>": "[SEP]", "<pad>": "[PAD]", "<unk>": "[UNK]"}
    content = (folder / "tokenizer.json").read_text("utf-8")
    for old, new in names.items():
        content = content.replace(f'"{old}"', f'"{new}"')
    described = json.loads(content)
    described["post_processor"] = {
        "type": "BertProcessing", "sep": ["[SEP]", SPECIAL["eos_token_id"]], "cls": ["[CLS]", SPECIAL["bos_token_id"]],
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(described), "utf-8")
    special = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    _change(folder / "tokenizer_config.json", bos_token=None, eos_token=None, **special)


def _change(file: Path, **values: object) -> None:
    """Set keys of a JSON object; the file may be a link, which is replaced."""
    described = json.loads(file.read_text("utf-8")) | values
    file.unlink()
    file.write_text(json.dumps(described), "utf-8")
